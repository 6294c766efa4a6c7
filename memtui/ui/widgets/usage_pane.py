"""The roll-up by kind: from a kind to its VMAs, from a VMA to its place on the map."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Final

from memtui.draw.answer import Answer
from memtui.draw.fit import shorten
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.draw.usage import UsageTable, tables
from memtui.draw.usage_sums import UsageSums
from memtui.draw.why import vma_answer
from memtui.draw.why_figure import figure_answer
from memtui.draw.why_file import usage_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane

_BREATH: Final = 0.002
"""Seconds between two slices, for keys and frames."""


class UsagePane(Pane):
    """Its cursor is a kind, or a VMA of the kind that was entered."""

    TITLE: ClassVar[str] = "Where memory goes"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._kind: str | None = None
        self._table: UsageTable | None = None
        self._sums = UsageSums()
        self._work: Iterator[UsageTable | None] | None = None
        """What makes the table of the newest picture."""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The address space, what of it, and the swap that its pages could go to."""
        return snapshot.mm, self._kind or "", snapshot.system.meminfo.get("SwapTotal")

    def draw(self, snapshot: Snapshot) -> None:
        """The kinds, or the VMAs of one."""
        if snapshot.mm is None:
            self._table = self._work = None
            why = Run(f" {shorten(snapshot.unknown.get('mm', 'no process yet'), self.room.width - 2)}", "text.dim")
            self.show(RowLines(((why,),), self.room.width), title=self.TITLE, subtitle="")
            return
        swap = snapshot.system.meminfo.get("SwapTotal")
        self._work = tables(self._sums, snapshot.mm, self.room.width, self._kind, swap=swap)
        self._go_on(self._work)

    def _go_on(self, work: Iterator[UsageTable | None], *, later: bool = False) -> None:
        """Work a slice further; what is there stays until the table is made. Another picture begins its own work."""
        if work is not self._work:
            return
        table = next(work)
        if table is not None:
            self._work = None
            self._show(table)
            if later:
                self.post_message(self.Moved(self))
        elif self.region:
            self.set_timer(_BREATH, partial(self._go_on, work, later=True))
        else:
            self._work, self._drawn = None, ()

    def _show(self, table: UsageTable) -> None:
        before, now = self._table, table.kind
        self._table, self._kind = table, now
        title = f"{self.TITLE}: {now}" if now else self.TITLE
        self.show(table, title=title, subtitle="Esc all kinds" if now else "Enter its VMAs")
        if before is None or before.kind != now:
            left = before.kind if before is not None and now is None else None
            names = [usage.name for usage in table.entries] if left else []
            self.move_to(names.index(left) + 1 if left in names else 1)

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
            return vma_answer(mm, usage.example, log=self.snapshot.steps)
        return usage_answer(usage, table.total, self._sums.largest(usage.name))

    def enter(self) -> None:
        """Into a kind; from a VMA to the map."""
        usage = self._table.usage_at(self.cursor) if self._table is not None and self.cursor is not None else None
        if usage is None:
            return
        if self._kind is None:
            self._kind = usage.name
            self.redraw()
        else:
            self.post_message(self.Chosen(usage.example.start))

    def leave(self) -> bool:
        """Back to all kinds; False if they are what is shown."""
        if self._kind is None:
            return False
        self._kind = None
        self.redraw()
        return True
