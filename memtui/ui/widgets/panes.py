"""The panes beside the map: what is under the cursor, residence, the OOM ranking, the steps; and the bars."""

from typing import ClassVar, Final

from textual.geometry import Size

from memtui.draw.fit import safe
from memtui.draw.header import header_row
from memtui.draw.labels import vma_label
from memtui.draw.legend import legend_rows
from memtui.draw.lines import Lines, RowLines
from memtui.draw.oom_table import arithmetic
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.draw.residence_bars import residence_rows
from memtui.draw.run import Row
from memtui.draw.step_list import StepList
from memtui.draw.vma_detail import hole_rows, vma_rows
from memtui.draw.why import hole_why_rows, why_rows
from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.oom import Verdict
from memtui.model.request import Seek
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.line_view import LineBar
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
        self._asks_why = False

    def toggle_why(self) -> None:
        """Tell why the VMA is as it is, or again what it is."""
        self._asks_why = not self._asks_why
        self.top = 0
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
            self._has_pages,
            self._asks_why,
            self.elf,
            snapshot.mm.examined if snapshot.mm else None,
        )

    @property
    def _has_pages(self) -> bool:
        return self._with_pages and self.room.height >= _ROOMY

    def draw(self, snapshot: Snapshot) -> None:
        """What the subject asks for; the heading names it."""
        rows, title, subtitle = self._about(snapshot)
        self.show(RowLines(rows, self.room.width), title=title, subtitle=subtitle)

    def _about(self, snapshot: Snapshot) -> tuple[tuple[Row, ...], str, str]:
        subject, width = self._subject, self.room.width
        if self._asks_why and snapshot.mm is not None and isinstance(subject, Vma | Range):
            return self._why(snapshot, snapshot.mm, subject)
        if isinstance(subject, Vma):
            unknown = snapshot.mm.unknown if snapshot.mm else {}
            examined = snapshot.mm.examined if snapshot.mm else None
            rows = vma_rows(subject, width, address=self._address, unknown=unknown, elf=self.elf, examined=examined)[1:]
            grid = PageGrid(subject, width, shift_to_fit(subject, width, _STRIP))
            if not self._has_pages:
                return rows, grid.title, ""
            return (*(grid.row(index) for index in range(len(grid))), *rows), grid.title, grid.scale
        if isinstance(subject, Range):
            return hole_rows(subject, width)[1:], "Hole", ""
        totalpages = snapshot.system.totalpages
        if subject is not None and snapshot.domain is not None and totalpages:
            return arithmetic(subject, snapshot.domain, totalpages, width)[1:], _process(subject), "why this score"
        return (), self.TITLE, ""

    def _why(self, snapshot: Snapshot, mm: MmSnapshot, subject: Vma | Range) -> tuple[tuple[Row, ...], str, str]:
        width = self.room.width
        if isinstance(subject, Range):
            return hole_why_rows(mm, subject, width), "Hole", "why"
        rows = why_rows(mm, subject, width, log=snapshot.steps)
        return rows, f"{vma_label(subject)} {subject.start:x}", "why"


def _process(verdict: Verdict) -> str:
    return f"{verdict.task.pid} {safe(verdict.task.comm)}"


class ResidencePane(Pane):
    """Page cache and anon, of the process and of the system."""

    TITLE: ClassVar[str] = "Residence"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """Its two address spaces, so to say: the process's and the machine's."""
        return snapshot.mm, snapshot.system

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """The ledger; the heads of its columns stand above it."""
        return RowLines(residence_rows(snapshot, self.room.width), self.room.width)


class StepsPane(Pane):
    """The trace. Its cursor follows the step that ran last; Enter goes to another one."""

    TITLE: ClassVar[str] = "Steps"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._steps: StepList | None = None

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The log; the height, because the story of the step that ran last is to be in view."""
        return snapshot.steps, self.room.height

    def draw(self, snapshot: Snapshot) -> None:
        """The steps, with the one that ran last, and what is told below it, in view."""
        log = snapshot.steps
        if log is None:
            return
        self._steps = StepList(log, self.room.width)
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


class HeaderBar(Pane, can_focus=False):
    """The line on top: what is looked at and how current it is."""

    FRAMED = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.status = ""
        """What only the screen knows: "every 1 s", "paused"."""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """All of it: the cost is another one each time."""
        return snapshot, self.status

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """One row."""
        width = self.room.width
        return RowLines((header_row(snapshot, width, status=self.status),), width)


class LegendBar(LineBar):
    """What the characters mean; as many lines as that takes."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As the width asks for."""
        return len(legend_rows(width))

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self.show(RowLines(legend_rows(self.size.width), self.size.width))
