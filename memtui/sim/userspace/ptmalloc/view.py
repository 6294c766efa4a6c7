"""The allocator's state as facts for the eye."""

from collections.abc import Mapping, Set

from memtui.model.address import Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, ThreadCache, Thresholds
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.arenas import Arenas, Thread
from memtui.sim.userspace.ptmalloc.mmapped import MappedChunks
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import FIRST_LARGE, HEADER, NBINS, UNSORTED
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.ptmalloc.tunables import Parameters


def view(
    profile: Profile, arenas: Arenas, mapped: MappedChunks, threads: Mapping[int, Thread], mp: Parameters
) -> HeapView:
    """Everything that the allocator knows. O(chunks log chunks)."""
    caches = [thread.tcache for thread in threads.values()]
    structs = {tcache.address - HEADER for tcache in caches if tcache.address}
    first = next(iter(threads))
    return HeapView(
        allocator=f"ptmalloc (glibc {profile.version})",
        arenas=tuple(_arena(arena, structs, caches[0].held) for arena in arenas.ring if arena.top),
        tcache=_cached(caches[0]),
        caches=tuple(
            ThreadCache("main" if tid == first else f"thread {tid}", thread.tcache.address, _cached(thread.tcache))
            for tid, thread in threads.items()
            if thread.tcache.address
        ),
        mmapped=tuple(HeapChunk(chunk, size, ChunkState.MMAPPED) for chunk, (_, size) in sorted(mapped.chunks.items())),
        thresholds=Thresholds(
            mmap_threshold=mp.mmap_threshold,
            trim_threshold=mp.trim_threshold,
            top_pad=mp.top_pad,
            dynamic=not mp.no_dyn_threshold,
        ),
    )


def _cached(tcache: Tcache) -> tuple[HeapBin, ...]:
    return tuple(HeapBin(BinKind.TCACHE, size, cached) for size, cached in tcache.bins())


def _arena(arena: Arena, structs: Set[int], held: Set[int]) -> ArenaView:
    states = dict.fromkeys(arena.fenceposts, ChunkState.FENCEPOST)
    states |= dict.fromkeys(arena.in_fastbins, ChunkState.FASTBIN)
    states |= dict.fromkeys(held & arena.sizes.keys(), ChunkState.TCACHE)
    states |= dict.fromkeys(arena.bins.where, ChunkState.FREE)
    states |= dict.fromkeys(structs & arena.sizes.keys(), ChunkState.TCACHE_STRUCT)
    states[arena.top] = ChunkState.TOP
    sizes = {**arena.sizes, **arena.fenceposts, arena.top: arena.top_size}
    listed = tuple(HeapChunk(at, sizes[at], states.get(at, ChunkState.USED)) for at in sorted(sizes))
    return ArenaView(
        name=arena.name,
        regions=_regions(listed),
        chunks=listed,
        bins=tuple(_bins(arena)),
        top=arena.top,
        top_size=arena.top_size,
        last_remainder=arena.last_remainder if arena.last_remainder in arena.bins.where else None,
        system_mem=arena.system_mem,
        max_system_mem=arena.max_system_mem,
        contiguous=arena.contiguous,
        address=arena.address,
    )


def _regions(listed: tuple[HeapChunk, ...]) -> tuple[Range, ...]:
    """Where chunk follows upon chunk."""
    regions: list[Range] = []
    for chunk in listed:
        if regions and regions[-1].end == chunk.address:
            regions[-1] = Range(regions[-1].start, chunk.end)
        else:
            regions.append(Range(chunk.address, chunk.end))
    return tuple(regions)


def _bins(arena: Arena) -> list[HeapBin]:
    found = [
        HeapBin(BinKind.FAST, size, tuple(reversed(held))) for size, held in sorted(arena.fastbins.items()) if held
    ]
    for index in range(UNSORTED, NBINS):
        held = tuple(arena.bins.from_back(index))
        if held:
            kind = BinKind.LARGE if index >= FIRST_LARGE else BinKind.SMALL if index > UNSORTED else BinKind.UNSORTED
            smallest = 0 if kind is BinKind.UNSORTED else min(arena.sizes[chunk] for chunk in held)
            found.append(HeapBin(kind, smallest, held, index))
    return found
