"""The address map, the page grid and the bytes of a page: from the cursor's address to a cell and back."""

from bisect import bisect_right
from operator import itemgetter
from typing import ClassVar, Final

from memtui.draw.address_map import AddressMap, nothing_rows
from memtui.draw.answer import Answer
from memtui.draw.changes import changed
from memtui.draw.hex_dump import HexDump, earlier_bytes
from memtui.draw.labels import vma_label
from memtui.draw.lines import RowLines
from memtui.draw.minimap import LastMinimap
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.draw.regions import LastRegion, Region, beyond, first_look, fold_to_fit
from memtui.draw.run import Row, Run
from memtui.draw.zoom import Level, Zoom
from memtui.model.address import Range, page_down
from memtui.model.content import Content
from memtui.model.mm import MmSnapshot
from memtui.model.request import Examine, Peek
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.frame import Frame
from memtui.ui.widgets.pane import Pane

_START: Final = itemgetter(0)
_GAP: Final = Run(" ", "text")
_NEAR: Final = 32 << 20
"""Bytes: of a large VMA the pages that are looked at one by one reach at least so far from the cursor."""


class MapPane(Pane):
    """Its cursor is an address, so that it survives zooming, refreshing and another width."""

    TITLE: ClassVar[str] = "Address space"
    EDGE: ClassVar[int] = 3

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.address: int | None = None
        """The byte under the cursor; None before there is a map."""
        self._chosen = False
        """Whether somebody put the cursor there; until then it stands where one looks first."""
        self.level = Zoom()
        """How close it is looked at."""
        self.peeks = False
        """Whether the source can read bytes."""
        self._peeked: int | None = None
        """The page that was asked for."""
        self._examined: int | None = None
        """Around which address single pages are looked at."""
        self._drawing: AddressMap | PageGrid | HexDump | None = None
        self._mm: MmSnapshot | None = None
        self._marks: tuple[Range, ...] = ()
        self._bytes_before: bytes | None = None
        """What the page whose bytes are shown held at the last look."""
        self._region, self._minimap = LastRegion(), LastMinimap()

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
        self._bytes_before = None if self.snapshot is None else earlier_bytes(self.snapshot, snapshot)
        if mm is not None and (before is None or before.pid != mm.pid or self.address is None):
            self.level, self._chosen, self._peeked, self._examined = Zoom(), False, None, None
        if mm is not None and mm is not before and not self._chosen:
            self.address = first_look(mm)
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The address space, what is marked in it, and how close it is looked at; the grid fits itself in the height.

        A mark of () is always the same object.
        """
        vma = self.vma if self.shift is not None else None
        region = self.vma_region if self.level.level is Level.REGION else None
        page = page_down(self.address) if self.bytes and self.address is not None else None
        part = (vma, page, self._bytes_before, 0 if region is None else region.start)
        told = snapshot.content if self.peeks else snapshot.steps if self.bytes else None
        return snapshot.mm, self._marks, *self.level, *part, self.room.height, told, self.elf.objects

    def draw(self, snapshot: Snapshot) -> None:
        """The map, or the pages of one VMA; the cursor stays on its address."""
        mm, vma, width = snapshot.mm, self.vma, self.room.width
        if mm is None:
            self._drawing = self.cursor = None
            self.show(RowLines(nothing_rows(snapshot, width), width), title=self.TITLE, subtitle="")
            return
        if self.bytes and vma is not None and self.address is not None:
            self._draw_bytes(vma, page_down(self.address), snapshot)
        elif self.shift is not None and vma is not None:
            self._examine(vma, self.address)
            grid = PageGrid(vma, width, self.shift, marks=self._marks)
            self._drawing = grid
            self.show(grid, title=grid.title, subtitle=grid.scale)
        else:
            self._draw_map(mm)
        self._place()

    def _draw_map(self, mm: MmSnapshot) -> None:
        """The whole of it, or the region around the cursor."""
        self._examine(None, None)
        region = self.vma_region if self.level.level is Level.REGION else None
        self.level = Zoom(Level.REGION if region is not None else Level.SPACE)
        fold = AddressMap.FOLD if region is None else fold_to_fit(mm.vmas, region, self.room.height)
        like, elf = self._drawing if isinstance(self._drawing, AddressMap) else None, self.elf.objects
        drawing = AddressMap(mm, self.room.width, fold=fold, marks=self._marks, elf=elf, region=region, like=like)
        self._drawing = drawing
        self.show(drawing, title=self.TITLE if region is None else region.title, subtitle=drawing.scale)

    def _content(self, vma: Vma, page: int, snapshot: Snapshot) -> Content:
        """The bytes of the page; they are asked for if they are not those that the source reads."""
        if not self.peeks:
            from memtui.draw.simulated_bytes import simulated_content

            return simulated_content(vma, page, snapshot.steps)
        if self._peeked != page:
            self._peeked = page
            self.post_message(self.Wanted(Peek(page)))
        content = snapshot.content
        return content if content is not None and content.page == page else Content(page, None)

    def _draw_bytes(self, vma: Vma, page: int, snapshot: Snapshot) -> None:
        dump = HexDump(self._content(vma, page, snapshot), self.room.width, self._bytes_before)
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

    def _place(self) -> None:
        if self._drawing is not None and self.address is not None:
            self.move_to(self._drawing.row_of(self.address), self._drawing.column_of(self.address))

    # Moving

    def go(self, address: int) -> None:
        """Put the cursor on a byte; outside of the pages that are shown, the whole address space comes back."""
        self.address, self._chosen = address, True
        self.redraw()
        self._place()

    def by_rows(self, rows: int) -> None:
        """So many rows down (up: negative), in the same column."""
        if self._drawing is not None and self.address is not None:
            if self.bytes:
                self._by_bytes(rows * max(self._drawing.address_at(1, 0) - self._drawing.address_at(0, 0), 1))
                return
            here, last = self._drawing.row_of(self.address), len(self._drawing) - 1
            if here == (0 if rows < 0 else last) and abs(rows) <= last and self._leave_region(rows):
                return
            row = min(max(here + rows, 0), last)
            self.go(self._drawing.address_at(row, self._drawing.column_of(self.address)))

    def _leave_region(self, direction: int) -> bool:
        """Beyond the edge of a region lies the next one."""
        mm, region = self._mm, self.vma_region if self.level.level is Level.REGION else None
        there = None if mm is None or region is None else beyond(mm.vmas, region, direction)
        if there is not None:
            self.go(there)
        return there is not None

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
        from memtui.draw.why import hole_answer, vma_answer

        mm, vma, hole, shown = self._mm, self.vma, self.hole, self.snapshot
        if mm is None or shown is None:
            return None
        if vma is not None:
            return vma_answer(mm, vma, address=self.address, log=shown.steps)
        return None if hole is None else hole_answer(mm, hole)

    # Zooming

    @property
    def shift(self) -> int | None:
        """log2 of the pages in a cell of the page grid; None: no single VMA is shown."""
        return self.level.shift if self.level.level >= Level.PAGES else None

    @property
    def bytes(self) -> bool:
        """Whether the bytes of the page under the cursor are shown."""
        return self.level.level is Level.BYTES

    def zoom(self, direction: int) -> bool:
        """Closer (1) or further away (-1); False where there is nothing closer or further."""
        vma, region = self.vma, self.vma_region
        several = region is not None and region.first < region.last
        if direction < 0:
            return self._change(self.level.further(0 if vma is None else self._fitting(vma), region=several))
        return vma is not None and self._change(self.level.closer(self._fitting(vma), region=several))

    def enter(self) -> None:
        """To the pages of the VMA; closer, if they are what is shown."""
        vma = self.vma
        if vma is not None and self.level.level < Level.PAGES:
            self._change(Zoom(Level.PAGES, self._fitting(vma)))
        else:
            self.zoom(1)

    def _change(self, level: Zoom | None) -> bool:
        if level is None:
            return False
        if self.bytes and level.level is not Level.BYTES:
            self._peeked = None
            self.post_message(self.Wanted(Peek(None)))
        self.level, self._chosen = level, True
        self.redraw()
        return True

    def _fitting(self, vma: Vma) -> int:
        return shift_to_fit(vma, self.room.width, max(self.room.height, 1))

    @property
    def vma_region(self) -> Region | None:
        """The VMAs around the cursor."""
        mm, address = self._mm, self.address
        return None if mm is None or address is None else self._region.at(mm.vmas, address)

    def edge(self, y: int, frame: Frame) -> Row:
        """Beside the scroll bar the whole of the drawing, small."""
        bar = super().edge(y, frame)
        if y == 0 or not bar or not isinstance(self._drawing, AddressMap | PageGrid):
            return bar
        return (_GAP, self._minimap.cell(self._drawing, frame.height - 1, y - 1), *bar)
