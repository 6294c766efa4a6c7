"""The cache of one thread in front of the bins (glibc 2.36, malloc/malloc.c: tcache_perthread_struct)."""

from collections.abc import Iterator
from typing import Final

from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.sizes import HEADER
from memtui.sim.userspace.ptmalloc.tunables import Parameters

_ENTRIES: Final = 128
"""Bytes of the counts, which lie before the entries."""


class Tcache:
    """64 lists of chunks of one size each, last in, first out."""

    SIZE: Final = 640
    """Bytes of the structure: 64 counts of two bytes, 64 pointers."""

    def __init__(self, memory: Memory, parameters: Parameters, held: set[int]) -> None:
        self.address = 0
        """Of the structure; 0: there is none yet, and nothing is cached."""
        self.shutting_down = False
        """The thread ends: no chunk is cached any more."""
        self._bins: dict[int, list[int]] = {}
        """Chunk size -> chunks, the next to be given last."""
        self.held = held
        """Every chunk that some thread has cached."""
        self._memory = memory
        self._mp = parameters

    def start(self, address: int) -> None:
        """The structure lies here from now on, zeroed."""
        self.address = address
        self._memory.write(address, self.SIZE)

    def has_room(self, size: int) -> bool:
        """Whether a chunk of this size can be cached."""
        mp = self._mp
        return self.address != 0 and size <= mp.tcache_largest and len(self._bins.get(size, ())) < mp.tcache_count

    def put(self, chunk: int, size: int) -> None:
        """Cache a chunk: its first 16 bytes get the link and the key."""
        chunks = self._bins.get(size)
        if chunks is None:
            chunks = self._bins[size] = []
        chunks.append(chunk)
        self.held.add(chunk)
        self._memory.write(chunk + HEADER, 16)
        self._count(size)

    def get(self, size: int) -> int:
        """The chunk cached last, or 0; its key is cleared."""
        chunks = self._bins.get(size)
        if not chunks:
            return 0
        chunk = chunks.pop()
        self.held.discard(chunk)
        self._count(size)
        self._memory.write(chunk + HEADER + 8)
        return chunk

    def __contains__(self, chunk: int) -> bool:
        return any(chunk in chunks for chunks in self._bins.values())

    def shut_down(self) -> Iterator[int]:
        """The chunks in the order in which the end of the thread frees them; the structure's own is the last."""
        self.shutting_down, address, self.address = True, self.address, 0
        for _, chunks in sorted(self._bins.items()):
            while chunks:
                chunk = chunks.pop()
                self.held.discard(chunk)
                self._memory.write(address + _ENTRIES)
                yield chunk
        if address:
            yield address - HEADER

    def bins(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Chunk size and chunks of each list that is not empty, the next to be given first."""
        for size, chunks in sorted(self._bins.items()):
            if chunks:
                yield size, tuple(reversed(chunks))

    def _count(self, size: int) -> None:
        index = (size >> 4) - 2
        self._memory.write(self.address + 2 * index, 2)
        self._memory.write(self.address + _ENTRIES + 8 * index)
