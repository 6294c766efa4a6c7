"""Whether two pictures of a heap are of the same chunks, bins, tcaches and mapped chunks."""

from collections import Counter

from memtui.model.heap import HeapView


def arenas(heap: HeapView) -> dict[str, tuple[object, ...]]:
    """Everything of each arena."""
    return {
        "main" if arena.name == "main" else f"{arena.address:x}": (
            arena.regions,
            [(chunk.address, chunk.size, chunk.state) for chunk in arena.chunks],
            [(held.kind, held.size, held.number, list(held.chunks)) for held in arena.bins],
            (arena.top, arena.top_size, arena.last_remainder, arena.system_mem, arena.contiguous),
        )
        for arena in heap.arenas
    }


def caches(heap: HeapView) -> Counter[tuple[tuple[int, tuple[int, ...]], ...]]:
    return Counter(tuple((held.size, tuple(held.chunks)) for held in cache.bins) for cache in heap.caches)


def heap_differs(live: HeapView, sim: HeapView) -> str:
    """What is not the same; "": nothing."""
    if live.torn:
        return f"torn: {live.torn[0]}"
    parts = {
        "arenas": (arenas(live), arenas(sim)),
        "tcaches": (caches(live), caches(sim)),
        "mapped chunks": ([chunk[:2] for chunk in live.mmapped], [chunk[:2] for chunk in sim.mmapped]),
        "thresholds": (live.thresholds, sim.thresholds),
    }
    return next(
        (f"{name} of the process and of the model differ" for name, (one, two) in parts.items() if one != two), ""
    )
