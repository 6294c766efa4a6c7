"""Where an arena's extents come from and go to (jemalloc 5.3.0, src/pac.c, src/extent.c, exp_grow.h)."""

from typing import Final

from memtui.sim.userspace.jemalloc.base import Base
from memtui.sim.userspace.jemalloc.extent import LG_MAX_ACTIVE_FIT, Extent, ExtentMap, ExtentSet, State
from memtui.sim.userspace.jemalloc.pages import Pages
from memtui.sim.userspace.jemalloc.rtree import Rtree
from memtui.sim.userspace.jemalloc.sizes import (
    HUGEPAGE,
    LARGE_MINCLASS,
    OVERSIZE_THRESHOLD,
    PAGE,
    PAGE_SIZES,
    page_up,
    pind2sz,
    psz2ind,
)

_ANY_FIT: Final = 63


class Pac:
    """Dirty extents first, then retained ones, then a mapping that is larger than the one before.

    Dirty extents decay by time; no time passes in a simulation, so only extents of OVERSIZE_THRESHOLD and
    more, and those of an arena that purges at once, are given back.
    """

    def __init__(self, number: int, pages: Pages, base: Base, emap: ExtentMap, rtree: Rtree) -> None:
        self._number = number
        self._pages = pages
        self._base = base
        self._emap = emap
        self._rtree = rtree
        self.dirty = ExtentSet(State.DIRTY, emap, LG_MAX_ACTIVE_FIT)
        self.retained = ExtentSet(State.RETAINED, emap, _ANY_FIT)
        self.purges_at_once = False
        """Whether dirty extents are purged as soon as they are free (decay_ms 0)."""
        self._grow_next = psz2ind(HUGEPAGE)
        self._serial = 0
        self.mappings: list[tuple[int, int]] = []
        """Start and end of each."""
        self.why = ""

    def alloc(self, size: int, alignment: int, zero: bool) -> Extent | None:
        """An extent of just `size` bytes; None: no memory."""
        extent = self._recycle(self.dirty, size, alignment, zero)
        if extent is None:
            extent = self._recycle(self.retained, size, alignment, zero) or self._grow(size, alignment)
        return extent or self._map_alone(size, alignment)

    def expand(self, extent: Extent, size: int) -> bool:
        """Make an extent larger in place, by what is free right behind it."""
        amount = size - extent.size
        for free in (self.dirty, self.retained):
            after = self._emap.after(extent, free.state)
            if after is not None and after.size >= amount:
                free.remove(after)
                trail = self._split(free, after, amount, PAGE)
                self.why = f"grown into {amount} {free.state.value} bytes behind it"
                self._merge(extent, trail)
                return True
        return False

    def shrink(self, extent: Extent, size: int) -> None:
        """The rest becomes a dirty extent."""
        trail = self._cut(extent, size)
        self.dalloc(trail)

    def dalloc(self, extent: Extent) -> None:
        """An extent becomes dirty."""
        extent.address, extent.zeroed = extent.base, False
        self._record_dirty(extent)
        if self.purges_at_once:
            self._purge_all()

    # Recycling

    def _recycle(self, free: ExtentSet, size: int, alignment: int, zero: bool) -> Extent | None:
        extent = free.fit(size, alignment)
        if extent is None:
            return None
        self.why = f"from a {free.state.value} extent of {extent.size} bytes"
        free.remove(extent)
        extent = self._split(free, extent, size, alignment)
        if zero and not extent.zeroed:
            self._pages.purge(extent.base, extent.size)
            self.why += ", zeroed by madvise"
        return extent

    def _split(self, free: ExtentSet, extent: Extent, size: int, alignment: int) -> Extent:
        """`size` bytes of a free extent; what lies before and behind them stays free."""
        lead, extent, trail = self._interior(extent, size, alignment)
        for rest in (lead, trail):
            if rest is not None:
                free.insert(rest)
        return extent

    def _interior(self, extent: Extent, size: int, alignment: int) -> tuple[Extent | None, Extent, Extent | None]:
        ahead = -extent.base % page_up(alignment)
        lead = trail = None
        if ahead:
            lead = extent
            extent = self._cut(lead, ahead)
        if extent.size > size:
            trail = self._cut(extent, size)
        return lead, extent, trail

    def _cut(self, extent: Extent, size: int) -> Extent:
        trail = Extent(extent.base + size, extent.size - size, extent.serial, self._base.edata(), self._number)
        self._rtree.touch(extent.base + size - PAGE)
        self._rtree.touch(extent.base + size)
        self._emap.split(extent, size, trail)
        return trail

    def _merge(self, low: Extent, high: Extent) -> None:
        self._emap.merge(low, high)
        self._base.put_edata(high.record)

    # New mappings

    def _grow(self, size: int, alignment: int) -> Extent | None:
        """extent_grow_retained: the next size of the series that is large enough."""
        least = size + page_up(alignment) - PAGE
        index = max(self._grow_next, psz2ind(least))
        if index >= len(PAGE_SIZES) - 1 and index > self._grow_next:
            return None
        extent = self._map(pind2sz(index), PAGE)
        if extent is None:
            return None
        why = f"nothing free is large enough: {self._pages.how}"
        lead, extent, trail = self._interior(extent, size, alignment)
        for rest in (lead, trail):
            if rest is not None:
                self._record_retained(rest)
        self._grow_next = min(index + 1, len(PAGE_SIZES) - 1)
        self.why = why
        return extent

    def _map_alone(self, size: int, alignment: int) -> Extent | None:
        """extent_alloc_wrapper: the last resort, a mapping of just this size."""
        extent = self._map(size, page_up(alignment))
        self.why = f"a mapping of its own: {self._pages.how}"
        return extent

    def _map(self, size: int, alignment: int) -> Extent | None:
        record = self._base.edata()
        address = self._pages.map(size, alignment)
        if not address:
            gap = self._base.edata()
            address = self._pages.by_break(size, alignment)
            self._base.put_edata(gap)
        if not address:
            self._base.put_edata(record)
            return None
        extent = Extent(address, size, self._serial, record, self._number)
        self._serial += 1
        extent.head = extent.zeroed = True
        self.mappings.append((address, address + size))
        self._rtree.touch(address)
        self._rtree.touch(address + size - PAGE)
        self._emap.register(extent)
        return extent

    # What becomes free

    def _record_dirty(self, extent: Extent) -> None:
        """Large ones merge with their dirty neighbours at once; what has grown very large is purged."""
        if extent.size >= LARGE_MINCLASS:
            extent = self._coalesce(self.dirty, extent)
            if extent.size >= OVERSIZE_THRESHOLD:
                self._purge(extent)
                return
        self.dirty.insert(extent)

    def _record_retained(self, extent: Extent) -> None:
        self.retained.insert(self._coalesce(self.retained, extent))

    def _coalesce(self, free: ExtentSet, extent: Extent) -> Extent:
        extent.state = State.ACTIVE
        while True:
            grown = self._coalesce_once(free, extent)
            if grown is None:
                return extent
            extent = grown

    def _coalesce_once(self, free: ExtentSet, extent: Extent) -> Extent | None:
        after = self._emap.after(extent, free.state)
        if after is not None:
            free.remove(after)
            self._merge(extent, after)
            return extent
        before = self._emap.before(extent, free.state)
        if before is not None:
            free.remove(before)
            self._merge(before, extent)
            return before
        return None

    # Purging

    def _purge(self, extent: Extent) -> None:
        """The pages go back, the addresses are retained."""
        self._pages.purge(extent.base, extent.size)
        self.why += f"; {extent.size} bytes are purged by madvise at once"
        extent.zeroed = True
        self._record_retained(extent)

    def _purge_all(self) -> None:
        """pac_decay_all: the extent that has been dirty longest first, each merged with its neighbours before."""
        stashed = []
        while self.dirty.lru:
            extent = next(iter(self.dirty.lru))
            self.dirty.remove(extent)
            grown = self._coalesce_once(self.dirty, extent)
            if grown is None:
                stashed.append(extent)
            else:
                self.dirty.insert(grown)
        for extent in stashed:
            self._purge(extent)
