"""Chunk sizes and bin numbers (glibc 2.36, malloc/malloc.c). All sizes in bytes."""

from typing import Final

SIZE_SZ: Final = 8
MALLOC_ALIGNMENT: Final = 16
MINSIZE: Final = 32
HEADER: Final = 16
"""From a chunk to what malloc returns."""
PAGE: Final = 4096
MAX_FAST: Final = 128
"""Largest chunk size of the fastbins by default (global_max_fast)."""
MIN_LARGE: Final = 1024
FASTBIN_CONSOLIDATION_THRESHOLD: Final = 65536
PTRDIFF_MAX: Final = (1 << 63) - 1
HEAP_MMAP_THRESHOLD: Final = 128 << 10
HEAP_MMAP_THRESHOLD_MAX: Final = 32 << 20


def request2size(request: int) -> int:
    """The chunk size that serves a request."""
    return max(MINSIZE, (request + SIZE_SZ + MALLOC_ALIGNMENT - 1) & -MALLOC_ALIGNMENT)


def bin_index(size: int) -> int:
    """The bin that a chunk of this size is filed into: small bins 2..63, large bins 64..126."""
    if size < MIN_LARGE:
        return size >> 4
    for shift, most, base in ((6, 48, 48), (9, 20, 91), (12, 10, 110), (15, 4, 119), (18, 2, 124)):
        if size >> shift <= most:
            return base + (size >> shift)
    return 126


def page_up(size: int) -> int:
    """Rounded up to whole pages."""
    return (size + PAGE - 1) & -PAGE
