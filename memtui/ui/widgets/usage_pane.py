"""The roll-up by kind: from a kind to its VMAs, from a VMA to its place on the map."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.lines import RowLines
from memtui.draw.usage import UsageTable
from memtui.draw.why import vma_answer
from memtui.draw.why_figure import figure_answer
from memtui.draw.why_file import usage_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class UsagePane(Pane):
    """Its cursor is a kind, or a VMA of the kind that was entered."""

    TITLE: ClassVar[str] = "Where memory goes"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._kind: str | None = None
        self._table: UsageTable | None = None

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The address space, what of it, and the swap that its pages could go to."""
        return snapshot.mm, self._kind or "", snapshot.system.meminfo.get("SwapTotal")

    def draw(self, snapshot: Snapshot) -> None:
        """The kinds, or the VMAs of one."""
        if snapshot.mm is None:
            self._table = None
            self.show(RowLines((), self.room.width), title=self.TITLE, subtitle="")
            return
        swap = snapshot.system.meminfo.get("SwapTotal")
        table = UsageTable(snapshot.mm, self.room.width, self._kind, swap=swap)
        self._table, self._kind = table, table.kind
        title = f"{self.TITLE}: {table.kind}" if table.kind else self.TITLE
        self.show(table, title=title, subtitle="Esc all kinds" if table.kind else "Enter its VMAs")

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no kind; they come into view with the first one."""
        super().move_to(max(row, 1), column)
        if self.cursor == 1:
            self.reveal(0)

    def answer(self) -> Answer | None:
        """Why the kind, or the VMA, takes what it takes."""
        table = self._table
        if table is None or self.cursor is None or self.snapshot is None:
            return None
        usage = table.usage_at(self.cursor)
        if usage is None:
            return figure_answer(table, self.cursor, self.snapshot)
        mm = self.snapshot.mm
        if table.kind is not None and mm is not None:
            return vma_answer(mm, usage.vmas[0], log=self.snapshot.steps)
        return usage_answer(usage, table.total)

    def enter(self) -> None:
        """Into a kind; from a VMA to the map."""
        usage = self._table.usage_at(self.cursor) if self._table is not None and self.cursor is not None else None
        if usage is None:
            return
        if self._kind is None:
            self._go(usage.name)
        else:
            self.post_message(self.Chosen(usage.vmas[0].start))

    def leave(self) -> bool:
        """Back to all kinds; False if they are what is shown."""
        if self._kind is None:
            return False
        self._go(None)
        return True

    def _go(self, kind: str | None) -> None:
        before, self._kind = self._kind, kind
        self.redraw()
        names = [usage.name for usage in self._table.entries] if self._table is not None else []
        self.move_to(names.index(before) + 1 if before in names else 1)
