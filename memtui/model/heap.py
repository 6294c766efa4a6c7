"""An allocator's heap at one moment: arenas, chunks, bins. Sizes in bytes; a chunk's address is that of its header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from memtui.model.address import Range

HEADER: Final = 16
"""Bytes from one of glibc's chunks to what malloc returned for it."""


class ChunkState(StrEnum):
    """Who holds a chunk."""

    USED = "used"
    """The program."""
    TCACHE = "tcache"
    """The thread's cache: free, but still looks used to its neighbours."""
    FASTBIN = "fastbin"
    """A fastbin: the same."""
    FREE = "free"
    """The unsorted, a small or a large bin: merged with its free neighbours."""
    TOP = "top"
    """The free end of the heap, in no bin."""
    MMAPPED = "mmapped"
    """The program; with a mapping of its own, in no arena."""
    TCACHE_STRUCT = "tcache_struct"
    """The allocator itself: the lists of the tcache."""
    FENCEPOST = "fencepost"
    """The allocator itself: the end of a region that the heap has left."""
    TORN = "torn"
    """Not known: memory behind a broken link, up to where the chain can be followed again or top begins."""


class HeapChunk(NamedTuple):
    """One chunk."""

    address: int
    size: int
    """With its header."""
    state: ChunkState
    header: int = HEADER
    """Bytes from the chunk to what malloc returned for it; 0 for allocators that put nothing before a block."""

    @property
    def end(self) -> int:
        """The first byte behind the chunk."""
        return self.address + self.size

    @property
    def user(self) -> int:
        """What malloc returned for it."""
        return self.address + self.header


class BinKind(StrEnum):
    """The kinds of lists of free chunks."""

    TCACHE = "tcache"
    FAST = "fast"
    UNSORTED = "unsorted"
    SMALL = "small"
    LARGE = "large"


class HeapBin(NamedTuple):
    """One list of free chunks that is not empty."""

    kind: BinKind
    size: int
    """Chunk size; of a large bin the smallest in it, of the unsorted bin 0."""
    chunks: Sequence[int]
    """Addresses. The next to be given, or looked at, first; a large bin by ascending size."""
    number: int | None = None
    """The allocator's number of the bin; None for tcache and fastbins."""


class Thresholds(NamedTuple):
    """What decides between brk and mmap, and when memory goes back; bytes."""

    mmap_threshold: int
    trim_threshold: int
    top_pad: int
    dynamic: bool
    """Whether freeing a mapped chunk raises the first two."""


@dataclass(frozen=True, slots=True, eq=False)
class ArenaView:
    """One arena."""

    name: str
    """ "main", or the address of a thread's arena."""
    regions: tuple[Range, ...]
    """The memory that the chunks lie in, by ascending address."""
    chunks: Sequence[HeapChunk]
    """By ascending address; top and fenceposts too. Within a region each begins where the one before it ends."""
    bins: tuple[HeapBin, ...]
    """Fastbins, unsorted, small, large."""
    top: int
    top_size: int
    last_remainder: int | None
    """The free chunk that the next small request is split from if it is the only unsorted one; None: none."""
    system_mem: int
    """What the kernel gave for this arena."""
    max_system_mem: int
    contiguous: bool
    """Whether the heap still counts on the break to grow in one piece."""
    address: int = 0
    """Of the arena's own state (malloc_state); 0: not known."""


class ThreadCache(NamedTuple):
    """The tcache of one thread."""

    name: str
    """Of the thread: "main", "thread 4243"; "thread?" where it is not known whose it is."""
    address: int
    """Of its structure."""
    bins: tuple[HeapBin, ...]
    """By ascending chunk size."""
    found: str = ""
    """How it was found; "" if it is certain."""


class Owner(NamedTuple):
    """Who asked for a block."""

    step: int
    """Number of the step of the simulation."""
    requested: int
    """Bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class HeapView:
    """One process's heap."""

    allocator: str
    """ "ptmalloc (glibc 2.36)"."""
    arenas: tuple[ArenaView, ...]
    """The main arena first; none before the first allocation."""
    tcache: tuple[HeapBin, ...]
    """Of the first thread, by ascending chunk size."""
    mmapped: Sequence[HeapChunk]
    """By ascending address."""
    thresholds: Thresholds | None
    """None: not known."""
    caches: tuple[ThreadCache, ...] = ()
    """The tcaches of all threads, the first one's too, where they are told apart."""
    owners: Mapping[int, Owner] = field(default_factory=dict)
    """Address of a block (what malloc returned) -> who asked for it; only a simulation knows."""
    torn: tuple[str, ...] = ()
    """What did not agree with itself although it was read again; (): all of it is of one moment."""
    notes: tuple[str, ...] = ()
    """How sure it is: what was guessed, what could not be found."""
    progress: float | None = None
    """The share that has been read so far; None: all of it."""
