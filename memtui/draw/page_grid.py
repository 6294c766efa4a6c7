"""The pages of one VMA as a grid, in reading order: low addresses on top, as in a hex dump."""

from typing import Final

from memtui.draw.cells import cell_runs
from memtui.draw.fit import crop
from memtui.draw.labels import vma_label
from memtui.draw.run import Row, Run
from memtui.draw.sizes import pages_size, plural
from memtui.model.address import PAGE_SHIFT
from memtui.model.vma import Vma

_GROUP: Final = 8
"""Cells between two gaps."""
_CELLS_AT: Final = 14
"""Behind a space, twelve digits and a space."""


class PageGrid:
    """A `Lines`: an address at the left of each row, then one cell for each 2**shift pages, in groups of eight.

    Rows are made when asked for, so that a VMA of any size costs nothing to lay out.
    """

    def __init__(self, vma: Vma, width: int, shift: int = 0) -> None:
        """Lay the grid out.

        Args:
            vma: whose pages.
            width: cells.
            shift: log2 of the pages that one cell stands for.
        """
        self.vma = vma
        self.width = width
        self.shift = max(shift, 0)
        self._cells = _cells_a_row(width)
        self._total = -(-vma.pages >> self.shift)

    @property
    def title(self) -> str:
        """The VMA in a few words: "[heap] 555555559000 · 399 pages"."""
        return f"{vma_label(self.vma)} {self.vma.start:x} · {plural(self.vma.pages, 'page')}"

    @property
    def scale(self) -> str:
        """What a cell stands for: "one cell a page", "one cell 16 pages, 64 KiB"."""
        if self.shift == 0:
            return "one cell a page"
        return f"one cell {plural(1 << self.shift, 'page')}, {pages_size(1 << self.shift)}"

    def __len__(self) -> int:
        return -(-self._total // self._cells)

    def row(self, index: int) -> Row:
        """Row `index`, 0 on top; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        first = index * self._cells
        last = min(first + self._cells, self._total)
        runs = [Run(f" {self._address(first):0{_CELLS_AT - 2}x} ", "map.address" if index == 0 else "map.address.dim")]
        for group in range(first, last, _GROUP):
            if group > first:
                runs.append(Run(" ", "text"))
            runs += self._group(group, min(group + _GROUP, last))
        return crop(runs, self.width)

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address` (the nearest)."""
        return self._cell_of(address) // self._cells

    def column_of(self, address: int) -> int:
        """The column of its cell."""
        nth = self._cell_of(address) % self._cells
        return _CELLS_AT + nth + nth // _GROUP

    def address_at(self, row: int, column: int) -> int:
        """The first page of the cell there (the nearest cell if there is none)."""
        right = max(column - _CELLS_AT, 0)
        nth = min(right - right // (_GROUP + 1), self._cells - 1)
        cell = min(max(row, 0), len(self) - 1) * self._cells + nth
        return self._address(min(cell, self._total - 1))

    def _cell_of(self, address: int) -> int:
        page = (address - self.vma.start) >> PAGE_SHIFT
        return min(max(page, 0), self.vma.pages - 1) >> self.shift

    def _address(self, cell: int) -> int:
        return self.vma.start + (cell << self.shift + PAGE_SHIFT)

    def _group(self, first: int, last: int) -> tuple[Run, ...]:
        pages = min((last - first) << self.shift, self.vma.pages - (first << self.shift))
        bounds = [min(cell << self.shift, pages) for cell in range(last - first + 1)]
        return cell_runs(self.vma.runs, self._address(first), bounds)


def shift_to_fit(vma: Vma, width: int, rows: int) -> int:
    """The smallest shift with which the whole VMA fits in so many rows."""
    cells = _cells_a_row(width) * max(rows, 1)
    return max((-(-vma.pages // cells) - 1).bit_length(), 0)


def _cells_a_row(width: int) -> int:
    """Whole groups where one fits; below that a power of two, so that the addresses stay round."""
    room = width - _CELLS_AT
    groups = (room + 1) // (_GROUP + 1)
    if groups > 0:
        # An even number of groups makes rows begin at multiples of 64 KiB.
        return _GROUP * (groups - groups % 2 if groups > 1 else 1)
    return 1 << max(room.bit_length() - 1, 0) if room > 0 else 1
