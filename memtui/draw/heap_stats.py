"""What a heap adds up to, and how fragmented it is."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from memtui.model.heap import HEADER, ArenaView, ChunkState, HeapView
from memtui.model.heap_table import ChunkTable, Total

SIZE_SZ: Final = 8
"""Bytes of a chunk in use that its program cannot use; a mapped one has twice as many."""
FREE_STATES: Final = (ChunkState.TCACHE, ChunkState.FASTBIN, ChunkState.FREE, ChunkState.TOP)
_NONE: Final = Total(0, 0, 0)


class Fragmentation(NamedTuple):
    """Bytes that are held but of no use."""

    internal: int
    """In blocks in use, what the program did not ask for: headers and what sizes are rounded up by."""
    of_used: int
    """All bytes of blocks in use."""
    at_least: bool
    """Whether only the headers are known, because nobody knows what was asked for."""
    external: int
    """Free, but not in the largest free piece: what no single request could get."""
    of_free: int
    """All free bytes."""


def totals(arena: ArenaView) -> Mapping[ChunkState, Total]:
    """Chunks and bytes of an arena by state."""
    return ChunkTable.of(arena.chunks).totals


def all_totals(heap: HeapView) -> dict[ChunkState, Total]:
    """Of all arenas together, without the mapped chunks."""
    added: dict[ChunkState, Total] = {}
    for arena in heap.arenas:
        for state, total in totals(arena).items():
            old = added.get(state, _NONE)
            added[state] = Total(old.chunks + total.chunks, old.size + total.size, max(old.largest, total.largest))
    return added


def own_bytes(arena: ArenaView) -> int:
    """Bytes of the arena that are no chunk: its own structures and what was skipped to be aligned."""
    return arena.system_mem - sum(total.size for total in totals(arena).values())


def mapped_total(heap: HeapView) -> Total:
    """Chunks with a mapping of their own."""
    return ChunkTable.of(heap.mmapped).totals.get(ChunkState.MMAPPED, _NONE)


def fragmentation(heap: HeapView) -> Fragmentation:
    """Internal and external fragmentation of the whole heap."""
    found, mapped = all_totals(heap), mapped_total(heap)
    used = found.get(ChunkState.USED, _NONE)
    free = [found.get(state, _NONE) for state in FREE_STATES]
    of_used, of_free = used.size + mapped.size, sum(total.size for total in free)
    asked = sum(owner.requested for owner in heap.owners.values())
    known = len(heap.owners) == used.chunks + mapped.chunks
    internal = of_used - asked if known else used.chunks * SIZE_SZ + mapped.chunks * HEADER
    return Fragmentation(
        internal=internal,
        of_used=of_used,
        at_least=not known,
        external=of_free - max((total.largest for total in free), default=0),
        of_free=of_free,
    )
