"""Chunks that grow, shrink, or lie at an alignment (glibc 2.36, malloc/malloc.c: _int_realloc, _int_memalign)."""

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.chunks import TOO_LARGE, Chunks
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import HEADER, MINSIZE, SIZE_SZ, request2size


def int_realloc(chunks: Chunks, arena: Arena, chunk: int, size: int) -> int:
    """Another size for a chunk: in place, into top, into the free chunk behind it, or moved; 0: no memory."""
    old = arena.sizes[chunk]
    after = chunk + old
    if old >= size:
        return _split(chunks, arena, chunk, old, size, "the block is large enough")
    if after == arena.top and old + arena.top_size >= size + MINSIZE:
        rest = old + arena.top_size - size
        arena.head(chunk, size)
        arena.set_top(chunk + size, rest)
        chunks.why = "grown into top"
        return chunk
    if after in arena.bins.where and old + arena.sizes[after] >= size:
        grown = old + arena.take_free(after)
        del arena.sizes[after]
        return _split(chunks, arena, chunk, grown, size, "grown into the free chunk behind it")
    moved = chunks.int_malloc(arena, size - HEADER + 1)
    if not moved:
        return 0
    if moved == after:
        grown = old + arena.sizes.pop(moved)
        return _split(chunks, arena, chunk, grown, size, f"grown into what lies behind it: {chunks.why}")
    why = chunks.why
    arena.memory.copy(chunk + HEADER, moved + HEADER, old - SIZE_SZ)
    chunks.free_rest(arena, chunk, old)
    chunks.why = f"moved, {old - SIZE_SZ} bytes copied: {why}"
    return moved


def _split(chunks: Chunks, arena: Arena, chunk: int, size: int, wanted: int, why: str) -> int:
    """Keep `wanted` bytes of a chunk in use; free the rest if it is large enough to be a chunk."""
    rest = size - wanted
    arena.mark_used(chunk + size)
    if rest < MINSIZE:
        arena.head(chunk, size)
    else:
        arena.head(chunk, wanted)
        arena.head(chunk + wanted, rest)
        chunks.free_rest(arena, chunk + wanted, rest)
        why += f"; its last {rest} bytes are freed"
    chunks.why = why
    return chunk


def int_memalign(chunks: Chunks, arena: Arena | None, alignment: int, request: int) -> int:
    """A chunk for `request` bytes at a multiple of `alignment`; 0 when there is no memory."""
    profile = chunks.profile
    if request > profile.request_max:
        chunks.why = TOO_LARGE
        return 0
    size = request2size(request)
    chunk = chunks.int_malloc(arena, size + alignment + MINSIZE)
    if not chunk:
        return 0
    why = f"a chunk with room for the alignment of {alignment}: {chunks.why}"
    lead = -(chunk + HEADER) % alignment
    if chunk in chunks.mapped or arena is None:
        if 0 < lead < MINSIZE and not profile.memalign_keeps_small_tail:
            lead += alignment
        chunk = chunks.mapped.move_up(chunk, lead) if lead else chunk
        chunks.why = why
        return chunk
    if 0 < lead < MINSIZE:
        lead += alignment
    total = arena.sizes[chunk]
    if lead:
        arena.head(chunk + lead, total - lead)
        arena.mark_used(chunk + total)
        arena.head(chunk, lead)
        _give_up(chunks, arena, chunk, lead)
        chunk, total = chunk + lead, total - lead
        why += f"; its first {lead} bytes are freed"
    rest = total - size
    if _tail_goes(profile, arena, chunk + total, rest):
        arena.head(chunk + size, rest)
        arena.head(chunk, size)
        _give_up(chunks, arena, chunk + size, rest)
        why += f"; its last {rest} bytes are freed"
    chunks.why = why
    return chunk


def _give_up(chunks: Chunks, arena: Arena, chunk: int, size: int) -> None:
    if chunks.profile.memalign_merges:
        chunks.merge(arena, chunk, size)
    else:
        chunks.free_rest(arena, chunk, size)


def _tail_goes(profile: Profile, arena: Arena, end: int, rest: int) -> bool:
    """Whether `rest` bytes before `end`, behind an aligned block, are freed."""
    if not profile.memalign_merges:
        return rest > MINSIZE
    if rest >= MINSIZE or profile.memalign_keeps_small_tail:
        return rest >= MINSIZE
    return rest > 0 and (end == arena.top or end in arena.bins.where)
