"""The why of a chunk of the heap: who holds it, why it lies there, what gives it back to whom."""

from collections.abc import Iterator
from typing import Final

from memtui.draw.answer import Answer
from memtui.draw.heap_detail import Place, bin_of, pages_of, place_of, vma_at
from memtui.draw.heap_glyphs import NAMES
from memtui.draw.sizes import count, human
from memtui.model.heap import ArenaView, ChunkState, HeapView
from memtui.model.mm import MmSnapshot
from memtui.model.step import StepLog

_STATES: Final = {
    ChunkState.USED: "the program got it from malloc and has not freed it",
    ChunkState.TCACHE: "freed: the thread's cache keeps up to seven of a size, to give them out again without a lock",
    ChunkState.FASTBIN: "freed while the tcache of its size was full; small ones are not merged at once",
    ChunkState.FREE: "freed, and merged with free neighbours: no two free chunks of the bins lie side by side",
    ChunkState.TOP: "what is left of the last brk, or of the arena's heap: malloc cuts from it when no bin fits",
    ChunkState.MMAPPED: "larger than the mmap threshold when it was asked for: it got a mapping of its own",
    ChunkState.TCACHE_STRUCT: "the first thing that malloc allocates for a thread: the lists of its cache",
    ChunkState.FENCEPOST: "the heap could not grow here, because someone else had moved the break: it ends the region",
    ChunkState.TORN: "the process went on while it was read, so that its chain broke here",
}
_FREES: Final = {
    ChunkState.USED: "free(): it goes to the tcache or to a bin. The kernel gets nothing back as long as something in "
    "use lies above it",
    ChunkState.TCACHE: "nothing but the next malloc of its size, or the end of the thread: no merging, no trimming",
    ChunkState.FASTBIN: "malloc_consolidate, when a large chunk is freed or asked for: then it merges",
    ChunkState.FREE: "malloc_trim() gives its whole pages back (MADV_DONTNEED); free() alone never does",
    ChunkState.TOP: "free() gives it back by brk once it exceeds the trim threshold; malloc_trim() at once",
    ChunkState.MMAPPED: "free() unmaps it: the kernel has its pages back at once",
    ChunkState.TCACHE_STRUCT: "the end of its thread",
    ChunkState.FENCEPOST: "nothing",
    ChunkState.TORN: "unknown until it can be read",
}


def chunk_answer(heap: HeapView, mm: MmSnapshot, address: int, log: StepLog | None) -> Answer | None:
    """Why the chunk that holds a byte is what it is; None: no chunk does."""
    place = place_of(heap, address)
    if place is None:
        return None
    title = f"chunk {place.chunk.address:x} · {human(place.chunk.size)} · {NAMES[place.chunk.state]}"
    return Answer(title, tuple(_fields(heap, place, mm, log)))


def _fields(heap: HeapView, place: Place, mm: MmSnapshot, log: StepLog | None) -> Iterator[tuple[str, str]]:
    chunk = place.chunk
    yield "here", _STATES[chunk.state] if chunk.header else f"{NAMES[chunk.state]}: {heap.allocator}"
    owner = heap.owners.get(chunk.user)
    if owner is not None and log is not None and 0 < owner.step <= len(log.steps):
        step = log.steps[owner.step - 1]
        yield "step", f"{step.number}: {step.told}"
        if step.why:
            yield "rule", step.why
    if owner is not None:
        yield (
            "size",
            (
                f"{count(owner.requested)} bytes were asked for; with the header and rounded up that makes "
                f"{count(chunk.size)}"
            ),
        )
    held = bin_of(heap, chunk.address)
    if held is not None:
        nth = held.chunks.index(chunk.address)
        yield "next", "the next request of this size gets it" if nth == 0 else f"{nth} others are given out before it"
    if place.arena is not None:
        yield "arena", _arena(place.arena)
    yield "frees", _FREES[chunk.state] if chunk.header else "free() hands it to the allocator's cache"
    vma = vma_at(mm.vmas, chunk.address)
    if vma is not None:
        yield "pages", pages_of(vma, chunk.address, min(chunk.end, vma.end))


def _arena(arena: ArenaView) -> str:
    if arena.name == "main":
        return "main: it grows by brk, and by mmap when the break cannot move"
    return f"{arena.name}: of threads that found the others locked; its heaps are mappings of 64 MiB"
