"""The machine: LRU lists, zones, reclaim, page cache, promises, swap."""

import re
from typing import TYPE_CHECKING, ClassVar, Final

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

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([KMGTkmgt]?)i?B?")


class MachinePane(Pane):
    """Remembers the picture before, to tell what happened since."""

    TITLE: ClassVar[str] = "Machine"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._system: SystemSnapshot | None = None
        self._before: Mapping[str, int] = {}
        self.cursor = 1
        self._promised: int | None = None
        """Bytes that somebody may ask for."""

    def promise(self, size: str) -> bool:
        """Show what the modes of overcommit would answer to "100M"; "" for nobody asks. False: no size."""
        found = _SIZE.fullmatch(size.strip())
        if found is None:
            return False
        self._promised = int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))
        self.redraw()
        return True

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture."""
        if self._system is not None and snapshot.system is not self._system:
            self._before = self._system.vmstat
        self._system = snapshot.system
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The machine, and the process that a request would come from."""
        return snapshot.system, snapshot.mm, self._promised or 0

    def answer(self) -> Answer | None:
        """Why the figure is what it is."""
        if self.snapshot is None or self.cursor is None:
            return None
        return figure_answer(self.lines, self.cursor, self.snapshot)

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """A heading each."""
        width = self.room.width
        rows = machine_rows(snapshot, width - 1, before=self._before, size=self._promised)
        return RowLines(indented(rows), width)
