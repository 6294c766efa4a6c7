"""The pages of one VMA as a grid, in reading order: low addresses on top, as in a hex dump."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from memtui.draw.cells import cell_runs
from memtui.draw.fit import crop
from memtui.draw.labels import vma_label
from memtui.draw.run import Row, Run
from memtui.draw.sizes import pages_size, plural
from memtui.model.address import PAGE_SHIFT, Range
from memtui.model.vma import Vma

_START: Final = itemgetter(0)
_GROUP: Final = 8
"""Cells between two gaps."""
_CELLS_AT: Final = 14
"""Behind a space, twelve digits and a space."""


class PageGrid:
    """A `Lines`: an address at the left of each row, then one cell for each 2**shift pages, in groups of eight.

    Rows are made when asked for, so that a VMA of any size costs nothing to lay out.
    """

    def __init__(self, vma: Vma, width: int, shift: int = 0, *, marks: Sequence[Range] = ()) -> None:
        """Lay the grid out.

        Args:
            vma: whose pages.
            width: cells.
            shift: log2 of the pages that one cell stands for.
            marks: what changed: such cells have a colour of their own, and a bar before their group.
        """
        self._marks = marks
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
            end = min(group + _GROUP, last)
            changed = self.is_changed(group, end)
            if group == first:
                runs[0] = Run(runs[0].text[:-1], runs[0].role)
            runs.append(Run("▌", "map.changed") if changed else Run(" ", "text"))
            runs += self._group(group, end) if not changed else self._marked(group, end)
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

    def sample(self, row: int) -> Run | None:
        """The whole row in one cell."""
        first, last = row * self._cells, min((row + 1) * self._cells, self._total)
        pages = min((last - first) << self.shift, self.vma.pages - (first << self.shift))
        return cell_runs(self.vma.runs, self._address(first), (0, pages))[0]

    def is_marked(self, first: int, last: int) -> bool:
        """Whether something changed in the rows from `first` up to `last`."""
        return self.is_changed(first * self._cells, last * self._cells)

    def is_changed(self, first: int, last: int) -> bool:
        """Whether something changed in the cells from `first` up to `last`."""
        start, end = self._address(first), self._address(last)
        nth = bisect_right(self._marks, start, key=_START) - 1
        return any(mark.start < end and start < mark.end for mark in self._marks[max(nth, 0) : nth + 2])

    def _marked(self, first: int, last: int) -> list[Run]:
        """The cells one by one: what changed keeps its glyph."""
        cells = "".join(run.text for run in self._group(first, last))
        looks = [run.role for run in self._group(first, last) for _ in run.text]
        roles = [
            "map.changed" if self.is_changed(first + nth, first + nth + 1) else role for nth, role in enumerate(looks)
        ]
        return [Run(cell, role) for cell, role in zip(cells, roles, strict=True)]

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
