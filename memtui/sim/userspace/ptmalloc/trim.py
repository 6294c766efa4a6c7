"""Whole pages inside free chunks go back to the kernel (glibc 2.36, malloc/malloc.c: mtrim)."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_up
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.sizes import NBINS, UNSORTED, bin_index

_CHUNK_STRUCT: Final = 48
"""sizeof(struct malloc_chunk): what stays at the start of a free chunk."""


def trim_bins(arena: Arena) -> int:
    """Merge the fastbins' chunks, then drop the pages inside every large free chunk; gives the bytes."""
    arena.lock()
    arena.consolidate()
    return sum(
        _discard(arena, chunk)
        for index in (UNSORTED, *range(bin_index(PAGE_SIZE), NBINS))
        for chunk in arena.bins.from_back(index)
    )


def _discard(arena: Arena, chunk: int) -> int:
    """Drop the whole pages inside a free chunk, whose header and links stay; gives the bytes."""
    size = arena.sizes[chunk]
    first = page_up(chunk + _CHUNK_STRUCT)
    length = (chunk + size - first) & -PAGE_SIZE
    if size < PAGE_SIZE + _CHUNK_STRUCT or length <= 0:
        return 0
    arena.memory.discard(first, length)
    return length
