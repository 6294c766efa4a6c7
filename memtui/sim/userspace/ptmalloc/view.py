"""The allocator's state as facts for the eye."""

from memtui.model.address import Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, Thresholds
from memtui.sim.userspace.ptmalloc.chunks import Chunks
from memtui.sim.userspace.ptmalloc.sizes import FIRST_LARGE, HEADER, NBINS, UNSORTED


def view(chunks: Chunks) -> HeapView:
    """Everything that the allocator knows. O(chunks log chunks)."""
    mp, tcache = chunks.mp, chunks.tcache
    mapped = sorted(chunks.mapped.chunks.items())
    return HeapView(
        allocator="ptmalloc (glibc 2.36)",
        arenas=(_arena(chunks),) if chunks.arena.top else (),
        tcache=tuple(HeapBin(BinKind.TCACHE, size, cached) for size, cached in tcache.bins()),
        mmapped=tuple(HeapChunk(chunk, size, ChunkState.MMAPPED) for chunk, (_, size) in mapped),
        thresholds=Thresholds(
            mmap_threshold=mp.mmap_threshold,
            trim_threshold=mp.trim_threshold,
            top_pad=mp.top_pad,
            dynamic=not mp.no_dyn_threshold,
        ),
    )


def _arena(chunks: Chunks) -> ArenaView:
    arena = chunks.arena
    states = dict.fromkeys(arena.fenceposts, ChunkState.FENCEPOST)
    states |= dict.fromkeys(arena.in_fastbins, ChunkState.FASTBIN)
    states |= dict.fromkeys(chunks.tcache.held, ChunkState.TCACHE)
    states |= dict.fromkeys(arena.bins.where, ChunkState.FREE)
    states[chunks.tcache.address - HEADER] = ChunkState.TCACHE_STRUCT
    states[arena.top] = ChunkState.TOP
    sizes = {**arena.sizes, **dict.fromkeys(arena.fenceposts, HEADER), arena.top: arena.top_size}
    listed = tuple(HeapChunk(at, sizes[at], states.get(at, ChunkState.USED)) for at in sorted(sizes))
    return ArenaView(
        name="main",
        regions=_regions(listed),
        chunks=listed,
        bins=tuple(_bins(chunks)),
        top=arena.top,
        top_size=arena.top_size,
        last_remainder=arena.last_remainder if arena.last_remainder in arena.bins.where else None,
        system_mem=arena.system_mem,
        max_system_mem=arena.max_system_mem,
        contiguous=arena.contiguous,
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


def _bins(chunks: Chunks) -> list[HeapBin]:
    arena = chunks.arena
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
