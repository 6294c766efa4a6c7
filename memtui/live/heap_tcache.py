"""The lists of a tcache, followed through all arenas (glibc, malloc/malloc.c: tcache_perthread_struct)."""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memtui.live.heap_arena import Arena
from memtui.live.heap_layout import Layout
from memtui.live.heap_memory import ProcessMemory
from memtui.model.heap import HEADER, BinKind, ChunkState, HeapBin
from memtui.model.heap_table import NUMBERS

_USED, _CACHED = NUMBERS[ChunkState.USED], NUMBERS[ChunkState.TCACHE]


class Block(NamedTuple):
    """A tcache_perthread_struct as it stands."""

    address: int
    counts: tuple[int, ...]
    entries: tuple[int, ...]


def read_block(memory: ProcessMemory, address: int, layout: Layout, capacity: int) -> Block:
    """The structure at `address`; counts are of chunks.

    Args:
        memory: of the process.
        address: of the structure.
        layout: of this version.
        capacity: chunks that a list holds at most (tcache_count).
    """
    data = memory.read(address, layout.tcache_size)
    width, slots, base = layout.tcache_counts, layout.tcache_slots, layout.tcache_entries
    counts = tuple(int.from_bytes(data[at * width : (at + 1) * width], "little") for at in range(slots))
    entries = tuple(memoryview(data)[base:].cast("Q"))
    if layout.counts_down:
        counts = tuple(capacity - left if left <= capacity else left for left in counts)
    return Block(address, counts, entries)


def likeness(block: Block, arenas: Sequence[Arena], layout: Layout, capacity: int) -> int:
    """Whether it can be one: 2: every list has as many chunks as its count says; 1: all are empty; 0: no."""
    if any((count == 0) != (entry == 0) for count, entry in zip(block.counts, block.entries, strict=True)):
        return 0
    if any(count > max(capacity, 1) for count in block.counts):
        return 0
    lists = zip(_lists(block, arenas, layout), block.counts, strict=True)
    if not all(len(chunks) == count for (_, chunks, _), count in lists):
        return 0
    return 2 if any(block.counts) else 1


def take(block: Block, arenas: Sequence[Arena], layout: Layout) -> tuple[tuple[HeapBin, ...], list[str]]:
    """The lists that are not empty, their chunks marked; and what did not agree."""
    bins: list[HeapBin] = []
    torn: list[str] = []
    for number, (size, chunks, places) in enumerate(_lists(block, arenas, layout)):
        if len(chunks) != block.counts[number]:
            torn.append(
                f"the tcache list of {size}-byte chunks has {len(chunks)}, its count says {block.counts[number]}"
            )
        for arena, index in places:
            arena.states[index] = _CACHED
        if chunks:
            bins.append(HeapBin(BinKind.TCACHE, size, chunks))
    return tuple(bins), torn


def _lists(
    block: Block, arenas: Sequence[Arena], layout: Layout
) -> Iterator[tuple[int, "array[int]", list[tuple[Arena, int]]]]:
    """Chunk size, chunks and their places of each list, as far as it can be followed."""
    for number, entry in enumerate(block.entries):
        size = 32 + 16 * number
        chunks, places = array("Q"), []
        while entry and len(chunks) <= max(block.counts[number], 0):
            place = _place(arenas, entry - HEADER)
            if place is None or place[0].states[place[1]] != _USED:
                break
            if number < 64 and place[0].size(place[1]) != size:
                break
            chunks.append(entry - HEADER)
            places.append(place)
            entry = layout.follow(place[0].fds[place[1]], entry)
        yield size, chunks, places


def _place(arenas: Sequence[Arena], chunk: int) -> tuple[Arena, int] | None:
    for arena in arenas:
        index = arena.index(chunk)
        if index is not None:
            return arena, index
    return None
