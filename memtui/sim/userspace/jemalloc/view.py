"""The allocator's state as facts for the eye."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from memtui.model.address import Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, ThreadCache
from memtui.sim.userspace.jemalloc.arena import Arena
from memtui.sim.userspace.jemalloc.extent import Extent, ExtentSet, State
from memtui.sim.userspace.jemalloc.sizes import BINS, SIZES
from memtui.sim.userspace.jemalloc.tcache import Tcache

if TYPE_CHECKING:
    from memtui.sim.userspace.jemalloc.malloc import Jemalloc

NAME: Final = "jemalloc (5.3.0)"
_NOTES: Final = (
    "slabs of one size class, and large blocks that start anywhere in their extent's first page",
    "exact for one thread: sizes and system calls, and addresses once it is known where the thread's data lie; "
    "not modelled: decay (no time passes), options, which pages jemalloc's own data touch",
)


def view(malloc: "Jemalloc") -> HeapView:
    """Everything that the allocator knows. O(blocks log blocks)."""
    if not malloc.started:
        return HeapView(NAME, (), (), (), None, notes=_NOTES)
    caches = tuple(
        ThreadCache(f"thread {tid}", tcache.stacks, _cached(tcache)) for tid, tcache in malloc.tcaches.items()
    )
    states = dict.fromkeys(malloc.own, ChunkState.TCACHE_STRUCT)
    for tcache in malloc.tcaches.values():
        for held in tcache.bins:
            states |= dict.fromkeys(held.blocks, ChunkState.TCACHE)
    arenas = malloc.arenas.by_number
    extents: dict[int, list[Extent]] = {number: [] for number in arenas}
    for _, extent in sorted(malloc.emap.starts.items()):
        extents[extent.arena].append(extent)
    return HeapView(
        allocator=NAME,
        arenas=tuple(_arena(number, arenas[number], extents[number], states) for number in arenas),
        tcache=caches[0].bins if caches else (),
        mmapped=(),
        thresholds=None,
        caches=caches,
        notes=_NOTES,
    )


def _arena(number: int, arena: Arena, extents: list[Extent], states: dict[int, ChunkState]) -> ArenaView:
    mappings = sorted(arena.pac.mappings)
    mapped = sum(end - start for start, end in mappings)
    return ArenaView(
        name=f"arena {number}" + (", very large blocks" if arena.pac.purges_at_once else ""),
        regions=tuple(Range(start, end) for start, end in mappings),
        chunks=tuple(chunk for extent in extents for chunk in _chunks(extent, states)),
        bins=(*_small(arena, extents), *_large(arena.pac.dirty), *_large(arena.pac.retained)),
        top=0,
        top_size=0,
        last_remainder=None,
        system_mem=mapped,
        max_system_mem=mapped,
        contiguous=len(mappings) == 1,
    )


def _chunks(extent: Extent, states: dict[int, ChunkState]) -> Iterator[HeapChunk]:
    if extent.state is not State.ACTIVE:
        yield HeapChunk(extent.base, extent.size, ChunkState.FREE, header=0)
        return
    size = SIZES[extent.index or 0]
    if extent.free is not None:
        for number in range(extent.size // size):
            address = extent.base + number * size
            state = ChunkState.FREE if extent.free >> number & 1 else states.get(address, ChunkState.USED)
            yield HeapChunk(address, size, state, header=0)
        return
    end = extent.address + size
    if extent.address > extent.base:
        yield HeapChunk(extent.base, extent.address - extent.base, ChunkState.FENCEPOST, header=0)
    yield HeapChunk(extent.address, size, states.get(extent.address, ChunkState.USED), header=0)
    if end < extent.end:
        yield HeapChunk(end, extent.end - end, ChunkState.FENCEPOST, header=0)


def _small(arena: Arena, extents: list[Extent]) -> Iterator[HeapBin]:
    """Free regions by class, the oldest slab's first."""
    slabs: dict[int, list[Extent]] = {}
    for slab in extents:
        if slab.state is State.ACTIVE and slab.free and slab.index is not None:
            slabs.setdefault(slab.index, []).append(slab)
    for index, held in sorted(slabs.items()):
        current = arena.bins[index].current
        held.sort(key=lambda slab: (slab is not current, slab.age))
        size = BINS[index].size
        free = tuple(
            slab.base + number * size
            for slab in held
            for number in range(BINS[index].regions)
            if (slab.free or 0) >> number & 1
        )
        yield HeapBin(BinKind.SMALL, size, free, index)


def _large(free: ExtentSet) -> Iterator[HeapBin]:
    """Free extents by size, of the same size the oldest first."""
    sizes: dict[int, list[Extent]] = {}
    for extent in free.lru:
        sizes.setdefault(extent.size, []).append(extent)
    for size, held in sorted(sizes.items()):
        yield HeapBin(BinKind.LARGE, size, tuple(extent.base for extent in sorted(held, key=lambda e: e.age)))


def _cached(tcache: Tcache) -> tuple[HeapBin, ...]:
    return tuple(
        HeapBin(BinKind.TCACHE, SIZES[index], tuple(reversed(held.blocks)))
        for index, held in enumerate(tcache.bins)
        if held.blocks
    )
