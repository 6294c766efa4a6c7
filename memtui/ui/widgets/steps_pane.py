"""The trace, with the step that ran last in view."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.step_list import StepList
from memtui.draw.why_step import step_answer
from memtui.model.request import Seek
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class StepsPane(Pane):
    """The trace. Its cursor follows the step that ran last; Enter goes to another one."""

    TITLE: ClassVar[str] = "Steps"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._steps: StepList | None = None
        self._marks: frozenset[int] = frozenset()

    def mark(self, steps: frozenset[int]) -> None:
        """Show these steps as marked."""
        self._marks = steps
        self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The log; the height, because the story of the step that ran last is to be in view."""
        return snapshot.steps, self.room.height, self._marks

    def draw(self, snapshot: Snapshot) -> None:
        """The steps, with the one that ran last, and what is told below it, in view."""
        log = snapshot.steps
        if log is None:
            return
        self._steps = StepList(log, self.room.width, self._marks)
        title = f"Steps {log.cursor}/{len(log.steps)}{'' if log.complete else '+'}"
        self.show(self._steps, title=title, subtitle=f"{log.divergences} differ" if log.divergences else "")
        row = self._steps.row_of(log.cursor)
        self.move_to(row)
        below = self._steps.row_of(log.cursor + 1) if log.cursor < len(log.steps) else len(self._steps)
        self.reveal(min(below, row + self.room.height - 1))

    def enter(self) -> None:
        """Go to the step under the cursor."""
        if self._steps is not None and self.cursor is not None:
            self.post_message(self.Wanted(Seek(self._steps.step_at(self.cursor))))

    def answer(self) -> Answer | None:
        """Why the step did what it did."""
        now = self.snapshot
        if self._steps is None or self.cursor is None or now is None or now.steps is None:
            return None
        return step_answer(now.steps, self._steps.step_at(self.cursor), now.mm)
