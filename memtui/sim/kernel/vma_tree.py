"""The store that stands for mm->mm_mt, the maple tree of VMAs (6.1): ordered, with the free ranges between them.

VMAs lie in blocks of at most `2 * LOAD`, each with its starts and ends in lists of their own; a search bisects. For
each block the tree remembers a bound of the holes in front of its VMAs, so that a search for room looks into few
blocks. A hole that grows raises the bound; one that shrinks leaves it as it is until a search looks in vain.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import sub
from typing import Any, Final, NamedTuple

from memtui.sim.kernel.vma import Vma

LOAD: Final = 128
"""VMAs a block after it was halved."""


class Gap(NamedTuple):
    """Free bytes from `start` to `end`, cut to the limits of the search, and the VMA right above."""

    start: int
    end: int
    above: Vma | None


class _Block:
    __slots__ = ("ends", "holes", "starts", "vmas")

    def __init__(self, vmas: list[Vma], below: int) -> None:
        """`below` is the end of the block before."""
        self.vmas = vmas
        self.starts = [vma.start for vma in vmas]
        self.ends = [vma.end for vma in vmas]
        self.holes: list[int] = list(map(sub, self.starts, [below, *self.ends]))
        """Free bytes in front of each VMA."""


class VmaTree:
    """VMAs of one address space by ascending address, without overlap.

    A search costs O(log n), a change O(log n + LOAD), a search for room O(n / LOAD + LOAD).
    """

    def __init__(self, vmas: Iterable[Vma] = ()) -> None:
        self._fill(list(vmas))

    def _fill(self, ordered: list[Vma]) -> None:
        self._blocks: list[_Block] = []
        for at in range(0, len(ordered), LOAD):
            self._blocks.append(_Block(ordered[at : at + LOAD], self._end_before(len(self._blocks))))
        self._heads = [block.starts[0] for block in self._blocks]
        self._gaps: list[int] = [max(block.holes) for block in self._blocks]
        """Of each block: no hole in front of one of its VMAs is larger."""
        self._len = len(ordered)
        self._cursor = 0
        """The block of the last search: the steps of one call look at the same place."""
        self._found: Vma | None = None
        """What was found last: most accesses are to the same VMA as the one before."""

    def __getstate__(self) -> list[tuple[object, ...]]:
        """A tuple for each field of all VMAs: a checkpoint has many of them, and columns are kept much faster."""
        return list(zip(*self, strict=True))

    def __setstate__(self, columns: list[tuple[Any, ...]]) -> None:
        self._fill([Vma._make(fields) for fields in zip(*columns, strict=True)])

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[Vma]:
        return chain.from_iterable(block.vmas for block in self._blocks)

    def find(self, address: int) -> Vma | None:
        """find_vma(): the first VMA that ends behind `address`."""
        found = self._found
        if found is not None and found.start <= address < found.end:
            return found
        at = self._block_of(address)
        if at >= 0:
            block = self._blocks[at]
            index = bisect_right(block.ends, address)
            if index < len(block.vmas):
                self._found = block.vmas[index]
                return self._found
        at += 1
        return self._blocks[at].vmas[0] if at < len(self._blocks) else None

    def before(self, address: int) -> Vma | None:
        """The last VMA that starts below `address`."""
        at = self._block_of(address - 1)
        if at < 0:
            return None
        block = self._blocks[at]
        return block.vmas[bisect_left(block.starts, address) - 1]

    def at(self, address: int) -> Vma | None:
        """vma_lookup(): the VMA that holds the byte `address`."""
        vma = self.find(address)
        return vma if vma is not None and vma.start <= address else None

    def intersection(self, start: int, end: int) -> Vma | None:
        """find_vma_intersection(): the first VMA that has a byte in [start, end)."""
        vma = self.find(start)
        return vma if vma is not None and vma.start < end else None

    def span(self, start: int, end: int) -> list[Vma]:
        """Every VMA that has a byte in [start, end)."""
        first = self.find(start)
        if first is None or first.start >= end:
            return []
        if first.end >= end:
            return [first]
        return list(self._until(first.start, end))

    def insert(self, vma: Vma) -> None:
        """Add a VMA that overlaps none."""
        heads = self._heads
        self._len += 1
        if not heads:
            self._blocks.append(_Block([vma], 0))
            heads.append(vma.start)
            self._gaps.append(vma.start)
            return
        at = max(self._block_of(vma.start), 0)
        block = self._blocks[at]
        index = bisect_left(block.starts, vma.start)
        block.vmas.insert(index, vma)
        block.starts.insert(index, vma.start)
        block.ends.insert(index, vma.end)
        block.holes.insert(index, 0)
        heads[at] = block.starts[0]
        self._touched(at, index)
        self._touched(at, index + 1)
        if len(block.vmas) > 2 * LOAD:
            self._halve(at)

    def remove(self, vma: Vma) -> None:
        """Take a VMA out."""
        self._found = None
        at, index = self._place(vma)
        block = self._blocks[at]
        del block.vmas[index], block.starts[index], block.ends[index], block.holes[index]
        self._len -= 1
        if block.vmas:
            self._heads[at] = block.starts[0]
            self._touched(at, index)
        else:
            del self._blocks[at], self._heads[at], self._gaps[at]
            if at < len(self._blocks):
                self._touched(at, 0)

    def replace(self, old: Vma, new: Vma) -> None:
        """Put `new` where `old` is; its bytes may change as far as it still overlaps none."""
        self._found = None
        at, index = self._place(old)
        block = self._blocks[at]
        block.vmas[index] = new
        if old.start != new.start or old.end != new.end:
            block.starts[index] = new.start
            block.ends[index] = new.end
            self._heads[at] = block.starts[0]
            self._touched(at, index)
            self._touched(at, index + 1)

    def highest_gap(self, length: int, floor: int, ceiling: int) -> Gap | None:
        """mas_empty_area_rev(): the highest free range of at least `length` bytes inside [floor, ceiling)."""
        if ceiling - floor < length:
            return None
        heads, gaps, blocks = self._heads, self._gaps, self._blocks
        last = bisect_left(heads, ceiling) - 1
        above = blocks[last + 1].vmas[0] if last + 1 < len(blocks) else None
        if last < 0:
            return Gap(floor, ceiling, above)
        found = self._highest_in(last, length, floor, ceiling, above)
        lowest = max(bisect_right(heads, floor) - 1, 0)
        at = last
        while found is None and at > lowest:
            at -= 1
            if gaps[at] >= length:
                found = self._highest_in(at, length, floor, heads[at + 1], blocks[at + 1].vmas[0])
        return found

    def lowest_gap(self, length: int, floor: int, ceiling: int) -> Gap | None:
        """mas_empty_area(): the lowest free range of at least `length` bytes inside [floor, ceiling)."""
        for at in range(max(bisect_right(self._heads, floor) - 1, 0), len(self._blocks)):
            if self._has_gap(at, length):
                block, below = self._blocks[at], self._end_before(at)
                for index in range(bisect_right(block.ends, floor), len(block.vmas)):
                    start = max(block.ends[index - 1] if index else below, floor)
                    end = min(block.starts[index], ceiling)
                    if end - start >= length:
                        return Gap(start, end, block.vmas[index])
            if self._blocks[at].ends[-1] >= ceiling:
                return None
        start = max(self._end_before(len(self._blocks)), floor)
        return Gap(start, ceiling, None) if ceiling - start >= length else None

    def problems(self) -> list[str]:
        """What is wrong with the store: order, overlap, or what it remembers of its blocks."""
        found, last, count = [], 0, 0
        for head, block, gap in zip(self._heads, self._blocks, self._gaps, strict=True):
            below = last
            for vma, start, end in zip(block.vmas, block.starts, block.ends, strict=True):
                if (vma.start, vma.end) != (start, end) or start < last or end <= start:
                    found.append(f"VMA {vma.start:#x}-{vma.end:#x} is out of order, or its block remembers others")
                last = end
                count += 1
            holes = list(map(sub, block.starts, [below, *block.ends]))
            if head != block.starts[0] or gap < max(holes) or block.holes != holes:
                found.append(f"the block at {head:#x} remembers a wrong start or gap")
        return found if count == self._len else [*found, f"{count} VMAs, but {self._len} remembered"]

    def _until(self, start: int, end: int) -> Iterator[Vma]:
        at = self._block_of(start)
        index = bisect_left(self._blocks[at].starts, start)
        for block in self._blocks[at:]:
            stop = bisect_left(block.starts, end)
            yield from block.vmas[index:stop]
            if stop < len(block.vmas):
                return
            index = 0

    def _place(self, vma: Vma) -> tuple[int, int]:
        at = self._block_of(vma.start)
        return at, bisect_left(self._blocks[at].starts, vma.start)

    def _block_of(self, address: int) -> int:
        """The last block that starts at or below `address`; -1 if none does."""
        heads, at = self._heads, self._cursor
        if at < len(heads) and heads[at] <= address and (at + 1 == len(heads) or address < heads[at + 1]):
            return at
        at = bisect_right(heads, address) - 1
        self._cursor = max(at, 0)
        return at

    def _touched(self, at: int, index: int) -> None:
        """The hole in front of the VMA at `index` of block `at`, or of the next block's first one, is another now."""
        block = self._blocks[at]
        if index == len(block.starts):
            at, index = at + 1, 0
            if at == len(self._blocks):
                return
            block = self._blocks[at]
        hole = block.starts[index] - (block.ends[index - 1] if index else self._end_before(at))
        block.holes[index] = hole
        if hole > self._gaps[at]:
            self._gaps[at] = hole

    def _halve(self, at: int) -> None:
        vmas = self._blocks[at].vmas
        low = _Block(vmas[:LOAD], self._end_before(at))
        high = _Block(vmas[LOAD:], low.ends[-1])
        self._blocks[at : at + 1] = [low, high]
        self._gaps[at : at + 1] = [max(low.holes), max(high.holes)]
        insort(self._heads, vmas[LOAD].start)

    def _end_before(self, at: int) -> int:
        """The end of the last VMA in front of block `at`."""
        return self._blocks[at - 1].ends[-1] if at else 0

    def _has_gap(self, at: int, length: int) -> bool:
        """Whether there is such a hole in front of one of a block's VMAs; the bound becomes exact if it matters."""
        if self._gaps[at] < length:
            return False
        self._gaps[at] = max(self._blocks[at].holes)
        return self._gaps[at] >= length

    def _highest_in(self, at: int, length: int, floor: int, end: int, above: Vma | None) -> Gap | None:
        """The highest hole of at least `length` bytes below `end`, behind or in front of the VMAs of one block."""
        block, below = self._blocks[at], self._end_before(at)
        ends, starts = block.ends, block.starts
        last = bisect_left(starts, end) - 1
        if last + 1 < len(starts):
            above = block.vmas[last + 1]
        start = max(ends[last], floor)
        if end - start >= length:
            return Gap(start, end, above)
        if not self._has_gap(at, length):
            return None
        holes = block.holes
        for index in range(last, -1, -1):
            if holes[index] >= length:
                start = max(ends[index - 1] if index else below, floor)
                if starts[index] - start >= length:
                    return Gap(start, starts[index], block.vmas[index])
                if start == floor:
                    return None
        return None
