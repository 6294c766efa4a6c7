"""What is wrong with a pointer that is no block (glibc 2.36, malloc/malloc.c: the checks of _int_free and realloc).

glibc looks at the bytes around the pointer. Here the lists themselves are asked: where glibc would not notice, the
message says so, since whatever follows is undefined.
"""

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.arenas import Arenas
from memtui.sim.userspace.ptmalloc.chunks import Chunks
from memtui.sim.userspace.ptmalloc.sizes import HEADER, MALLOC_ALIGNMENT


def is_block(chunks: Chunks, arenas: Arenas, chunk: int) -> bool:
    """Whether a chunk is in use by the program."""
    if chunk + HEADER == chunks.tcache.address:
        return False
    if chunk in chunks.mapped:
        return True
    arena = arenas.of_chunk(chunk)
    if chunk not in arena.sizes:
        return False
    return chunk not in chunks.tcache.held and chunk not in arena.in_fastbins and chunk not in arena.bins.where


def complaint(chunks: Chunks, arenas: Arenas, pointer: int, function: str) -> str:
    """Why free or realloc ("free", "realloc") aborts at a pointer that is no block."""
    chunk = pointer - HEADER
    arena = arenas.of_chunk(chunk)
    if pointer % MALLOC_ALIGNMENT:
        return f"{function}(): invalid pointer"
    if function == "free" and chunk == arena.top:
        return "double free or corruption (top)"
    size = arena.sizes.get(chunk)
    if size is not None:
        noticed = _noticed(chunks, arena, chunk, size) if function == "free" else ""
        return noticed or f"{function}(): the block is free already, which glibc does not notice: anything may happen"
    if arena.top < chunk < arena.top_end or any(at < chunk < at + arena.sizes[at] for at in arena.bins.where):
        return f"{function}(): the block lies inside free memory: anything may happen"
    return f"{function}(): invalid pointer"


def _noticed(chunks: Chunks, arena: Arena, chunk: int, size: int) -> str:
    """What free says of a chunk that is free already; "": nothing."""
    if chunk in chunks.tcache:
        return "free(): double free detected in tcache 2"
    if chunks.tcache.has_room(size):
        return ""
    if size <= chunks.mp.max_fast:
        return "double free or corruption (fasttop)" if arena.fastbins.get(size, [0])[-1:] == [chunk] else ""
    return "double free or corruption (!prev)" if chunk in arena.bins.where else ""
