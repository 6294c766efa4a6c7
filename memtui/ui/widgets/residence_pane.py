"""Page cache and anon, of the process and of the system."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.fit import indented
from memtui.draw.history import History
from memtui.draw.lines import RowLines
from memtui.draw.residence_bars import residence_rows
from memtui.draw.sizes import plural
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class ResidencePane(Pane):
    """Page cache and anon, of the process and of the system."""

    TITLE: ClassVar[str] = "Residence"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._history = History()

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture, and remember its figures."""
        self._history.note(snapshot)
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The process and the machine; with something to tell of the past, each picture is another one."""
        return snapshot.mm, snapshot.system, snapshot.group, len(self._history.series()) and snapshot

    def draw(self, snapshot: Snapshot) -> None:
        """The ledger; the heads of its columns stand above it."""
        rows = residence_rows(snapshot, self.room.width - 1, self._history)
        past = f"~ over {plural(len(self._history), self._history.unit)}" if self._history.series() else ""
        self.show(RowLines(indented(rows), self.room.width), subtitle=past)

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no figure; they come into view with the first one."""
        super().move_to(max(row, 1), column)
        if self.cursor == 1:
            self.reveal(0)

    def answer(self) -> Answer | None:
        """Why the figure is what it is."""
        if self.snapshot is None or self.cursor is None:
            return None
        from memtui.draw.why_figure import figure_answer

        return figure_answer(self.lines, self.cursor, self.snapshot)
