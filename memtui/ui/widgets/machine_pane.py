"""The machine: LRU lists, zones, reclaim, page cache, promises, swap."""

from typing import TYPE_CHECKING, ClassVar

from memtui.draw.answer import Answer
from memtui.draw.fit import indented
from memtui.draw.lines import Lines, RowLines
from memtui.draw.machine_rows import machine_rows
from memtui.draw.why_figure import figure_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtui.model.system import SystemSnapshot


class MachinePane(Pane):
    """Remembers the picture before, to tell what happened since."""

    TITLE: ClassVar[str] = "Machine"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._system: SystemSnapshot | None = None
        self._before: Mapping[str, int] = {}
        self.cursor = 1

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture."""
        if self._system is not None and snapshot.system is not self._system:
            self._before = self._system.vmstat
        self._system = snapshot.system
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The machine, and the process that a request would come from."""
        return snapshot.system, snapshot.mm

    def answer(self) -> Answer | None:
        """Why the figure is what it is."""
        if self.snapshot is None or self.cursor is None:
            return None
        return figure_answer(self.lines, self.cursor, self.snapshot)

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """A heading each."""
        width = self.room.width
        return RowLines(indented(machine_rows(snapshot, width - 1, before=self._before)), width)
