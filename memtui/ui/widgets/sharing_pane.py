"""Shared memory of the machine."""

from typing import ClassVar

from memtui.draw.fit import shorten
from memtui.draw.lines import Lines, RowLines
from memtui.draw.run import Run
from memtui.draw.sharing_rows import sharing_rows
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class SharingPane(Pane):
    """Read only while it, or the files, can be seen."""

    TITLE: ClassVar[str] = "Shared memory"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """What is shared."""
        return snapshot.sharing, snapshot.unknown.get("sharing", "")

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """Mounts and segments, or why there are none."""
        width = self.room.width
        if snapshot.sharing is not None:
            return RowLines(sharing_rows(snapshot.sharing, width), width)
        why = snapshot.unknown.get("sharing", "not read yet")
        return RowLines(((Run(f" {shorten(why, width - 2)}", "text.dim"),),), width)
