"""Runs of pages, which lie where, and the sets of those that are free (jemalloc 5.3.0, edata.h, src/emap.c, eset.c)."""

from enum import Enum
from typing import Final

from sortedcontainers import SortedList

from memtui.sim.userspace.jemalloc.sizes import (
    PAGE,
    PAGE_SIZES,
    page_up,
    pind2sz,
    psz2ind,
    quantize_ceil,
    quantize_floor,
)

LG_MAX_ACTIVE_FIT: Final = 6
"""A dirty extent is not split for a request that is less than 1/64 of its size (opt.lg_extent_max_active_fit)."""


class State(Enum):
    """Of an extent."""

    ACTIVE = "active"
    """In use: a large block, or a slab."""
    DIRTY = "dirty"
    """Free, its pages still there."""
    RETAINED = "retained"
    """Free, never touched or purged; still mapped."""


class Extent:
    """A run of pages (edata_t)."""

    __slots__ = (
        "address",
        "arena",
        "base",
        "free",
        "head",
        "index",
        "nfree",
        "record",
        "serial",
        "size",
        "state",
        "zeroed",
    )

    def __init__(self, base: int, size: int, serial: int, record: int, arena: int) -> None:
        self.base = base
        self.size = size
        """Bytes, with the pad."""
        self.address = base
        """Of the block in it; a random offset further for a large one."""
        self.serial = serial
        """Of the mapping that it came from: older ones are used first."""
        self.state = State.ACTIVE
        self.head = False
        """Whether a mapping starts here: it does not merge with what lies before it."""
        self.zeroed = False
        self.index: int | None = None
        """Size class while it is in use."""
        self.free: int | None = None
        """A slab's free regions, bit by bit; None: no slab."""
        self.nfree = 0
        self.record = record
        """Address of the edata_t."""
        self.arena = arena
        """Number of the arena that it belongs to."""

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.base + self.size

    @property
    def age(self) -> tuple[int, int]:
        """What orders extents: the oldest, then the lowest, is used first."""
        return self.serial, self.base


class ExtentMap:
    """Every extent of every arena, by its first and its last page."""

    def __init__(self) -> None:
        self.starts: dict[int, Extent] = {}
        self.ends: dict[int, Extent] = {}
        self.slabs: dict[int, Extent] = {}
        """Page number -> slab."""

    def register(self, extent: Extent) -> None:
        """It is there."""
        self.starts[extent.base] = extent
        self.ends[extent.end] = extent

    def split(self, extent: Extent, size: int, trail: Extent) -> None:
        """The first `size` bytes stay; `trail` is the rest."""
        trail.state, trail.zeroed = extent.state, extent.zeroed
        extent.size = size
        self.ends[extent.end] = extent
        self.register(trail)

    def merge(self, low: Extent, high: Extent) -> None:
        """`high` becomes part of `low`."""
        del self.starts[high.base], self.ends[low.end]
        low.size += high.size
        low.serial = min(low.serial, high.serial)
        low.zeroed = low.zeroed and high.zeroed
        self.ends[low.end] = low

    def after(self, extent: Extent, state: State) -> Extent | None:
        """The neighbour behind it, if it is in that state and no mapping starts there."""
        found = self.starts.get(extent.end)
        return found if found is not None and found.state is state and not found.head else None

    def before(self, extent: Extent, state: State) -> Extent | None:
        """The neighbour before it."""
        found = self.ends.get(extent.base)
        return found if found is not None and found.state is state and not extent.head else None

    def add_slab(self, slab: Extent) -> None:
        """Each page of a slab leads to it."""
        self.slabs.update(dict.fromkeys(range(slab.base // PAGE, slab.end // PAGE), slab))

    def remove_slab(self, slab: Extent) -> None:
        """It is no slab any more."""
        for page in range(slab.base // PAGE, slab.end // PAGE):
            del self.slabs[page]

    def find(self, pointer: int) -> Extent | None:
        """The extent in use whose block, or one of whose regions, is there."""
        found = self.slabs.get(pointer // PAGE) or self.starts.get(pointer & -PAGE)
        return found if found is not None and found.state is State.ACTIVE else None


class ExtentSet:
    """Free extents: by size class, each ordered by age, and all in the order in which they came."""

    def __init__(self, state: State, emap: ExtentMap, lg_max_fit: int) -> None:
        self.state = state
        self._emap = emap
        self._lg_max_fit = lg_max_fit
        self._heaps = [SortedList() for _ in range(len(PAGE_SIZES) + 1)]
        self._nonempty = 0
        self.lru: dict[Extent, None] = {}

    def insert(self, extent: Extent) -> None:
        """An extent becomes free."""
        extent.state = self.state
        index = psz2ind(quantize_floor(extent.size))
        self._heaps[index].add(extent.age)
        self._nonempty |= 1 << index
        self.lru[extent] = None

    def remove(self, extent: Extent) -> None:
        """An extent is taken."""
        index = psz2ind(quantize_floor(extent.size))
        heap = self._heaps[index]
        heap.remove(extent.age)
        if not heap:
            self._nonempty &= ~(1 << index)
        del self.lru[extent]
        extent.state = State.ACTIVE

    def fit(self, size: int, alignment: int) -> Extent | None:
        """eset_fit: the oldest extent that is large enough, whatever the alignment costs."""
        most = size + page_up(alignment) - PAGE
        if most >= 1 << 64:
            return None
        found = self._first_fit(most)
        return self._fit_alignment(size, most, alignment) if found is None and alignment > PAGE else found

    def _first_fit(self, size: int) -> Extent | None:
        index = psz2ind(quantize_ceil(size))
        left = self._nonempty >> index << index
        best = None
        while left:
            lowest = left & -left
            index = lowest.bit_length() - 1
            if pind2sz(index) >> self._lg_max_fit > size:
                break
            oldest = self._heaps[index][0]
            if best is None or oldest < best:
                best = oldest
            left ^= lowest
        return None if best is None else self._emap.starts[best[1]]

    def _fit_alignment(self, size: int, most: int, alignment: int) -> Extent | None:
        first, last = psz2ind(quantize_ceil(size)), psz2ind(quantize_ceil(most))
        left = self._nonempty >> first << first
        while left:
            lowest = left & -left
            index = lowest.bit_length() - 1
            if index >= last:
                break
            extent = self._emap.starts[self._heaps[index][0][1]]
            lead = -extent.base % page_up(alignment)
            if lead < extent.size and extent.size - lead >= size:
                return extent
            left ^= lowest
        return None
