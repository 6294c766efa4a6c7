"""Where glibc's allocator keeps what: malloc/malloc.c and malloc/arena.c of 2.26 to 2.44, x86-64, as data.

2.31, 2.36, 2.41 and 2.43 were held against a running libc; the others are read from the sources of their tags.
"""

import re
from typing import Final, NamedTuple

HEAP_MAX: Final = 64 << 20
"""A thread's heap lies at a multiple of this (HEAP_MAX_SIZE)."""
NBINS: Final = 128
PREV_INUSE: Final = 1
IS_MMAPPED: Final = 2
NON_MAIN_ARENA: Final = 4
FLAGS: Final = 7
NONCONTIGUOUS: Final = 2
"""Bit of malloc_state.flags."""
UNSORTED: Final = 1
FIRST_LARGE: Final = 64
TCACHE_BINS: Final = 64

Version = tuple[int, int]


class Layout(NamedTuple):
    """Offsets and sizes in bytes."""

    since: Version
    fastbins: int
    """malloc_state.fastbinsY; top, last_remainder and bins follow it."""
    heap_info: int
    """sizeof(heap_info), which a thread's heap begins with."""
    tcache_counts: int
    """Bytes of one count of the tcache."""
    tcache_slots: int
    """Lists of the tcache; the first 64 are those of the small sizes."""
    counts_down: bool
    """Whether a count tells the free places instead of the chunks."""
    safe_linking: bool
    """Whether the links of fastbins and tcache are stored xor their own address >> 12."""
    n_mmaps: int
    """malloc_par.n_mmaps, behind the fields of huge pages; n_mmaps_max, max_n_mmaps and no_dyn_threshold follow it."""
    fastbin_count: int = 10
    tcache_count: int = 7
    """Chunks that a list of the tcache holds at most, if no knob is turned."""

    @property
    def top(self) -> int:
        """malloc_state.top."""
        return self.fastbins + 8 * self.fastbin_count

    @property
    def last_remainder(self) -> int:
        """malloc_state.last_remainder."""
        return self.top + 8

    @property
    def bins(self) -> int:
        """malloc_state.bins: fd of bin 1, bk of bin 1, fd of bin 2, ..."""
        return self.top + 16

    @property
    def next(self) -> int:
        """malloc_state.next; next_free, attached_threads, system_mem and max_system_mem follow it."""
        return self.bins + 16 * (NBINS - 1) + 16

    @property
    def size(self) -> int:
        """sizeof(struct malloc_state)."""
        return self.next + 40

    @property
    def tcache_size(self) -> int:
        """sizeof(tcache_perthread_struct)."""
        return self.tcache_entries + 8 * self.tcache_slots

    @property
    def tcache_entries(self) -> int:
        """tcache_perthread_struct.entries."""
        return self.tcache_counts * self.tcache_slots

    @property
    def tcache_chunk(self) -> int:
        """Size of the chunk that the structure lies in."""
        return (self.tcache_size + 8 + 15) & ~15

    @property
    def mmapped_mem(self) -> int:
        """malloc_par.mmapped_mem; max_mmapped_mem follows it."""
        return (self.n_mmaps + 16 + 7) & ~7

    @property
    def sbrk_base(self) -> int:
        """malloc_par.sbrk_base; the tcache's tcache_bins, tcache_max_bytes and tcache_count follow it."""
        return self.mmapped_mem + 16

    def follow(self, stored: int, at: int) -> int:
        """The pointer that a link holds, which is stored at `at`."""
        return stored ^ (at >> 12) if self.safe_linking else stored


_2_26: Final = Layout((2, 26), 8, 32, 1, TCACHE_BINS, False, False, 40)
_2_27: Final = _2_26._replace(since=(2, 27), fastbins=16)
_2_30: Final = _2_27._replace(since=(2, 30), tcache_counts=2)
_2_32: Final = _2_30._replace(since=(2, 32), safe_linking=True)
_2_35: Final = _2_32._replace(since=(2, 35), heap_info=48, n_mmaps=60)
_2_42: Final = _2_35._replace(since=(2, 42), tcache_slots=76, counts_down=True)
_2_43: Final = _2_42._replace(since=(2, 43), fastbins=8, fastbin_count=0, n_mmaps=68, tcache_count=16)
LAYOUTS: Final = (_2_26, _2_27, _2_30, _2_32, _2_35, _2_42, _2_43)
BEHIND: Final[Version] = (2, 45)
"""From here on nothing is known."""

_VERSION: Final = re.compile(rb"GNU C Library \([^)]*\) (?:stable|development) release version (\d+)\.(\d+)")


def version_in(image: bytes) -> Version | None:
    """The version that a libc tells in its banner."""
    match = _VERSION.search(image)
    return None if match is None else (int(match[1]), int(match[2]))


def layout_of(version: Version) -> Layout | None:
    """The layout of a version; None: older than the tcache, or newer than what is known."""
    if version >= BEHIND:
        return None
    return next((layout for layout in reversed(LAYOUTS) if layout.since <= version), None)
