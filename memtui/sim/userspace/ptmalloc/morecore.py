"""Where the arena's memory comes from and goes to: brk and mmap (glibc 2.36, malloc/malloc.c: sysmalloc, systrim)."""

from collections.abc import Callable
from typing import NamedTuple

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.sizes import (
    HEADER,
    HEAP_MMAP_THRESHOLD,
    HEAP_MMAP_THRESHOLD_MAX,
    MALLOC_ALIGNMENT,
    MINSIZE,
    PAGE,
    SIZE_SZ,
    page_up,
)
from memtui.sim.userspace.syscalls import Syscalls

_RW = 3
_PRIVATE_ANON = 0x22
_MAYMOVE = 1
_WORD = (1 << 64) - 1


class Mapped(NamedTuple):
    """A chunk with a mapping of its own."""

    lead: int
    """Bytes between the mapping's start and the chunk (after memalign)."""
    size: int


class Morecore:
    """sbrk, the mmapped chunks, and the thresholds between them."""

    def __init__(self, syscalls: Syscalls, arena: Arena, free_chunk: Callable[[int, int], None]) -> None:
        self.mmap_threshold = HEAP_MMAP_THRESHOLD
        self.trim_threshold = HEAP_MMAP_THRESHOLD
        self.top_pad = 128 << 10
        self.mmap_max = 65536
        self.dynamic = True
        """Whether a freed mapping raises the thresholds."""
        self.mapped: dict[int, Mapped] = {}
        self.why = ""
        self._syscalls = syscalls
        self._arena = arena
        self._free_chunk = free_chunk
        self._break = 0
        """The break as libc's sbrk remembers it; 0 before the first brk."""

    def sbrk(self, increment: int) -> int | None:
        """The break before it moved, or None if the kernel refused."""
        if not self._break:
            self._break = self._syscalls.brk(0)
        before = self._break
        if increment:
            self._break = self._syscalls.brk(before + increment)
            if self._break != before + increment:
                return None
        return before

    def map(self, size: int) -> int:
        """A mapping of its own for a large chunk; 0 if it is not large enough, or the kernel refused."""
        if size < self.mmap_threshold or len(self.mapped) >= self.mmap_max:
            return 0
        length = page_up(size + SIZE_SZ)
        address = self._syscalls.mmap(0, length, _RW, _PRIVATE_ANON)
        if address < 0:
            return 0
        self.mapped[address] = Mapped(0, length)
        self._arena.written(address, HEADER)
        self.why = (
            f"{size} bytes reach mmap_threshold ({self.mmap_threshold}) and top has no room: a mapping of its own, "
            f"{length} bytes"
        )
        return address

    def unmap(self, chunk: int) -> str:
        """Free a chunk with a mapping of its own; says what happened."""
        lead, size = self.mapped.pop(chunk)
        why = "it was mmapped, so it is unmapped at once"
        if self.dynamic and self.mmap_threshold < size | 2 <= HEAP_MMAP_THRESHOLD_MAX:
            self.mmap_threshold, self.trim_threshold = size, 2 * size
            why += f"; mmap_threshold rises to its size, {size}, and trim_threshold to twice that"
        self._syscalls.munmap(chunk - lead, size + lead)
        return why

    def remap(self, chunk: int, size: int) -> int:
        """Another length for a mapping; 0 if the kernel refused."""
        lead, old = self.mapped[chunk]
        length = page_up(size + lead + SIZE_SZ)
        if length == lead + old:
            self.why = "the mapping has just this many pages"
            return chunk
        address = self._syscalls.mremap(chunk - lead, lead + old, length, _MAYMOVE)
        if address < 0:
            return 0
        del self.mapped[chunk]
        self.mapped[address + lead] = Mapped(lead, length - lead)
        self._arena.written(address + lead + 8, 8)
        self.why = "it was mmapped, so mremap changes its length, moving page tables instead of bytes"
        return address + lead

    def move_up(self, chunk: int, by: int) -> int:
        """Start the chunk further inside its mapping, for memalign."""
        lead, size = self.mapped.pop(chunk)
        self.mapped[chunk + by] = Mapped(lead + by, size - by)
        self._arena.written(chunk + by, HEADER)
        return chunk + by

    def grow(self, size: int) -> bool:
        """Make top large enough for a chunk of `size` bytes."""
        arena = self._arena
        wanted = size + self.top_pad + MINSIZE
        if arena.contiguous:
            wanted -= arena.top_size
        wanted = page_up(wanted)
        before = self.sbrk(wanted) if wanted > 0 else None
        if before is None:
            return self._grow_by_mmap(size, wanted)
        if arena.top and before == arena.top + arena.top_size:
            arena.set_top(arena.top, arena.top_size + wanted)
            self.why = f"top was too small: brk moves the heap's end up by {wanted} bytes"
        else:
            self._new_region(before, wanted)
            self.why = (
                f"the heap begins: brk gives {wanted} bytes, the request with {self.top_pad} of top_pad, in whole pages"
            )
        return arena.top_size >= size + MINSIZE

    def _new_region(self, start: int, length: int) -> None:
        """The first memory of the heap, or memory behind a break that somebody else moved."""
        arena = self._arena
        old, old_size = arena.top, arena.top_size
        correction = -start % MALLOC_ALIGNMENT
        if old:
            correction += old_size
        end = start + length + correction
        correction += page_up(end) - end
        aligned = start + (-start % MALLOC_ALIGNMENT)
        if correction and self.sbrk(correction) is None:
            correction = 0
        arena.set_top(aligned, start + length + correction - aligned)
        if old:
            self._retire(old, old_size)

    def _retire(self, top: int, size: int) -> None:
        """The old top ends in two fenceposts, and what is left of it is freed."""
        arena = self._arena
        size = (size - 2 * HEADER) & -MALLOC_ALIGNMENT
        for post in (top + size, top + size + HEADER):
            arena.written(post + 8, 8)
        if size >= MINSIZE:
            arena.sizes[top] = size
            self._free_chunk(top, size)

    def _grow_by_mmap(self, size: int, wanted: int) -> bool:
        """Brk failed: a mapping of at least a page becomes the heap (2.35 to 2.37 swapped the two minima)."""
        arena = self._arena
        length = wanted + arena.top_size if arena.contiguous else wanted
        length = max(length + (-length % (1 << 20)), PAGE)
        if size & _WORD >= length:
            return False
        address = self._syscalls.mmap(0, length, _RW, _PRIVATE_ANON)
        if address < 0:
            return False
        old, old_size = arena.top, arena.top_size
        arena.contiguous = False
        arena.set_top(address, length)
        if old:
            self._retire(old, old_size)
        self.why = f"brk was refused: a mapping of {length} bytes becomes the heap's end"
        return arena.top_size >= size + MINSIZE

    def trim(self, pad: int) -> bool:
        """systrim: give whole pages at the end of the heap back, keeping `pad` bytes."""
        arena = self._arena
        area = (arena.top_size - MINSIZE - 1) & _WORD
        if area <= pad:
            return False
        extra = ((area - pad) & _WORD) & -PAGE
        if extra >= 1 << 63:
            extra -= 1 << 64
        if not extra or self.sbrk(0) != arena.top + arena.top_size:
            return False
        self.sbrk(-extra)
        now = self._break
        released = arena.top + arena.top_size - now
        if not released:
            return False
        arena.set_top(arena.top, arena.top_size - released)
        return True
