"""The address map, the page grid and the bytes of a page: from the cursor's address to a cell and back."""

from bisect import bisect_right
from operator import itemgetter
from typing import ClassVar, Final

from memtui.draw.address_map import AddressMap
from memtui.draw.answer import Answer
from memtui.draw.changes import changed
from memtui.draw.fit import shorten, wrap
from memtui.draw.hex_dump import HexDump
from memtui.draw.labels import vma_label
from memtui.draw.lines import RowLines
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.draw.run import Run
from memtui.draw.why import hole_answer, vma_answer
from memtui.model.address import Range, page_down
from memtui.model.content import Content
from memtui.model.mm import MmSnapshot
from memtui.model.request import Examine, Peek
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.widgets.pane import Pane

_START: Final = itemgetter(0)
_NEAR: Final = 32 << 20
"""Bytes: of a large VMA the pages that are looked at one by one reach at least so far from the cursor."""
_CLOSER: Final = 2
"""Each zoom shows 2**_CLOSER times fewer pages in a cell."""


class MapPane(Pane):
    """Its cursor is an address, so that it survives zooming, refreshing and another width."""

    TITLE: ClassVar[str] = "Address space"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.address: int | None = None
        """The byte under the cursor; None before there is a map."""
        self.shift: int | None = None
        """log2 of the pages in a cell of the page grid; None: the whole address space is shown."""
        self.bytes = False
        """Whether the bytes of the page under the cursor are shown."""
        self.peeks = False
        """Whether the source can read them."""
        self._peeked: int | None = None
        """The page that was asked for."""
        self._examined: int | None = None
        """Around which address single pages are looked at."""
        self._drawing: AddressMap | PageGrid | HexDump | None = None
        self._mm: MmSnapshot | None = None
        self._marks: tuple[Range, ...] = ()

    @property
    def vma(self) -> Vma | None:
        """The VMA under the cursor."""
        if self._mm is None or self.address is None:
            return None
        nth = bisect_right(self._mm.vmas, self.address, key=_START) - 1
        vma = self._mm.vmas[nth] if nth >= 0 else None
        return vma if vma is not None and self.address < vma.end else None

    @property
    def hole(self) -> Range | None:
        """The hole under the cursor."""
        if self.address is None or not isinstance(self._drawing, AddressMap):
            return None
        return self._drawing.hole_at(self._drawing.row_of(self.address))

    # Drawing

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture, and mark what changed since the one before."""
        mm, before = snapshot.mm, self._mm
        self._mm = mm
        self._marks = () if mm is None else changed(before, mm)
        if mm is not None and (before is None or before.pid != mm.pid or self.address is None):
            self.address, self.shift, self.bytes = _start(mm), None, False
            self._peeked = self._examined = None
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The address space, what is marked in it, and how close it is looked at; the grid fits itself in the height.

        A mark of () is always the same object.
        """
        vma = self.vma if self.shift is not None else None
        page = page_down(self.address) if self.bytes and self.address is not None else None
        height = self.room.height
        return snapshot.mm, self._marks, self.shift, vma, height, page, snapshot.content, self.elf.objects

    def draw(self, snapshot: Snapshot) -> None:
        """The map, or the pages of one VMA; the cursor stays on its address."""
        mm, vma, width = snapshot.mm, self.vma, self.room.width
        if mm is None:
            self._draw_nothing(snapshot)
            return
        if self.bytes and vma is not None and self.address is not None:
            self._draw_bytes(vma, page_down(self.address), snapshot.content)
        elif self.shift is not None and vma is not None:
            self._examine(vma, self.address)
            grid = PageGrid(vma, width, self.shift)
            self._drawing = grid
            self.show(grid, title=grid.title, subtitle=grid.scale)
        else:
            self.shift, self.bytes = None, False
            self._examine(None, None)
            whole = AddressMap(mm, width, marks=self._marks, elf=self.elf.objects)
            self._drawing = whole
            self.show(whole, title=self.TITLE, subtitle=whole.scale)
        self._place()

    def _draw_bytes(self, vma: Vma, page: int, content: Content | None) -> None:
        if self._peeked != page:
            self._peeked = page
            self.post_message(self.Wanted(Peek(page)))
        dump = HexDump(
            content if content is not None and content.page == page else Content(page, None), self.room.width
        )
        self._drawing = dump
        self.show(dump, title=f"{vma_label(vma)} · bytes of page {page:x}", subtitle=dump.scale)

    def _examine(self, vma: Vma | None, address: int | None) -> None:
        """Have the pages around the cursor looked at one by one; again when it went far away."""
        wanted, before = (None if vma is None else address), self._examined
        near = before is not None and wanted is not None and abs(before - wanted) < _NEAR
        if wanted == before or (near and vma is not None and before is not None and vma.start <= before < vma.end):
            return
        self._examined = wanted
        self.post_message(self.Wanted(Examine(wanted)))

    def _draw_nothing(self, snapshot: Snapshot) -> None:
        self._drawing = self.cursor = None
        width = self.room.width
        hint = "Enter on a process of the OOM ranking shows it" if snapshot.steps is None else "n makes the next step"
        rows = [
            *((Run(f" {line}", "text"),) for line in wrap(snapshot.unknown.get("mm", "no process yet"), width - 2)),
            (Run(f" {shorten(hint, width - 2)}", "text.dim"),),
        ]
        self.show(RowLines(tuple(rows), width), title=self.TITLE, subtitle="")

    def _place(self) -> None:
        if self._drawing is not None and self.address is not None:
            self.move_to(self._drawing.row_of(self.address), self._drawing.column_of(self.address))

    # Moving

    def go(self, address: int) -> None:
        """Put the cursor on a byte; outside of the pages that are shown, the whole address space comes back."""
        self.address = address
        self.redraw()
        self._place()

    def by_rows(self, rows: int) -> None:
        """So many rows down (up: negative), in the same column."""
        if self._drawing is not None and self.address is not None:
            if self.bytes:
                self._by_bytes(rows * max(self._drawing.address_at(1, 0) - self._drawing.address_at(0, 0), 1))
                return
            row = min(max(self._drawing.row_of(self.address) + rows, 0), len(self._drawing) - 1)
            self.go(self._drawing.address_at(row, self._drawing.column_of(self.address)))

    def by_cells(self, cells: int) -> None:
        """So many cells to the right (left: negative) in the row."""
        if self._drawing is None or self.address is None:
            return
        if self.bytes:
            self._by_bytes(cells)
            return
        row, column = self._drawing.row_of(self.address), self._drawing.column_of(self.address)
        address = self._drawing.address_at(row, column + cells)
        if self._drawing.row_of(address) == row and self._drawing.column_of(address) == column:
            # A gap between groups of cells: the next one stands a cell further.
            address = self._drawing.address_at(row, column + cells + (1 if cells > 0 else -1))
        self.go(address)

    def _by_bytes(self, count: int) -> None:
        """Bytes further on, over the pages of the VMA."""
        vma = self.vma
        if vma is not None and self.address is not None:
            self.go(min(max(self.address + count, vma.start), vma.end - 1))

    def choose(self, row: int, column: int) -> None:
        """Put the cursor on the cell under the mouse."""
        if self._drawing is not None:
            self.go(self._drawing.address_at(row, column))
            self.post_message(self.Moved(self))

    def answer(self) -> Answer | None:
        """Why the VMA, its page or the hole is there."""
        mm, vma = self._mm, self.vma
        if mm is None:
            return None
        if vma is not None:
            log = self.snapshot.steps if self.snapshot is not None else None
            return vma_answer(mm, vma, address=self.address, log=log)
        return hole_answer(mm, self.hole) if self.hole is not None else None

    # Zooming

    def zoom(self, direction: int) -> bool:
        """Closer (1) or further away (-1); False where there is nothing closer or further."""
        vma = self.vma
        if self.shift is None:
            if direction < 0 or vma is None:
                return False
            self.shift = self._fitting(vma)
        elif vma is None:
            self.shift = None
        elif self.bytes or (direction > 0 and self.shift == 0):
            return self._zoom_bytes(direction)
        elif direction > 0:
            self.shift = max(self.shift - _CLOSER, 0)
        else:
            further = self.shift + _CLOSER
            fitting = self._fitting(vma)
            self.shift = None if self.shift >= fitting else min(further, fitting)
        self.redraw()
        return True

    def _zoom_bytes(self, direction: int) -> bool:
        """Between the pages and the bytes of one."""
        if self.bytes == (direction > 0) or not self.peeks:
            return False
        self.bytes = not self.bytes
        if not self.bytes:
            self._peeked = None
            self.post_message(self.Wanted(Peek(None)))
        self.redraw()
        return True

    def enter(self) -> None:
        """Zoom in."""
        self.zoom(1)

    def _fitting(self, vma: Vma) -> int:
        return shift_to_fit(vma, self.room.width, max(self.room.height, 1))


def _start(mm: MmSnapshot) -> int:
    """Where to look first: the heap, else the program's first VMA, else the bottom."""
    heap = next((vma for vma in mm.vmas if vma.name == "[heap]"), None)
    first = heap or (mm.vmas[0] if mm.vmas else None)
    return first.start if first else 0
