"""Where pages live: residence, and runs of pages that share it."""

from enum import StrEnum
from typing import NamedTuple

from memtui.model.address import PAGE_SHIFT


class Residence(StrEnum):
    """Where an allocated page lives, and so what reclaim can do with it."""

    ABSENT = "absent"
    """Mapped, never touched (or dropped again): nothing to free."""
    ZERO = "zero"
    """Read before it was written: the shared zero page."""
    ANON = "anon"
    """Heap, bss, stack, a private file page after a write: leaves only to swap, or on unmap and exit."""
    PAGE_CACHE = "page_cache"
    """A file's page: dropped when clean, written back first when dirty."""
    SHMEM = "shmem"
    """tmpfs, shared anonymous, SysV, POSIX shm, memfd: leaves only to swap, or with its object."""
    SWAPPED = "swapped"
    """Out on swap."""
    GUARD = "guard"
    """A guard marker (MADV_GUARD_INSTALL): no memory, an access is SIGSEGV."""
    UNKNOWN = "unknown"
    """Present, but this kernel or these rights do not tell what it is."""


class PageRun(NamedTuple):
    """Neighbouring pages of one state. An attribute that was not measured is None."""

    start: int
    """Address of the first page, bytes."""
    pages: int
    residence: Residence
    dirty: bool | None = None
    shared: bool | None = None
    """Mapped by someone else too."""
    huge: bool | None = None
    """Mapped by a 2 MiB entry."""
    locked: bool | None = None
    active: bool | None = None
    """On the active LRU list."""
    referenced: bool | None = None

    @property
    def end(self) -> int:
        """The first byte behind the run."""
        return self.start + (self.pages << PAGE_SHIFT)


class Examined(NamedTuple):
    """Pages of one VMA that were looked at one by one (`request.Examine`)."""

    start: int
    """First byte of what was looked at; a large VMA is looked at around the cursor."""
    end: int
    runs: tuple[PageRun, ...]
    """Every page between them that is not absent, by ascending address, with its attributes."""
    why: str = ""
    """Why attributes are missing; "" if none is."""
