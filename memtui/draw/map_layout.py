"""Which rows of the address map show which part of it: every VMA as high as its size, every hole one row."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
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
        return f"1 row up to {human(1 << self.fold)}, +1 for each ×4"


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
    """Building costs O(VMAs) and looks at no page; every question O(log VMAs).

    With the layout before at hand only what lies between the first and the last VMA that moved is laid out again.
    """

    def __init__(self, vmas: Sequence[Vma], space: Range, scale: Scale, like: "MapLayout | None" = None) -> None:
        """Lay the rows out.

        Args:
            vmas: by ascending address.
            space: from where to where; what no VMA covers is a hole.
            scale: of the heights.
            like: of the same address space at another time.
        """
        self.vmas, self.space, self.scale = vmas, space, scale
        kept = like if like is not None and (like.space, like.scale) == (space, scale) else None
        self.first: list[int] = self._laid_out_like(kept) if kept is not None else [*self._laid_out(0, len(vmas), 0)]
        """[k]: the first row of the k-th VMA from the top, its hole above included; [-1]: of the last hole."""
        self._length = self.first[-1] + (not vmas or vmas[0].start > space.start)

    def _laid_out(self, begin: int, end: int, row: int) -> Iterator[int]:
        """The first rows of the VMAs from the begin-th from the top to the end-th, that one's included."""
        above, rows = self._above(begin), self.scale.rows
        yield row
        for nth in range(begin, end):
            vma = self.vmas[-1 - nth]
            row += (vma[1] < above) + rows(vma[1] - vma[0])
            above = vma[0]
            yield row

    def _laid_out_like(self, like: "MapLayout") -> list[int]:
        """The same list, most of it taken from another one."""
        old, new = like.vmas, self.vmas
        top = _alike(reversed(old), reversed(new))
        # Where a VMA stands below one that moved, the hole between the two may be another one.
        bottom = max(_alike(islice(old, min(len(old), len(new)) - top), new) - 1, 0)
        middle = [*self._laid_out(top, len(new) - bottom, like.first[top])]
        behind = like.first[len(old) - bottom :]
        by = middle[-1] - behind[0]
        return [*like.first[:top], *middle, *(behind[1:] if not by else [row + by for row in behind[1:]])]

    def __len__(self) -> int:
        return self._length

    def row_of(self, address: int) -> int:
        """The row that shows the byte `address`; the first or last one for an address outside of all."""
        if address >= self.space.end:
            return 0
        index = bisect_right(self.vmas, address, key=_START) - 1
        if index < 0:
            return self._length - 1
        vma, nth = self.vmas[index], len(self.vmas) - 1 - index
        if address >= vma.end:
            return self.first[nth]
        height = self._height(nth)
        from_below = nth_of(vma.pages, height, (address - vma.start) >> PAGE_SHIFT)
        return self.first[nth + 1] - 1 - from_below

    def place(self, row: int) -> Part | Range:
        """What a row shows: a part of a VMA, or a hole."""
        nth = bisect_right(self.first, row) - 1
        if nth == len(self.vmas):
            return Range(self.space.start, self._above(nth))
        vma = self.vmas[-1 - nth]
        hole = self._has_hole_above(nth)
        below_hole = row - self.first[nth] - hole
        if below_hole < 0:
            return Range(vma.end, self._above(nth))
        height = self._height(nth)
        from_below = height - 1 - below_hole
        low, high = vma.pages * from_below // height, vma.pages * (from_below + 1) // height
        return Part(vma, vma.start + (low << PAGE_SHIFT), high - low, below_hole, height)

    def _height(self, nth: int) -> int:
        return self.first[nth + 1] - self.first[nth] - self._has_hole_above(nth)

    def _has_hole_above(self, nth: int) -> bool:
        return self.vmas[-1 - nth].end < self._above(nth)

    def _above(self, nth: int) -> int:
        """The start of the VMA above the nth from the top."""
        return self.vmas[-nth].start if nth else self.space.end


def _alike(old: Iterable[Vma], new: Iterable[Vma]) -> int:
    """How many VMAs have the same range, counted from the first of both on."""
    count = 0
    for was, now in zip(old, new, strict=False):
        if was is not now and (was[0] != now[0] or was[1] != now[1]):
            break
        count += 1
    return count


def nth_of(total: int, parts: int, item: int) -> int:
    """In which of `parts` equal parts of `total` an item lies: the inverse of total * n // parts."""
    return ((item + 1) * parts - 1) // total
