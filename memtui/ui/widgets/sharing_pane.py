"""Shared memory of the machine."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.fit import shorten
from memtui.draw.lines import Lines, RowLines
from memtui.draw.run import Run
from memtui.draw.sharing_rows import Shared, sharing_rows
from memtui.draw.why_shared import shared_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class SharingPane(Pane):
    """Read only while it, or the files, can be seen. Its cursor is a file system or a segment."""

    TITLE: ClassVar[str] = "Shared memory"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._told: tuple[Shared, ...] = ()
        """What each row tells of."""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """What is shared."""
        return snapshot.sharing, snapshot.unknown.get("sharing", "")

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """Mounts and segments, or why there are none."""
        width = self.room.width
        rows = () if snapshot.sharing is None else sharing_rows(snapshot.sharing, width)
        self._told = tuple(shared for _, shared in rows)
        if snapshot.sharing is not None:
            # The heading is nothing that could be explained.
            self.cursor = max(self.cursor or 0, 1)
            return RowLines(tuple(row for row, _ in rows), width)
        why = snapshot.unknown.get("sharing", "not read yet")
        return RowLines(((Run(f" {shorten(why, width - 2)}", "text.dim"),),), width)

    def answer(self) -> Answer | None:
        """Why it takes memory."""
        shared = self._told[self.cursor] if self.cursor is not None and self.cursor < len(self._told) else None
        return None if shared is None else shared_answer(shared)
