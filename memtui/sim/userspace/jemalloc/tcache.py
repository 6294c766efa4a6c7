"""The cache of a thread (jemalloc 5.3.0, src/tcache.c, cache_bin.h, thread_event.h)."""

from collections.abc import Mapping
from typing import Final

from memtui.sim.userspace.jemalloc.arena import Arena
from memtui.sim.userspace.jemalloc.chance import Chance
from memtui.sim.userspace.jemalloc.extent import ExtentMap
from memtui.sim.userspace.jemalloc.sizes import BINS, CACHED_CLASSES, PAGE, SIZES, SLOTS

GC_BYTES: Final = 64 << 10
"""Bytes allocated, and bytes freed, between two looks at one bin (opt.tcache_gc_incr_bytes)."""
BYTES: Final = 8 * (sum(SLOTS) + 2)
"""Of the stacks of pointers."""


class CacheBin:
    """The cached blocks of one class; the next to be given comes last."""

    __slots__ = ("blocks", "fill_shift", "low_water", "refilled")

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.low_water = 0
        """The fewest since the last look at the bin."""
        self.fill_shift = 1
        """A fill gets the slots divided by 2 ** this."""
        self.refilled = False


class Tcache:
    """Of one thread.

    Args:
        arenas: all, by number.
        number: of the thread's own.
        emap: of all arenas.
        chance: of the thread that runs.
        stacks: address of the memory that holds the cached pointers.
    """

    def __init__(self, arenas: Mapping[int, Arena], number: int, emap: ExtentMap, chance: Chance, stacks: int) -> None:
        self.arena = arenas[number]
        self.stacks = stacks
        self._arenas = arenas
        self._emap = emap
        self._chance = chance
        self.bins = [CacheBin() for _ in range(CACHED_CLASSES)]
        self._next = 0
        self._left = [GC_BYTES, GC_BYTES]
        self.why = ""

    def get(self, index: int) -> int:
        """A cached block of the class; 0: none."""
        held = self.bins[index]
        blocks = held.blocks
        if not blocks:
            return 0
        block = blocks.pop()
        if len(blocks) < held.low_water:
            held.low_water = len(blocks)
        self.why = f"from the thread's cache of {SIZES[index]}-byte blocks"
        return block

    def refill(self, index: int) -> int:
        """The bin of a small class is empty: it gets blocks from the arena. Gives the first; 0: no memory."""
        held = self.bins[index]
        held.blocks = self.arena.fill(index, SLOTS[index] >> held.fill_shift)
        held.blocks.reverse()
        held.refilled = True
        if not held.blocks:
            return 0
        self.why = (
            f"the thread's cache of {SIZES[index]}-byte blocks is empty and gets {len(held.blocks)}: {self.arena.why}"
        )
        return held.blocks.pop()

    def put(self, index: int, block: int) -> None:
        """A block is freed; a full bin is flushed to one half first."""
        held = self.bins[index]
        self.why = f"to the thread's cache of {SIZES[index]}-byte blocks"
        if len(held.blocks) == SLOTS[index]:
            self.why += f", which is full with {SLOTS[index]}: half of them go back to the arena"
            self._flush(index, SLOTS[index] >> 1)
        held.blocks.append(block)

    def count(self, freed: bool, size: int) -> None:
        """Bytes were allocated or freed: from time to time the next bin is looked at."""
        self._left[freed] -= size
        if self._left[freed] <= 0:
            self._left[freed] = GC_BYTES
            self._collect()

    def flush_all(self) -> None:
        """The thread ends."""
        for index in range(CACHED_CLASSES):
            self._flush(index, 0)

    def _collect(self) -> None:
        """tcache_event: three quarters of what was not needed since the last look go back."""
        index = self._next
        held = self.bins[index]
        low, small = held.low_water, index < len(BINS)
        if low > 0:
            self._flush(index, len(held.blocks) - (low - (low >> 2)))
            if small and SLOTS[index] >> (held.fill_shift + 1) >= 1:
                held.fill_shift += 1
        elif small and held.refilled:
            held.fill_shift = max(1, held.fill_shift - 1)
            held.refilled = False
        held.low_water = len(held.blocks)
        self._next = (index + 1) % CACHED_CLASSES

    def _flush(self, index: int, keep: int) -> None:
        """All but `keep` go back to the arena: those that were cached longest."""
        held = self.bins[index]
        count = len(held.blocks) - keep
        if count <= 0:
            return
        blocks = held.blocks[:count]
        blocks.reverse()
        del held.blocks[:count]
        held.low_water = min(held.low_water, keep)
        if index < len(BINS) and len(self._arenas) == 1:
            self.arena.free_regions(index, blocks)
        else:
            self._flush_by_arena(index, blocks)

    def _flush_by_arena(self, index: int, blocks: list[int]) -> None:
        """Other threads' blocks, and large ones that were very large before they shrank, are of other arenas."""
        extents = {block: self._emap.slabs.get(block // PAGE) or self._emap.starts[block & -PAGE] for block in blocks}
        while blocks:
            number = extents[blocks[0]].arena
            here = [block for block in blocks if extents[block].arena == number]
            blocks = [block for block in blocks if extents[block].arena != number]
            if index < len(BINS):
                self._arenas[number].free_regions(index, here)
                continue
            for block in here:
                self._arenas[number].free_large(extents[block])
            self._chance.tick(len(here))
