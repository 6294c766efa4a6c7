"""Chunk sizes and bin numbers (glibc 2.36, malloc/malloc.c). All sizes in bytes."""

from typing import Final

SIZE_SZ: Final = 8
MALLOC_ALIGNMENT: Final = 16
MINSIZE: Final = 32
HEADER: Final = 16
"""From a chunk to what malloc returns (CHUNK_HDR_SZ)."""
MAX_FAST_SIZE: Final = 160
"""Largest request that mxfast can be set to."""
MIN_LARGE: Final = 1024
UNSORTED: Final = 1
FIRST_LARGE: Final = 64
"""Number of the first large bin."""
NBINS: Final = 127
FASTBIN_CONSOLIDATION_THRESHOLD: Final = 65536
PTRDIFF_MAX: Final = (1 << 63) - 1
SIZE_MAX: Final = (1 << 64) - 1


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


def signed(word: int) -> int:
    """A 64-bit word as C's long has it: sums that pass 2**63 become negative."""
    return ((word + (1 << 63)) & SIZE_MAX) - (1 << 63)
