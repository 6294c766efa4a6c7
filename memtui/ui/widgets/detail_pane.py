"""The pane under the map: what the cursor is on, or why it is so."""

from typing import ClassVar, Final

from memtui.draw.answer import Answer
from memtui.draw.fit import indented, safe
from memtui.draw.lines import RowLines
from memtui.draw.oom_table import arithmetic
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.draw.run import Row
from memtui.draw.vma_detail import hole_rows, vma_rows
from memtui.model.address import Range
from memtui.model.oom import Verdict
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.widgets.pane import Pane

_STRIP: Final = 3
"""Rows that the pages of a VMA take in the pane below the map."""
_ROOMY: Final = 9
"""Rows from which there is room for them."""


class DetailPane(Pane):
    """Everything about what the cursor is on: a VMA and its page, a hole, or a process of the OOM ranking."""

    TITLE: ClassVar[str] = "VMA"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._subject: Vma | Range | Verdict | None = None
        self._address: int | None = None
        self._with_pages = True
        self._answer: Answer | None = None

    def tell(self, answer: Answer | None) -> None:
        """Say why, or (None) again what the cursor is on."""
        if answer is None or self._answer is None or answer.title != self._answer.title:
            self.top = 0
        self._answer = answer
        self.redraw()

    @property
    def about_process(self) -> bool:
        """Whether it tells of a process of the ranking."""
        return isinstance(self._subject, Verdict)

    def look_at(
        self, subject: Vma | Range | Verdict | None, address: int | None = None, *, with_pages: bool = True
    ) -> None:
        """Show something else.

        Args:
            subject: what.
            address: the byte under the cursor, for a VMA.
            with_pages: whether to show a strip of its pages first, if there is room.
        """
        self._with_pages = with_pages
        if type(subject) is not type(self._subject) or not isinstance(subject, Vma):
            self.top = 0
        self._subject, self._address = subject, address
        self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The subject itself; a process also depends on the total."""
        return (
            self._subject,
            self._address,
            snapshot.domain,
            snapshot.system.totalpages,
            snapshot.legacy,
            snapshot.sharing,
            self._has_pages,
            self._answer,
            snapshot.mm.examined if snapshot.mm else None,
            self.elf,
        )

    @property
    def _has_pages(self) -> bool:
        return self._with_pages and self.room.height >= _ROOMY

    def draw(self, snapshot: Snapshot) -> None:
        """What the subject asks for; the heading names it."""
        rows, title, subtitle = self._about(snapshot)
        self.show(RowLines(rows, self.room.width), title=title, subtitle=subtitle)

    def _about(self, snapshot: Snapshot) -> tuple[tuple[Row, ...], str, str]:
        subject, width = self._subject, self.room.width - 1
        if self._answer is not None:
            return indented(self._answer.rows(width)), self._answer.title, "why · y back"
        if isinstance(subject, Vma):
            unknown = snapshot.mm.unknown if snapshot.mm else {}
            examined = snapshot.mm.examined if snapshot.mm else None
            rows = vma_rows(
                subject,
                width,
                address=self._address,
                unknown=unknown,
                elf=self.elf,
                examined=examined,
                users=_users(snapshot, subject),
            )[1:]
            grid = PageGrid(subject, width + 1, shift_to_fit(subject, width + 1, _STRIP))
            if not self._has_pages:
                return indented(rows), grid.title, ""
            return (*(grid.row(index) for index in range(len(grid))), *indented(rows)), grid.title, grid.scale
        if isinstance(subject, Range):
            return indented(hole_rows(subject, width)[1:]), "Hole", ""
        totalpages = snapshot.system.totalpages
        if subject is not None and snapshot.domain is not None and totalpages:
            rows = arithmetic(subject, snapshot.domain, totalpages, width, snapshot.system.oom_rule)[1:]
            if snapshot.legacy:
                from memtui.draw.oom_old_table import legacy_of, old_arithmetic

                old = legacy_of(snapshot, subject)
                rows += old_arithmetic(old, width) if old is not None else ()
            return indented(rows), _process(subject), "why this score"
        return (), self.TITLE, ""


def _users(snapshot: Snapshot, vma: Vma) -> list[str]:
    """Who maps the same file or segment, with pid and name; nobody if that is not known (the files are not shown)."""
    if snapshot.sharing is None or not vma.inode:
        return []
    names = {task.pid: safe(task.comm) for task in snapshot.tasks}
    return [f"{pid} {names.get(pid, '')}".rstrip() for pid in snapshot.sharing.mappers.get((vma.dev, vma.inode), ())]


def _process(verdict: Verdict) -> str:
    return f"{verdict.task.pid} {safe(verdict.task.comm)}"
