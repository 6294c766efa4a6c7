"""The steps of a simulation as a list to scroll."""

from memtui.draw.run import Row
from memtui.model.step import StepLog


class StepList:
    """A `Lines`: chapters as headings, one row a step, and below the step that ran last its story, rule and events."""

    def __init__(self, log: StepLog, width: int) -> None:
        self.width = width
        self.log = log

    def __len__(self) -> int:
        return 0

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        return ()

    def row_of(self, step_number: int) -> int:
        """The row of a step's own line; 0 before the first, the last row beyond the end."""
        return 0

    def step_at(self, row: int) -> int:
        """The number of the step that the row belongs to (a heading to the step below it); 0 if there is none."""
        return 0
