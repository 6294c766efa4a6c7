"""Which rows of the address map show which part of it: every VMA as high as its size, every hole one row."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memtui.draw.sizes import human
from memtui.model.address import PAGE_SHIFT, Range
from memtui.model.vma import Vma

_START: Final = itemgetter(0)


class Scale(NamedTuple):
    """How many rows a VMA has."""

    fold: int
    """log2 of the bytes up to which it is one."""
    linear: bool = False
    """One for each 2**fold bytes; else one more for each factor of 4."""

    def rows(self, size: int) -> int:
        """Of a VMA of so many bytes."""
        if self.linear:
            return ((size - 1) >> self.fold) + 1
        return 1 + (((size - 1) >> self.fold).bit_length() + 1) // 2

    def __str__(self) -> str:
        """For the screen."""
        if self.linear:
            return f"a row {human(1 << self.fold)}"
        return f"a row up to {human(1 << self.fold)}, one more for each ×4"


class Part(NamedTuple):
    """One row of a VMA: so many pages from an address, and which row it is, counted from the top."""

    vma: Vma
    start: int
    pages: int
    nth: int
    height: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + (self.pages << PAGE_SHIFT)


class MapLayout:
    """Building costs O(VMAs) and looks at no page; every question O(log VMAs)."""

    def __init__(self, vmas: Sequence[Vma], space: Range, scale: Scale) -> None:
        """Lay the rows out.

        Args:
            vmas: by ascending address.
            space: from where to where; what no VMA covers is a hole.
            scale: of the heights.
        """
        self._vmas, self._space = vmas, space
        # first[k] is the first row of the k-th VMA from the top, its hole above included; first[-1] of the last hole.
        first, row, above, rows = [], 0, space.end, scale.rows
        for vma in reversed(vmas):
            start, end = vma[0], vma[1]
            first.append(row)
            row += (end < above) + rows(end - start)
            above = start
        first.append(row)
        self._first, self._length = first, row + (above > space.start)

    def __len__(self) -> int:
        return self._length

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address`; the first or last one for an address outside of all."""
        if address >= self._space.end:
            return 0
        index = bisect_right(self._vmas, address, key=_START) - 1
        if index < 0:
            return self._length - 1
        vma, nth = self._vmas[index], len(self._vmas) - 1 - index
        if address >= vma.end:
            return self._first[nth]
        height = self._height(nth)
        from_below = nth_of(vma.pages, height, (address - vma.start) >> PAGE_SHIFT)
        return self._first[nth + 1] - 1 - from_below

    def place(self, row: int) -> Part | Range:
        """What a row shows: a part of a VMA, or a hole."""
        nth = bisect_right(self._first, row) - 1
        if nth == len(self._vmas):
            return Range(self._space.start, self._above(nth))
        vma = self._vmas[-1 - nth]
        hole = self._has_hole_above(nth)
        below_hole = row - self._first[nth] - hole
        if below_hole < 0:
            return Range(vma.end, self._above(nth))
        height = self._height(nth)
        from_below = height - 1 - below_hole
        low, high = vma.pages * from_below // height, vma.pages * (from_below + 1) // height
        return Part(vma, vma.start + (low << PAGE_SHIFT), high - low, below_hole, height)

    def _height(self, nth: int) -> int:
        return self._first[nth + 1] - self._first[nth] - self._has_hole_above(nth)

    def _has_hole_above(self, nth: int) -> bool:
        return self._vmas[-1 - nth].end < self._above(nth)

    def _above(self, nth: int) -> int:
        """The start of the VMA above the nth from the top."""
        return self._vmas[-nth].start if nth else self._space.end


def nth_of(total: int, parts: int, item: int) -> int:
    """In which of `parts` equal parts of `total` an item lies: the inverse of total * n // parts."""
    return ((item + 1) * parts - 1) // total
