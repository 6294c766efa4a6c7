"""Regions: VMAs that lie near each other, such as a program with its heap, or everything that mmap placed."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from memtui.draw.map_layout import Scale
from memtui.draw.sizes import human, plural
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma, VmaKind

APART: Final = 64 << 20
"""Bytes of a hole that parts two regions: less than the least gap below a stack."""
_BEFORE_HEAP: Final = 1 << 30
"""The same below a heap: its random offset is at most that (arch_randomize_brk, arch/x86/kernel/process.c, 6.18)."""
_START: Final = itemgetter(0)


class Region(NamedTuple):
    """VMAs without a large hole between them."""

    first: int
    """Index of the lowest VMA."""
    last: int
    """Index of the highest one."""
    start: int
    """Bytes."""
    end: int

    @property
    def title(self) -> str:
        """In a few words."""
        size, vmas = human(self.end - self.start), plural(self.last - self.first + 1, "VMA")
        return f"Region · {vmas} in {size}"


def region_at(vmas: Sequence[Vma], address: int) -> Region | None:
    """The region that holds a byte, holes between its VMAs included; None: there is none. O(VMAs of it)."""
    index = bisect_right(vmas, address, key=_START) - 1
    if index < 0:
        return None
    first = next((nth for nth in range(index, 0, -1) if _parts(vmas, nth)), 0)
    last = next((nth - 1 for nth in range(index + 1, len(vmas)) if _parts(vmas, nth)), len(vmas) - 1)
    if address >= vmas[last].end:
        return None
    return Region(first, last, vmas[first].start, vmas[last].end)


def beyond(vmas: Sequence[Vma], region: Region, direction: int) -> int | None:
    """Where one comes to above (-1) or below (1) a region; None: nothing is there."""
    nth = region.last + 1 if direction < 0 else region.first - 1
    if not 0 <= nth < len(vmas):
        return None
    return vmas[nth].start if direction < 0 else vmas[nth].end - PAGE_SIZE


class LastRegion:
    """`region_at`, which is asked again and again of the same VMAs and addresses near each other."""

    def __init__(self) -> None:
        self._of: Sequence[Vma] = ()
        self._region: Region | None = None

    def at(self, vmas: Sequence[Vma], address: int) -> Region | None:
        """The region that holds a byte."""
        region = self._region
        if region is None or self._of is not vmas or not region.start <= address < region.end:
            self._of, self._region = vmas, region_at(vmas, address)
        return self._region


def _parts(vmas: Sequence[Vma], nth: int) -> bool:
    """Whether the hole below a VMA parts two regions."""
    gap = vmas[nth][0] - vmas[nth - 1][1]
    return gap >= APART and (gap > _BEFORE_HEAP or vmas[nth].kind is not VmaKind.HEAP)


def fold_to_fit(vmas: Sequence[Vma], region: Region, rows: int) -> int:
    """log2 of the bytes of a row, the smallest with which a region needs no more rows than there are.

    A region of many VMAs never fits: then it has at most twice as many rows as VMAs.
    """
    part = vmas[region.first : region.last + 1]
    sizes = Counter([vma[1] - vma[0] for vma in part])
    # More VMAs than rows never fit: then the holes do not matter.
    holes = sum(below.end < above.start for below, above in pairwise(part)) if rows > len(part) else rows
    most = max(rows - holes, len(part) if rows > len(part) else 2 * len(part))
    fold = PAGE_SHIFT
    while sum(Scale(fold, linear=True).rows(size) * count for size, count in sizes.items()) > most and fold < 47:
        fold += 1
    return fold


def first_look(mm: MmSnapshot) -> int:
    """Where to look first: the heap, else the program's first VMA, else the bottom."""
    heap = next((vma for vma in mm.vmas if vma.name == "[heap]"), None)
    first = heap or (mm.vmas[0] if mm.vmas else None)
    return first.start if first else 0
