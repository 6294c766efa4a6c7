"""Everything that is known of one chunk: whose it is, what lies beside it, where it is in memory, how it came about."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from memtui.draw.fit import crop, field_rows
from memtui.draw.glyphs import NAMES as RESIDENCES
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.heap_glyphs import LETTERS, NAMES, state_role
from memtui.draw.heap_lists import usable_size
from memtui.draw.labels import vma_label
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, human, plural
from memtui.draw.vma_detail import residence_counts
from memtui.model.address import PAGE_SIZE, page_down, page_up
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin, HeapChunk, HeapView
from memtui.model.heap_table import index_at
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.step import StepLog
from memtui.model.vma import Vma

_KEY: Final = 8
_START: Final = itemgetter(0)
_MEANINGS: Final = {
    ChunkState.USED: "in use by the program",
    ChunkState.TCACHE: "free, in a thread's cache: to its neighbours it still looks used",
    ChunkState.FASTBIN: "free, in a fastbin: to its neighbours it still looks used",
    ChunkState.FREE: "free, in a bin: merged with its free neighbours",
    ChunkState.TOP: "the free end of the heap, in no bin",
    ChunkState.MMAPPED: "in use by the program, with a mapping of its own",
    ChunkState.TCACHE_STRUCT: "the allocator's own: the lists of a thread's cache",
    ChunkState.FENCEPOST: "the allocator's own: the end of a region that the heap has left",
    ChunkState.TORN: "not known: the chain of chunks broke here while it was read",
}


class Place(NamedTuple):
    """A chunk in its heap."""

    chunk: HeapChunk
    arena: ArenaView | None
    """None: with a mapping of its own."""
    before: HeapChunk | None
    after: HeapChunk | None


def place_of(heap: HeapView, address: int) -> Place | None:
    """The chunk that holds the byte `address`."""
    for arena in heap.arenas:
        index = index_at(arena.chunks, address)
        if index is not None:
            chunk = arena.chunks[index]
            before = arena.chunks[index - 1] if index else None
            after = arena.chunks[index + 1] if index + 1 < len(arena.chunks) else None
            return Place(
                chunk,
                arena,
                before if before is not None and before.end == chunk.address else None,
                after if after is not None and after.address == chunk.end else None,
            )
    index = index_at(heap.mmapped, address)
    return None if index is None else Place(heap.mmapped[index], None, None, None)


def chunk_rows(
    heap: HeapView,
    mm: MmSnapshot,
    address: int,
    width: int,
    *,
    log: StepLog | None = None,
    last: HeapView | None = None,
) -> tuple[Row, ...]:
    """The chunk that holds a byte.

    Args:
        heap: the heap.
        mm: the address space that it lies in.
        address: of the byte.
        width: cells.
        log: the steps of a simulation: who asked for the chunk, and how it came about.
        last: the heap one step before: what the chunk was then.
    """
    place = place_of(heap, address)
    if place is None:
        return (crop((Run(f"{address:x} lies in no chunk", "text.dim"),), width),)
    chunk = place.chunk
    runs = (
        Run(f"{LETTERS[chunk.state]} ", state_role(chunk.state)),
        Run(f"{chunk.address:x}", "title"),
        Run(f" · {human(chunk.size)} · {NAMES[chunk.state]}", "text"),
    )
    rows: list[Row] = [crop(runs, width)]
    for key, value in _facts(heap, place, log, last):
        rows += _field(key, value, width)
    for key, value in _memory(mm, chunk):
        rows += _field(key, value, width)
    return tuple(rows)


def _field(key: str, value: str, width: int) -> tuple[Row, ...]:
    return field_rows(key, value, width, key_width=_KEY)


def _facts(heap: HeapView, place: Place, log: StepLog | None, last: HeapView | None) -> Iterator[tuple[str, str]]:
    chunk = place.chunk
    yield "state", _MEANINGS[chunk.state]
    usable = usable_size(chunk.size, chunk.state) if chunk.header else None
    size = f"{count(chunk.size)} bytes" + (" with its header" if chunk.header else "")
    yield "size", size if usable is None else f"{size}, {count(usable)} usable from {chunk.user:x}"
    if chunk.header:
        yield "flags", _flags(place)
    held = bin_of(heap, chunk.address)
    if held is not None:
        yield "bin", _in_bin(held, chunk.address)
    owner = heap.owners.get(chunk.user)
    if owner is not None:
        step = _step_text(log, owner.step)
        slack = "" if usable is None else f": {plural(max(usable - owner.requested, 0), 'byte')} more are usable"
        yield "by", f"step {owner.step}{step}, which asked for {plural(owner.requested, 'byte')}{slack}"
    elif chunk.state in (ChunkState.USED, ChunkState.MMAPPED):
        yield "by", f"{NOT_MEASURED} glibc does not note who asked for a block"
    if log is not None and last is not None and owner is not None and owner.step == log.cursor:
        yield "was", was(last, chunk)
    yield from _path(heap, place, log)
    yield "before", _neighbour(place.before, "the region begins here" if place.arena else "no arena")
    yield "after", _neighbour(place.after, "the region ends here" if place.arena else "no arena")


def _flags(place: Place) -> str:
    """As the size field has them."""
    if place.arena is None:
        return "IS_MMAPPED"
    names = []
    if place.before is None or place.before.state is not ChunkState.FREE:
        names.append("PREV_INUSE")
    if place.arena.name != "main" and place.chunk.state not in (ChunkState.FREE, ChunkState.TOP, ChunkState.FENCEPOST):
        names.append("NON_MAIN_ARENA")
    return " ".join(names) or "none: the chunk before is free"


def bin_of(heap: HeapView, chunk: int) -> HeapBin | None:
    """The list that holds a chunk."""
    for cache in heap.caches:
        for held in cache.bins:
            if chunk in held.chunks:
                return held
    lists = (*heap.tcache, *(held for arena in heap.arenas for held in arena.bins))
    return next((held for held in lists if chunk in held.chunks), None)


def _in_bin(held: HeapBin, chunk: int) -> str:
    place = held.chunks.index(chunk) + 1
    return f"{_bin_name(held)}: number {place} of {len(held.chunks)} from where chunks are taken"


def _bin_name(held: HeapBin) -> str:
    if held.kind is BinKind.UNSORTED:
        return "the unsorted bin"
    if held.kind in (BinKind.TCACHE, BinKind.FAST):
        return f"{'tcache' if held.kind is BinKind.TCACHE else 'fastbin'} of {held.size}-byte chunks"
    return f"{held.kind.value} bin {held.number} ({'from ' if held.kind is BinKind.LARGE else ''}{held.size} bytes)"


def was(last: HeapView, chunk: HeapChunk) -> str:
    """What the memory of a chunk was one step before."""
    place = place_of(last, chunk.address)
    if place is None:
        return "no memory of the heap"
    old = place.chunk
    held = bin_of(last, old.address)
    where = _bin_name(held) if held is not None else NAMES[old.state]
    if old.address == chunk.address and old.size == chunk.size:
        return f"the same chunk, in {where}" if held is not None else where
    return f"a part of {count(old.size)} bytes at {old.address:x}, {where}"


def _path(heap: HeapView, place: Place, log: StepLog | None) -> Iterator[tuple[str, str]]:
    """The step that ran last, if it gave or took this chunk."""
    if log is None or not 0 < log.cursor <= len(log.steps):
        return
    step = log.steps[log.cursor - 1]
    owner = heap.owners.get(place.chunk.user)
    if (owner is not None and owner.step == step.number) or step.text.startswith(f"free({place.chunk.user:#x}"):
        yield "path", step.why
        for nth, call in enumerate(step.calls):
            yield ("asks" if nth == 0 else ""), call


def _step_text(log: StepLog | None, number: int) -> str:
    if log is None or not 0 < number <= len(log.steps):
        return ""
    return f", {log.steps[number - 1].told}"


def _neighbour(chunk: HeapChunk | None, none: str) -> str:
    return none if chunk is None else f"{chunk.address:x} {human(chunk.size)} {NAMES[chunk.state]}"


def _memory(mm: MmSnapshot, chunk: HeapChunk) -> Iterator[tuple[str, str]]:
    vma = vma_at(mm.vmas, chunk.address)
    if vma is None:
        yield "VMA", f"{NOT_MEASURED} it was not there when maps was read"
        return
    yield "VMA", f"{vma_label(vma)} {vma.start:x}-{vma.end:x} {vma.perms}"
    yield "pages", pages_of(vma, chunk.address, min(chunk.end, vma.end))


def vma_at(vmas: Sequence[Vma], address: int) -> Vma | None:
    """The VMA that holds a byte."""
    nth = bisect_right(vmas, address, key=_START) - 1
    return vmas[nth] if nth >= 0 and address < vmas[nth].end else None


def pages_of(vma: Vma, start: int, end: int) -> str:
    """Where the pages of some bytes live: "3 pages: 1 anon, 2 absent"."""
    if vma.runs is None:
        return f"{NOT_MEASURED} not measured"
    first, last = page_down(start), page_up(end)
    total = (last - first) // PAGE_SIZE
    part = vma._replace(start=first, end=last, runs=tuple(_clipped(vma.runs, first, last)))
    counts = residence_counts(part) or {}
    words = [f"{number:,} {RESIDENCES[residence]}" for residence, number in counts.items() if number]
    frames = sum(counts.get(residence, 0) for residence in (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM))
    return f"{plural(total, 'page')}: {', '.join(words)} · {plural(frames, 'frame')} of RAM"


def _clipped(runs: Sequence[PageRun], first: int, last: int) -> Iterator[PageRun]:
    for run in runs[max(bisect_right(runs, first, key=_START) - 1, 0) :]:
        if run.start >= last:
            return
        start, end = max(run.start, first), min(run.end, last)
        if start < end:
            yield run._replace(start=start, pages=(end - start) // PAGE_SIZE)
