"""The allocator's state as facts for the eye."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from memtui.model.address import Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView, ThreadCache
from memtui.sim.userspace.tcmalloc.page_heap import Location, Span
from memtui.sim.userspace.tcmalloc.sizes import CLASSES
from memtui.sim.userspace.tcmalloc.thread_cache import ThreadCache as Cache

if TYPE_CHECKING:
    from memtui.sim.userspace.tcmalloc.malloc import Tcmalloc

NAME: Final = "tcmalloc (gperftools 2.10)"
_NOTES: Final = (
    "spans of 8 KiB pages: cut into objects of one size class, or one block; the heap is the page heap",
    "exact for one thread: addresses, sizes, system calls, resident pages; not modelled: sampling, the heap profiler",
)


def view(malloc: "Tcmalloc") -> HeapView:
    """Everything that the allocator knows. O(objects log objects)."""
    if not malloc.started:
        return HeapView(NAME, (), (), (), None, notes=_NOTES)
    caches = tuple(ThreadCache(f"thread {tid}", cache.record, _cached(cache)) for tid, cache in malloc.caches.items())
    return HeapView(
        allocator=NAME,
        arenas=(_arena(malloc),),
        tcache=caches[0].bins if caches else (),
        mmapped=(),
        thresholds=None,
        caches=caches,
        notes=_NOTES,
    )


def _arena(malloc: "Tcmalloc") -> ArenaView:
    heap = malloc.heap
    cached = {block for cache in malloc.caches.values() for listed in cache.lists for block in listed.objects}
    central = {block for held in malloc.central.lists for chain in held.slots for block in chain}
    states = dict.fromkeys(malloc.own, ChunkState.TCACHE_STRUCT)
    states |= dict.fromkeys(cached, ChunkState.TCACHE) | dict.fromkeys(central, ChunkState.FREE)
    spans = sorted(set(heap.pagemap.values()), key=lambda span: span.start)
    live = [span for span in spans if heap.pagemap.get(span.start) is span and not _stale(span, heap.pagemap)]
    chunks = tuple(chunk for span in live for chunk in _chunks(span, states))
    return ArenaView(
        name="page heap",
        regions=tuple(Range(start, end) for start, end in sorted(malloc.system.regions)),
        chunks=chunks,
        bins=tuple(_bins(malloc)),
        top=0,
        top_size=0,
        last_remainder=None,
        system_mem=heap.system_bytes,
        max_system_mem=heap.system_bytes,
        contiguous=len(malloc.system.regions) == 1,
    )


def _stale(span: Span, pagemap: dict[int, Span]) -> bool:
    """Whether it was merged away: inner pages of spans keep what they led to."""
    return pagemap.get(span.start + span.length - 1) is not span


def _chunks(span: Span, states: dict[int, ChunkState]) -> Iterator[HeapChunk]:
    if span.location is not Location.IN_USE:
        yield HeapChunk(span.address, span.size, ChunkState.FREE, header=0)
        return
    if span.size_class is None:
        yield HeapChunk(span.address, span.size, states.get(span.address, ChunkState.USED), header=0)
        return
    size = span.size_class.size
    free = set(span.objects)
    for address in range(span.address, span.address + span.size - size + 1, size):
        state = ChunkState.FREE if address in free else states.get(address, ChunkState.USED)
        yield HeapChunk(address, size, state, header=0)
    rest = span.size % size
    if rest:
        yield HeapChunk(span.address + span.size - rest, rest, ChunkState.FENCEPOST, header=0)


def _bins(malloc: "Tcmalloc") -> Iterator[HeapBin]:
    """Free objects by class: whole batches first, then what spans have; free spans by length."""
    for held in malloc.central.lists:
        chains = [*reversed(held.slots), *(span.objects for span in reversed(held.nonempty))]
        blocks = tuple(block for chain in chains for block in reversed(chain))
        if blocks:
            yield HeapBin(BinKind.SMALL, held.size_class.size, blocks, held.size_class.number)
    for location in (Location.NORMAL, Location.RETURNED):
        lengths: dict[int, list[int]] = {}
        for span in malloc.heap.free_spans(location):
            lengths.setdefault(span.size, []).append(span.address)
        for size, addresses in lengths.items():
            yield HeapBin(BinKind.LARGE, size, tuple(addresses))


def _cached(cache: Cache) -> tuple[HeapBin, ...]:
    return tuple(
        HeapBin(BinKind.TCACHE, size_class.size, tuple(reversed(listed.objects)))
        for size_class, listed in zip(CLASSES, cache.lists, strict=True)
        if listed.objects
    )
