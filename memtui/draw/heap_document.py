"""The heap in the JSON that --print json writes."""

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from memtui.draw.heap_stats import all_totals, fragmentation, mapped_total, own_bytes, totals
from memtui.model.heap import ArenaView, HeapBin, HeapChunk, HeapView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtui.model.heap import ChunkState
    from memtui.model.heap_table import Total

CHUNKS: Final = 20_000
"""Chunks that are listed of an arena, and of mapped ones; all are counted."""


def heap_document(heap: HeapView) -> dict[str, Any]:
    """Sizes are bytes, addresses hex strings; `chunks` are [address, size, state] by ascending address."""
    lost = fragmentation(heap)
    thresholds = heap.thresholds
    return {
        "allocator": heap.allocator,
        "system_bytes": sum(arena.system_mem for arena in heap.arenas),
        "own_bytes": sum(map(own_bytes, heap.arenas)),
        "by_state": _by_state(all_totals(heap)),
        "fragmentation": {
            "internal_bytes": lost.internal,
            "internal_of_bytes": lost.of_used,
            "internal_at_least": lost.at_least,
            "external_bytes": lost.external,
            "external_of_bytes": lost.of_free,
        },
        "thresholds": None if thresholds is None else thresholds._asdict(),
        "arenas": [_arena(arena) for arena in heap.arenas],
        "tcaches": [
            {"thread": cache.name, "address": f"{cache.address:#x}", "found": cache.found, "bins": _bins(cache.bins)}
            for cache in heap.caches
        ]
        or [{"thread": "main", "address": None, "found": "", "bins": _bins(heap.tcache)}],
        "mapped": {
            "chunk_count": len(heap.mmapped),
            "bytes": mapped_total(heap).size,
            "chunks": _chunks(heap.mmapped),
        },
        "owners": {f"{block:#x}": owner._asdict() for block, owner in islice(heap.owners.items(), CHUNKS)},
        "torn": list(heap.torn),
        "notes": list(heap.notes),
    }


def _arena(arena: ArenaView) -> dict[str, Any]:
    return {
        "name": arena.name,
        "address": f"{arena.address:#x}" if arena.address else None,
        "system_bytes": arena.system_mem,
        "max_system_bytes": arena.max_system_mem,
        "own_bytes": own_bytes(arena),
        "contiguous": arena.contiguous,
        "top": f"{arena.top:#x}",
        "top_bytes": arena.top_size,
        "last_remainder": None if arena.last_remainder is None else f"{arena.last_remainder:#x}",
        "regions": [[f"{region.start:#x}", f"{region.end:#x}"] for region in arena.regions],
        "by_state": _by_state(totals(arena)),
        "bins": _bins(arena.bins),
        "chunk_count": len(arena.chunks),
        "chunks": _chunks(arena.chunks),
    }


def _by_state(found: "Mapping[ChunkState, Total]") -> dict[str, dict[str, int]]:
    return {state.value: {"chunks": total.chunks, "bytes": total.size} for state, total in found.items()}


def _bins(bins: Iterable[HeapBin]) -> list[dict[str, Any]]:
    return [
        {
            "kind": held.kind.value,
            "number": held.number,
            "size": held.size,
            "chunk_count": len(held.chunks),
            "chunks": [f"{chunk:#x}" for chunk in islice(held.chunks, CHUNKS)],
        }
        for held in bins
    ]


def _chunks(chunks: Iterable[HeapChunk]) -> list[list[object]]:
    return [[f"{chunk.address:#x}", chunk.size, chunk.state.value] for chunk in islice(chunks, CHUNKS)]
