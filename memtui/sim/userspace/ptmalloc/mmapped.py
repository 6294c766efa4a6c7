"""Chunks with mappings of their own (glibc 2.36, malloc/malloc.c: sysmalloc_mmap, munmap_chunk, mremap_chunk)."""

from typing import NamedTuple

from memtui.model.address import page_up
from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import HEADER, SIZE_MAX, SIZE_SZ
from memtui.sim.userspace.ptmalloc.tunables import DEFAULT_MMAP_THRESHOLD_MAX, Parameters


class Mapped(NamedTuple):
    """A chunk with a mapping of its own; bytes."""

    lead: int
    """Between the mapping's start and the chunk (after memalign)."""
    size: int


class MappedChunks:
    """They belong to no arena, and are unmapped as soon as they are freed."""

    def __init__(self, memory: Memory, parameters: Parameters, profile: Profile) -> None:
        self.chunks: dict[int, Mapped] = {}
        self.why = ""
        self.memory = memory
        self._mp = parameters
        self._tail = profile.mapped_tail
        self._uncounted = self._tail - SIZE_SZ and HEADER
        """Bytes of the mapping that the chunk's size does not count."""

    def __contains__(self, chunk: int) -> bool:
        return chunk in self.chunks

    def wants(self, size: int) -> bool:
        """Whether a chunk is large enough for a mapping of its own, and there may be one more."""
        return size >= self._mp.mmap_threshold and len(self.chunks) < self._mp.n_mmaps_max

    def map(self, size: int) -> int:
        """A mapping for a chunk of `size` bytes; 0 if the kernel refused."""
        self.why = "ENOMEM: mmap was refused"
        length = page_up(size + self._tail) & SIZE_MAX
        if length <= size:
            return 0
        address = self.memory.mmap(length)
        if address < 0:
            return 0
        self.chunks[address] = Mapped(0, length - self._uncounted)
        self.memory.write(address, HEADER)
        reason = (
            f"{size} bytes reach mmap_threshold ({self._mp.mmap_threshold})"
            if size >= self._mp.mmap_threshold
            else "the arena has no memory"
        )
        self.why = f"no free chunk and no room in top; {reason}: mmap of {length} bytes, a mapping of its own"
        return address

    def usable(self, chunk: int) -> int:
        """Bytes of such a block."""
        return self.chunks[chunk].size - HEADER + (SIZE_SZ if self._uncounted else 0)

    def fits(self, chunk: int, request: int, size: int) -> bool:
        """Whether a block that cannot be remapped is large enough anyway."""
        return request <= self.usable(chunk) if self._uncounted else size <= self.chunks[chunk].size - SIZE_SZ

    def free(self, chunk: int) -> None:
        """The program frees such a chunk: the thresholds follow what the program uses, unless it has set one."""
        size = self.chunks[chunk].size
        mp = self._mp
        self.why = "it was mmapped, so it is unmapped at once"
        if not mp.no_dyn_threshold and mp.mmap_threshold < size | 2 <= DEFAULT_MMAP_THRESHOLD_MAX:
            mp.mmap_threshold, mp.trim_threshold = size, 2 * size
            self.why += f"; mmap_threshold rises to its size, {size}, and trim_threshold to twice that"
        self.unmap(chunk)

    def unmap(self, chunk: int) -> None:
        """Give the mapping back."""
        lead, size = self.chunks.pop(chunk)
        self.memory.munmap(chunk - lead, lead + size + self._uncounted)

    def remap(self, chunk: int, size: int) -> int:
        """Another length for a mapping, so that it serves a chunk of `size` bytes; 0 if the kernel refused."""
        lead, old = self.chunks[chunk]
        length = page_up(size + lead + self._tail) & SIZE_MAX
        total = lead + old + self._uncounted
        if length == total:
            self.why = "the mapping has just this many pages"
            return chunk
        address = self.memory.mremap(chunk - lead, total, length)
        if address < 0:
            return 0
        del self.chunks[chunk]
        self.chunks[address + lead] = Mapped(lead, length - lead - self._uncounted)
        self.memory.write(address + lead + SIZE_SZ)
        self.why = "it was mmapped, so mremap changes its length, moving page tables instead of bytes"
        return address + lead

    def moved(self, chunk: int, by: int) -> tuple[int, int] | None:
        """The mapping of a chunk lies `by` bytes higher from now on; start and length of that before, if it has one."""
        known = self.chunks.pop(chunk, None)
        if known is None:
            return None
        self.chunks[chunk + by] = known
        return chunk - known.lead, known.lead + known.size + self._uncounted

    def move_up(self, chunk: int, by: int) -> int:
        """Start the chunk further inside its mapping, for memalign."""
        lead, size = self.chunks.pop(chunk)
        self.chunks[chunk + by] = Mapped(lead + by, size - by)
        self.memory.write(chunk + by, HEADER)
        return chunk + by
