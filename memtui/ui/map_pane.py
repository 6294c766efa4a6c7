"""The map and the page grid: from the cursor's address to a cell and back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from memtui.draw.address_map import AddressMap
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma
from memtui.ui.line_view import LineView

if TYPE_CHECKING:
    from rich.style import Style


class MapPane(LineView):
    """Its cursor is an address, so that it survives zooming, refreshing and another width."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.address: int | None = None
        """The byte under the cursor; None before there is a map."""
        self.zoomed = False
        """Whether the pages of one VMA are shown."""
        self.drawing: AddressMap | PageGrid | None = None
        self._mm: MmSnapshot | None = None
        self._marks: Sequence[Range] = ()
        self.palette_styles: Mapping[str, Style] = {}

    def draw(self, mm: MmSnapshot, marks: Sequence[Range] | None = None) -> None:
        """Lay the map out for the present width; the cursor stays on its address."""
        self._mm = mm
        self._marks = self._marks if marks is None else marks
        if self.address is None:
            self.address = _start(mm)
        vma = self.vma
        if self.zoomed and vma is not None:
            shift = shift_to_fit(vma, self.size.width, max(self.size.height, 1))
            self.drawing = PageGrid(vma, self.size.width, shift)
            self.pane.border_title = self.drawing.title
        else:
            self.zoomed = False
            self.drawing = AddressMap(mm, self.size.width, marks=self._marks)
            self.pane.border_title = "Address space"
        self.pane.border_subtitle = self.drawing.scale
        self.show(self.drawing, self.palette_styles)
        self._place()

    @property
    def vma(self) -> Vma | None:
        """The VMA under the cursor."""
        if self._mm is None or self.address is None:
            return None
        return next((vma for vma in self._mm.vmas if vma.start <= self.address < vma.end), None)

    @property
    def hole(self) -> Range | None:
        """The hole under the cursor."""
        if self.address is None or not isinstance(self.drawing, AddressMap):
            return None
        return self.drawing.hole_at(self.drawing.row_of(self.address))

    def go(self, address: int) -> None:
        """Put the cursor on a byte, in the pages of its VMA if pages are shown."""
        inside = self.zoomed and self.vma is not None and self.vma.start <= address < self.vma.end
        self.address = address
        if self.zoomed and not inside and self._mm is not None:
            self.draw(self._mm)
        else:
            self._place()

    def by_rows(self, rows: int) -> None:
        """So many rows down (up: negative), in the same column."""
        if self.drawing is not None and self.address is not None:
            row = min(max(self.drawing.row_of(self.address) + rows, 0), len(self.drawing) - 1)
            self.go(self.drawing.address_at(row, self.drawing.column_of(self.address)))

    def by_cells(self, cells: int) -> None:
        """So many cells to the right (left: negative), on into the neighbouring row at an end."""
        if self.drawing is None or self.address is None:
            return
        row, column = self.drawing.row_of(self.address), self.drawing.column_of(self.address)
        address = self.drawing.address_at(row, column + cells)
        step = 1 if cells > 0 else -1
        # The grid has gaps between groups of cells: look one cell further.
        if self.drawing.row_of(address) == row and self.drawing.column_of(address) == column:
            address = self.drawing.address_at(row, column + cells + step)
        self.go(address)

    def zoom(self, into: bool) -> bool:
        """Into the pages of the VMA under the cursor, or back; False if there is nothing to zoom into."""
        if self._mm is None or into == self.zoomed or (into and self.vma is None):
            return False
        self.zoomed = into
        self.draw(self._mm)
        return True

    def _place(self) -> None:
        if self.drawing is not None and self.address is not None:
            self.move(self.drawing.row_of(self.address), self.drawing.column_of(self.address))


def _start(mm: MmSnapshot) -> int:
    """Where to look first: the heap, else the program, else the lowest VMA."""
    heap = next((vma for vma in mm.vmas if vma.name == "[heap]"), None)
    first = heap or (mm.vmas[0] if mm.vmas else None)
    return first.start if first else 0
