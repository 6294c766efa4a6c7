"""Bins of slabs, and large blocks (jemalloc 5.3.0, src/arena.c, src/large.c, src/bin.c)."""

from sortedcontainers import SortedList

from memtui.sim.userspace.jemalloc.chance import Chance
from memtui.sim.userspace.jemalloc.extent import Extent, ExtentMap
from memtui.sim.userspace.jemalloc.pac import Pac
from memtui.sim.userspace.jemalloc.sizes import BINS, CACHELINE, LARGE_PAD, PAGE, Bin, sa2u, size2index


class SlabBin:
    """The slabs of one small class. Blocks come from the oldest slab that has free regions."""

    def __init__(self, info: Bin) -> None:
        self.info = info
        self.current: Extent | None = None
        self.nonfull: SortedList = SortedList()
        """Ages of slabs with free regions, without the current one."""

    def lower(self, slab: Extent) -> None:
        """A full slab has a free region again: it becomes the current one if it is older."""
        current = self.current
        if current is not None and current.age > slab.age:
            if current.nfree:
                self.nonfull.add(current.age)
            self.current = slab
        else:
            self.nonfull.add(slab.age)


class Arena:
    """One arena.

    Args:
        pac: its page allocator.
        emap: of all arenas.
        chance: of the thread.
    """

    def __init__(self, pac: Pac, emap: ExtentMap, chance: Chance) -> None:
        self.pac = pac
        self._emap = emap
        self._chance = chance
        self.bins = [SlabBin(info) for info in BINS]
        self.why = ""

    # Small

    def fill(self, index: int, count: int) -> list[int]:
        """Up to `count` regions, the first to be given first; fewer when there is no memory."""
        held = self.bins[index]
        regions: list[int] = []
        self.why = "regions of the current slab"
        while len(regions) < count:
            slab = held.current
            if slab is not None and slab.nfree:
                _take_regions(slab, held.info.size, count - len(regions), regions)
            elif held.nonfull:
                held.current = self._emap.starts[held.nonfull.pop(0)[1]]
                self.why = "regions of an older slab"
            else:
                held.current = None
                slab = self._slab(held.info)
                if slab is None:
                    break
                held.current = slab
        self._chance.tick()
        return regions

    def free_regions(self, index: int, regions: list[int]) -> None:
        """A thread's cache gives regions back; slabs that become empty are freed."""
        held = self.bins[index]
        empty = [slab for region in regions if (slab := self._free_region(held, region)) is not None]
        self._chance.tick(len(regions))
        for slab in empty:
            self._emap.remove_slab(slab)
            slab.free = None
            self.pac.dalloc(slab)

    def _slab(self, info: Bin) -> Extent | None:
        slab = self.pac.alloc(info.slab_size, PAGE, zero=False)
        if slab is not None:
            slab.index, slab.free, slab.nfree = info.number, (1 << info.regions) - 1, info.regions
            self._emap.add_slab(slab)
            self.why = f"a new slab of {info.slab_size} bytes for {info.regions} regions, {self.pac.why}"
        return slab

    def _free_region(self, held: SlabBin, region: int) -> Extent | None:
        """The slab, if the region was its last in use."""
        slab = self._emap.slabs[region // PAGE]
        assert slab.free is not None
        slab.free |= 1 << (region - slab.base) // held.info.size
        slab.nfree += 1
        if slab.nfree == held.info.regions:
            if slab is held.current:
                held.current = None
            elif held.info.regions > 1:
                held.nonfull.remove(slab.age)
            return slab
        if slab.nfree == 1 and slab is not held.current:
            held.lower(slab)
        return None

    # Large

    def large(self, usable: int, alignment: int, zero: bool) -> int:
        """A large block; 0: no memory."""
        if not sa2u(usable, alignment):
            return 0
        extent = self.pac.alloc(usable + LARGE_PAD, alignment, zero)
        if extent is None:
            return 0
        extent.index = size2index(usable)
        if alignment < PAGE:
            bits = 12 - (max(alignment, CACHELINE).bit_length() - 1)
            extent.address = extent.base + (self._chance.bits(bits) << (12 - bits))
        self._chance.tick()
        self.why = f"an extent of {usable + LARGE_PAD} bytes, {self.pac.why}"
        return extent.address

    def resize(self, extent: Extent, usable: int) -> bool:
        """Another size in place."""
        size = usable + LARGE_PAD
        if size > extent.size and not self.pac.expand(extent, size):
            return False
        self.pac.why = self.pac.why if size > extent.size else "its end becomes a dirty extent"
        if size < extent.size:
            self.pac.shrink(extent, size)
        extent.index = size2index(usable)
        self._chance.tick()
        self.why = self.pac.why
        return True

    def free_large(self, extent: Extent) -> None:
        """Its extent becomes dirty."""
        self.pac.why = f"its extent of {extent.size} bytes becomes dirty"
        self.pac.dalloc(extent)
        self.why = self.pac.why


def _take_regions(slab: Extent, size: int, count: int, regions: list[int]) -> None:
    """The lowest free regions of a slab."""
    free = slab.free or 0
    count = min(count, slab.nfree)
    for _ in range(count):
        lowest = free & -free
        free ^= lowest
        regions.append(slab.base + (lowest.bit_length() - 1) * size)
    slab.free = free
    slab.nfree -= count
