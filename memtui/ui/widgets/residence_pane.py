"""Page cache and anon, of the process and of the system."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.fit import indented
from memtui.draw.lines import Lines, RowLines
from memtui.draw.residence_bars import residence_rows
from memtui.draw.why_figure import figure_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class ResidencePane(Pane):
    """Page cache and anon, of the process and of the system."""

    TITLE: ClassVar[str] = "Residence"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """Its two address spaces, so to say: the process's and the machine's."""
        return snapshot.mm, snapshot.system

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """The ledger; the heads of its columns stand above it."""
        return RowLines(indented(residence_rows(snapshot, self.room.width - 1)), self.room.width)

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no figure; they come into view with the first one."""
        super().move_to(max(row, 1), column)
        if self.cursor == 1:
            self.reveal(0)

    def answer(self) -> Answer | None:
        """Why the figure is what it is."""
        if self.snapshot is None or self.cursor is None:
            return None
        return figure_answer(self.lines, self.cursor, self.snapshot)
