"""What differs between versions of glibc, each difference by its name (malloc/malloc.c, malloc/arena.c at each tag)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from memtui.sim.userspace.ptmalloc.sizes import PTRDIFF_MAX, SIZE_MAX


@dataclass(frozen=True, slots=True)
class TcacheLayout:
    """tcache_perthread_struct: counts, then the heads of the lists; and what the lists take."""

    size: int = 640
    """Bytes: 64 counts of two bytes, 64 pointers."""
    entries: int = 128
    """Bytes of the counts, which lie before the pointers."""
    count: int = 7
    """Chunks of a list (TCACHE_FILL_COUNT)."""
    largest: int = 0x410
    """Largest chunk size of the lists of one size each."""
    limit: int = 0x411
    """malloc and free look into the lists for chunk sizes below this."""
    lists_of_ranges: bool = False
    """Since 2.42: 12 more lists, each of a power of two, for those who raise glibc.malloc.tcache_max."""
    ranges_fit_exactly: bool = False
    """Since 2.43: such a list gives only chunks of just the size; before, the smallest that is large enough."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The allocator of one version; sizes in bytes."""

    version: str
    tcache: TcacheLayout | None = TcacheLayout()
    """None until 2.25: there is no tcache."""
    tcache_on_demand: bool = False
    """Since 2.42 only a request that the tcache could serve makes it, not every first call."""
    tcache_by_free: bool = False
    """Since 2.43 the first free that it could take makes the tcache, or a request that finds chunks to put there."""
    internal_frees_cached: bool = True
    """Until 2.41 what realloc, memalign and a new heap leave over may go into the tcache."""
    calloc_from_tcache: bool = False
    """Since 2.41."""
    memalign_from_tcache: bool = False
    """Since 2.38: memalign takes the first cached chunk that happens to be aligned."""
    memalign_merges: bool = False
    """Since 2.39: what lies before and behind an aligned block is merged at once, in no tcache and no fastbin."""
    memalign_keeps_small_tail: bool = False
    """Since 2.43: less than 32 bytes behind an aligned block stay with it, whatever follows."""
    fastbins: bool = True
    """Until 2.42."""
    free_to_small_bin: bool = False
    """Since 2.41: a chunk below 1024 bytes goes straight into its small bin, not by way of the unsorted bin."""
    realloc_keeps_padding: bool = False
    """Since 2.38: a block stays untouched if less than 16 bytes more than asked for can be used."""
    realloc_keeps_mapping: bool = False
    """2.38 to 2.42: a mapped one also if at most a page more can be used."""
    aligned_alloc_strict: bool = False
    """Since 2.38: aligned_alloc refuses what is no power of two."""
    single_thread_path: bool = True
    """Since 2.27: a program that never started a thread stays in the main arena even if that has no memory."""
    first_calloc_is_malloc: bool = False
    """Until 2.33: the first call goes by hooks that initialize; a calloc there clears the bytes of a malloc."""
    key_at_first_call: bool = True
    """2.34 to 2.41: the tcache's key is drawn by getrandom in the first call; from 2.42 on when libc starts."""
    request_max: int = PTRDIFF_MAX
    """Largest request that is tried (2**64 - 65 until 2.29)."""
    too_large_tries_arenas: bool = False
    """Until 2.25 and since 2.43 only an arena refuses what is too large, so that a thread may change arenas over it."""
    heap_info: int = 48
    """What lies at the start of a thread's heap (32 until 2.34)."""
    malloc_state: int = 2200
    """An arena's own state, which lies behind the first heap_info (2192 until 2.26, 2112 since 2.43)."""
    heap_noreserve: bool = True
    """Until 2.36: threads' heaps are MAP_NORESERVE."""
    fallback_swapped: bool = False
    """2.35 to 2.37: what is mapped when brk is refused is at least a page, in whole MiB, and not the reverse."""
    fallback_whole: bool = False
    """Since 2.43: that mapping is for the request and top_pad, whatever top has."""
    mmap_threshold_max: int = SIZE_MAX
    """Largest threshold that mallopt takes (32 MiB until 2.25)."""
    mapped_tail: int = 8
    """Bytes behind a mapped chunk (a whole header since 2.43, which its size does not count)."""


_2_36: Final = Profile("2.36", fallback_swapped=True)
_2_31: Final = Profile("2.31", heap_info=32, first_calloc_is_malloc=True, key_at_first_call=False)
_2_23: Final = replace(
    _2_31,
    version="2.23",
    tcache=None,
    malloc_state=2192,
    request_max=SIZE_MAX - 64,
    single_thread_path=False,
    too_large_tries_arenas=True,
    mmap_threshold_max=32 << 20,
)
_2_41: Final = Profile(
    "2.41",
    calloc_from_tcache=True,
    memalign_from_tcache=True,
    memalign_merges=True,
    free_to_small_bin=True,
    realloc_keeps_padding=True,
    realloc_keeps_mapping=True,
    aligned_alloc_strict=True,
    heap_noreserve=False,
)
_2_42: Final = replace(
    _2_41,
    version="2.42",
    tcache=TcacheLayout(size=760, entries=152, limit=1032, lists_of_ranges=True),
    tcache_on_demand=True,
    internal_frees_cached=False,
    key_at_first_call=False,
)
_2_43: Final = replace(
    _2_42,
    version="2.43",
    tcache=TcacheLayout(size=760, entries=152, count=16, lists_of_ranges=True, ranges_fit_exactly=True),
    tcache_on_demand=False,
    tcache_by_free=True,
    memalign_keeps_small_tail=True,
    fastbins=False,
    malloc_state=2112,
    realloc_keeps_mapping=False,
    fallback_whole=True,
    too_large_tries_arenas=True,
    mapped_tail=16,
)
GLIBC_2_36: Final = _2_36
"""Debian 12's, which every rule without a version is taken from."""

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {profile.version: profile for profile in (_2_23, _2_31, _2_36, _2_41, _2_42, _2_43)}
)
"""By version, the oldest first."""


def profile_of(version: str) -> Profile:
    """The profile of a version, or of the newest one before it that is known; the oldest one if there is none."""
    wanted = _numbers(version)
    known = [profile for profile in PROFILES.values() if _numbers(profile.version) <= wanted]
    return known[-1] if known else next(iter(PROFILES.values()))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
