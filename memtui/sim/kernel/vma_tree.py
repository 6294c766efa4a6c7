"""The store that stands for mm->mm_mt, the maple tree of VMAs (6.1): ordered, with the free ranges between them.

VMAs lie in blocks of at most `2 * LOAD`, each with its starts and ends in lists of their own and the largest hole
in front of one of its VMAs; a search bisects, a search for room looks into one block. The hole is computed again
when a search needs it and the block changed.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from operator import sub
from typing import Final, NamedTuple

from memtui.sim.kernel.vma import Vma

LOAD: Final = 128
"""VMAs a block after it was halved."""
UNKNOWN: Final = -1


class Gap(NamedTuple):
    """Free bytes from `start` to `end`, cut to the limits of the search, and the VMA right above."""

    start: int
    end: int
    above: Vma | None


class _Block:
    __slots__ = ("ends", "gap", "starts", "vmas")

    def __init__(self, vmas: list[Vma]) -> None:
        self.vmas = vmas
        self.starts = [vma.start for vma in vmas]
        self.ends = [vma.end for vma in vmas]
        self.gap = UNKNOWN

    def widest(self, floor: int) -> int:
        """The largest hole in front of one of its VMAs; `floor` is the end of the block before."""
        if self.gap == UNKNOWN:
            starts = self.starts
            self.gap = max(starts[0] - floor, max(map(sub, starts[1:], self.ends), default=0))
        return self.gap


class VmaTree:
    """VMAs of one address space by ascending address, without overlap.

    A search costs O(log n), a change O(log n + LOAD), a search for room O(n / LOAD + LOAD).
    """

    def __init__(self, vmas: Iterable[Vma] = ()) -> None:
        ordered = list(vmas)
        self._blocks = [_Block(ordered[at : at + LOAD]) for at in range(0, len(ordered), LOAD)]
        self._heads = [block.starts[0] for block in self._blocks]
        self._len = len(ordered)

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[Vma]:
        for block in self._blocks:
            yield from block.vmas

    def find(self, address: int) -> Vma | None:
        """find_vma(): the first VMA that ends behind `address`."""
        at = bisect_right(self._heads, address) - 1
        if at >= 0:
            block = self._blocks[at]
            index = bisect_right(block.ends, address)
            if index < len(block.ends):
                return block.vmas[index]
        at += 1
        return self._blocks[at].vmas[0] if at < len(self._blocks) else None

    def before(self, address: int) -> Vma | None:
        """The last VMA that starts below `address`."""
        at = bisect_left(self._heads, address) - 1
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
            self._blocks.append(_Block([vma]))
            heads.append(vma.start)
            return
        at = max(bisect_right(heads, vma.start) - 1, 0)
        block = self._blocks[at]
        index = bisect_left(block.starts, vma.start)
        block.vmas.insert(index, vma)
        block.starts.insert(index, vma.start)
        block.ends.insert(index, vma.end)
        heads[at] = block.starts[0]
        self._touched(at, index)
        if len(block.vmas) > 2 * LOAD:
            self._halve(at)

    def remove(self, vma: Vma) -> None:
        """Take a VMA out."""
        at, index = self._place(vma)
        block = self._blocks[at]
        del block.vmas[index], block.starts[index], block.ends[index]
        self._len -= 1
        if block.vmas:
            self._heads[at] = block.starts[0]
            self._touched(at, index)
        else:
            del self._blocks[at], self._heads[at]
            if at < len(self._blocks):
                self._blocks[at].gap = UNKNOWN

    def replace(self, old: Vma, new: Vma) -> None:
        """Put `new` where `old` is; its bytes may change as far as it still overlaps none."""
        at, index = self._place(old)
        block = self._blocks[at]
        block.vmas[index] = new
        if old.start != new.start or old.end != new.end:
            block.starts[index] = new.start
            block.ends[index] = new.end
            self._heads[at] = block.starts[0]
            self._touched(at, index)

    def highest_gap(self, length: int, floor: int, ceiling: int) -> Gap | None:
        """mas_empty_area_rev(): the highest free range of at least `length` bytes inside [floor, ceiling)."""
        if ceiling - floor < length:
            return None
        at = bisect_left(self._heads, ceiling)
        above = self._blocks[at].vmas[0] if at < len(self._blocks) else None
        end = min(above.start, ceiling) if above is not None else ceiling
        for position in range(at - 1, -1, -1):
            block = self._blocks[position]
            below = self._blocks[position - 1].ends[-1] if position else 0
            room = end - max(block.ends[-1], floor)
            if room >= length or block.widest(below) >= length:
                found = _highest_in(block, below, length, floor, ceiling, end, above)
                if found is not None:
                    return found
            if block.starts[0] <= floor:
                return None
            above = block.vmas[0]
            end = min(above.start, ceiling)
        return Gap(floor, end, above) if end - floor >= length else None

    def lowest_gap(self, length: int, floor: int, ceiling: int) -> Gap | None:
        """mas_empty_area(): the lowest free range of at least `length` bytes inside [floor, ceiling)."""
        at = max(bisect_right(self._heads, floor) - 1, 0)
        below = self._blocks[at - 1].ends[-1] if at else 0
        for block in self._blocks[at:]:
            if block.widest(below) >= length:
                first = max(bisect_right(block.ends, floor), 0)
                for index in range(first, len(block.vmas)):
                    start = max(block.ends[index - 1] if index else below, floor)
                    end = min(block.starts[index], ceiling)
                    if end - start >= length:
                        return Gap(start, end, block.vmas[index])
            below = block.ends[-1]
            if below >= ceiling:
                return None
        start = max(below, floor)
        return Gap(start, ceiling, None) if ceiling - start >= length else None

    def problems(self) -> list[str]:
        """What is wrong with the store: order, overlap, or what it remembers of its blocks."""
        found, last, count = [], 0, 0
        for head, block in zip(self._heads, self._blocks, strict=True):
            below = last
            for vma, start, end in zip(block.vmas, block.starts, block.ends, strict=True):
                if (vma.start, vma.end) != (start, end) or start < last or end <= start:
                    found.append(f"VMA {vma.start:#x}-{vma.end:#x} is out of order, or its block remembers others")
                last = end
                count += 1
            kept, block.gap = block.gap, UNKNOWN
            if head != block.starts[0] or kept not in (UNKNOWN, block.widest(below)):
                found.append(f"the block at {head:#x} remembers a wrong start or gap")
        return found if count == self._len else [*found, f"{count} VMAs, but {self._len} remembered"]

    def _until(self, start: int, end: int) -> Iterator[Vma]:
        at = bisect_right(self._heads, start) - 1
        index = bisect_left(self._blocks[at].starts, start)
        for block in self._blocks[at:]:
            stop = bisect_left(block.starts, end)
            yield from block.vmas[index:stop]
            if stop < len(block.vmas):
                return
            index = 0

    def _place(self, vma: Vma) -> tuple[int, int]:
        at = bisect_right(self._heads, vma.start) - 1
        return at, bisect_left(self._blocks[at].starts, vma.start)

    def _touched(self, at: int, index: int) -> None:
        """Forget the holes that the VMA at `index` of block `at` borders on."""
        self._blocks[at].gap = UNKNOWN
        if index >= len(self._blocks[at].vmas) - 1 and at + 1 < len(self._blocks):
            self._blocks[at + 1].gap = UNKNOWN

    def _halve(self, at: int) -> None:
        vmas = self._blocks[at].vmas
        self._blocks[at : at + 1] = [_Block(vmas[:LOAD]), _Block(vmas[LOAD:])]
        insort(self._heads, vmas[LOAD].start)


def _highest_in(
    block: _Block, below: int, length: int, floor: int, ceiling: int, end: int, above: Vma | None
) -> Gap | None:
    """The highest hole of at least `length` bytes behind or in front of the VMAs of one block."""
    ends, starts = block.ends, block.starts
    last = bisect_left(starts, ceiling) - 1
    if last + 1 < len(starts):
        above, end = block.vmas[last + 1], ceiling
    for index in range(last, -1, -1):
        start = max(ends[index], floor)
        if end - start >= length:
            return Gap(start, end, above)
        if starts[index] <= floor:
            return None
        above, end = block.vmas[index], starts[index]
    start = max(below, floor)
    return Gap(start, end, above) if end - start >= length else None
