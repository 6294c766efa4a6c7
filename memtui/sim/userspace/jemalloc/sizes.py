"""Size classes (jemalloc 5.3.0, src/sc.c, include/jemalloc/internal/sz.h): four for each doubling."""

from bisect import bisect_left
from typing import Final, NamedTuple

PAGE: Final = 4096
QUANTUM: Final = 16
CACHELINE: Final = 64
HUGEPAGE: Final = 2 << 20
LARGE_PAD: Final = PAGE
"""Each large extent has a page more, so that its block can start anywhere in the first (cache_oblivious)."""
LARGE_MINCLASS: Final = 16 << 10
LARGE_MAXCLASS: Final = 7 << 60
OVERSIZE_THRESHOLD: Final = 8 << 20
"""Blocks of this size come from an arena of their own, which gives pages back at once; bytes."""
TCACHE_MAX: Final = 32 << 10
"""The largest class that threads cache (opt.tcache_max); bytes."""
_TCACHE_SLOTS_SMALL_MIN: Final = 20
_TCACHE_SLOTS_SMALL_MAX: Final = 200
_TCACHE_SLOTS_LARGE: Final = 20


def _size_classes() -> tuple[int, ...]:
    sizes = [8, 16, 32, 48, 64]
    base = 64
    while sizes[-1] < LARGE_MAXCLASS:
        sizes += [base + base // 4 * step for step in (1, 2, 3, 4)]
        base *= 2
    return tuple(size for size in sizes if size <= LARGE_MAXCLASS)


SIZES: Final = _size_classes()
PAGE_SIZES: Final = tuple(size for size in SIZES if size % PAGE == 0)
"""Those that are whole pages: lengths of extents, without the pad."""


class Bin(NamedTuple):
    """A small class: regions of one size in slabs."""

    number: int
    size: int
    """Bytes."""
    slab_size: int
    """Bytes: the least number of whole pages that the size divides."""
    regions: int
    """In one slab."""


def _bins() -> tuple[Bin, ...]:
    bins = []
    for number, size in enumerate(size for size in SIZES if size < LARGE_MINCLASS):
        length = PAGE
        while length % size:
            length += PAGE
        bins.append(Bin(number, size, length, length // size))
    return tuple(bins)


BINS: Final = _bins()
SMALL_MAXCLASS: Final = BINS[-1].size
_LOOKUP_MAX: Final = 4096
_LOOKUP: Final = tuple(bisect_left(SIZES, size) for size in range(0, _LOOKUP_MAX + 1, 8))


def size2index(size: int) -> int:
    """Number of the smallest class that holds `size` bytes; len(SIZES): none does."""
    return _LOOKUP[(size + 7) >> 3] if size <= _LOOKUP_MAX else bisect_left(SIZES, size)


def s2u(size: int) -> int:
    """The usable size of a request; more than LARGE_MAXCLASS: too large."""
    return SIZES[size2index(size)] if size <= LARGE_MAXCLASS else LARGE_MAXCLASS + PAGE


def sa2u(size: int, alignment: int) -> int:
    """The usable size of a request with an alignment (a power of two); 0: too large."""
    if size <= SMALL_MAXCLASS and alignment <= PAGE:
        usable = s2u((size + alignment - 1) & -alignment)
        if usable < LARGE_MINCLASS:
            return usable
    if alignment > LARGE_MAXCLASS:
        return 0
    usable = LARGE_MINCLASS if size <= LARGE_MINCLASS else s2u(size)
    if usable > LARGE_MAXCLASS or usable + LARGE_PAD + page_up(alignment) - PAGE >= 1 << 64:
        return 0
    return usable


def page_up(length: int) -> int:
    """Whole pages."""
    return (length + PAGE - 1) & -PAGE


def psz2ind(size: int) -> int:
    """Number of the smallest class of whole pages that holds `size` bytes."""
    return bisect_left(PAGE_SIZES, size)


def pind2sz(index: int) -> int:
    """The inverse; behind the last class a page more than the largest."""
    return PAGE_SIZES[index] if index < len(PAGE_SIZES) else LARGE_MAXCLASS + PAGE


def quantize_floor(size: int) -> int:
    """The largest extent size that can be asked for and is not larger than `size` (sz_psz_quantize_floor)."""
    index = psz2ind(size - LARGE_PAD + 1)
    return size if not index else pind2sz(index - 1) + LARGE_PAD


def quantize_ceil(size: int) -> int:
    """The smallest one that is not smaller (sz_psz_quantize_ceil)."""
    floor = quantize_floor(size)
    return pind2sz(psz2ind(floor - LARGE_PAD + 1)) + LARGE_PAD if floor < size else floor


def cache_slots(index: int) -> int:
    """How many blocks of a class a thread caches (tcache_ncached_max_compute)."""
    if index >= len(BINS):
        return _TCACHE_SLOTS_LARGE
    wanted = 2 * BINS[index].regions
    return min(max(wanted, _TCACHE_SLOTS_SMALL_MIN), _TCACHE_SLOTS_SMALL_MAX)


CACHED_CLASSES: Final = size2index(TCACHE_MAX) + 1
SLOTS: Final = tuple(cache_slots(index) for index in range(CACHED_CLASSES))
"""By class."""
