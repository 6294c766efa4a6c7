"""The cache of one thread in front of the bins (glibc 2.36, malloc/malloc.c: tcache_perthread_struct)."""

from collections.abc import Iterator
from typing import Final

from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.profile import TcacheLayout
from memtui.sim.userspace.ptmalloc.sizes import HEADER
from memtui.sim.userspace.ptmalloc.tunables import Parameters

_SMALL_LISTS: Final = 64
_FIRST_RANGE_BITS: Final = 11
"""Chunk sizes of so many bits are in the first of the lists of ranges."""


class Tcache:
    """64 lists of chunks of one size each, last in, first out; since 2.42 also lists of ranges, by ascending size."""

    def __init__(self, layout: TcacheLayout | None, memory: Memory, parameters: Parameters, held: set[int]) -> None:
        self.address = 0
        """Of the structure; 0: there is none yet, and nothing is cached."""
        self.shutting_down = layout is None
        """There will be none: the thread ends, or this glibc has none."""
        self.layout = layout or TcacheLayout(size=0)
        self._lists: dict[int, list[int]] = {}
        """Number of a list -> chunks, the next to be given last."""
        self._sizes: dict[int, list[int]] = {}
        """Number of a list of ranges -> sizes of its chunks."""
        self.held = held
        """Every chunk that some thread has cached."""
        self._memory = memory
        self._mp = parameters

    def start(self, address: int) -> None:
        """The structure lies here from now on, zeroed."""
        self.address = address
        self._memory.write(address, self.layout.size)

    def serves(self, size: int) -> bool:
        """Whether malloc and free look here for chunks of this size."""
        return size < self._mp.tcache_limit

    def has_room(self, size: int) -> bool:
        """Whether a chunk of this size out of a bin can be cached."""
        mp = self._mp
        if self.address == 0 or size > mp.tcache_largest:
            return False
        return len(self._lists.get((size >> 4) - 2, ())) < mp.tcache_count

    def accepts(self, size: int) -> bool:
        """Whether a chunk that the program frees can be cached."""
        mp = self._mp
        if self.address == 0 or size >= mp.tcache_limit:
            return False
        return len(self._lists.get(self._list_of(size), ())) < mp.tcache_count

    def put(self, chunk: int, size: int) -> None:
        """Cache a chunk: its first 16 bytes get the link and the key."""
        number = self._list_of(size)
        chunks = self._lists.get(number)
        if chunks is None:
            chunks = self._lists[number] = []
        if number >= _SMALL_LISTS:
            # Sizes are negative, so that they ascend as the list is read from its end.
            sizes = self._sizes.setdefault(number, [])
            at = len(sizes) - sum(1 for other in sizes if -other < size)
            chunks.insert(at, chunk)
            sizes.insert(at, -size)
        else:
            chunks.append(chunk)
        self.held.add(chunk)
        memory = self._memory
        memory.write(chunk + HEADER, 16)
        memory.write(self.address + 2 * number, 2)
        memory.write(self.address + self.layout.entries + 8 * number)

    def get(self, size: int) -> int:
        """The chunk of this size that was cached last, or 0; of a range the smallest that fits. Its key is cleared."""
        number = (size >> 4) - 2
        chunks = self._lists.get(number if number < _SMALL_LISTS else self._list_of(size))
        if not chunks:
            return 0
        if number < _SMALL_LISTS:
            return self._taken(number, chunks, len(chunks) - 1)
        number = self._list_of(size)
        fitting = [at for at, found in enumerate(self._sizes[number]) if -found >= size]
        if not fitting or (self.layout.ranges_fit_exactly and -self._sizes[number][fitting[-1]] != size):
            return 0
        return self._taken(number, chunks, fitting[-1])

    def get_aligned(self, size: int, alignment: int) -> int:
        """The chunk of just this size cached last whose user address is a multiple of `alignment`, or 0."""
        number = self._list_of(size)
        chunks = self._lists.get(number, [])
        for at in range(len(chunks) - 1, -1, -1):
            if number >= _SMALL_LISTS and -self._sizes[number][at] != size:
                continue
            if (chunks[at] + HEADER) % alignment == 0:
                return self._taken(number, chunks, at)
        return 0

    def __contains__(self, chunk: int) -> bool:
        return any(chunk in chunks for chunks in self._lists.values())

    def shut_down(self) -> Iterator[int]:
        """The chunks in the order in which the end of the thread frees them; the structure's own is the last."""
        self.shutting_down, address, self.address = True, self.address, 0
        for number, chunks in sorted(self._lists.items()):
            while chunks:
                chunk = chunks.pop()
                self.held.discard(chunk)
                self._memory.write(address + self.layout.entries + 8 * number)
                yield chunk
        if address:
            yield address - HEADER

    def bins(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Chunk size (of a range the smallest) and chunks, the next to be given first, of each list that has any."""
        for number, chunks in sorted(self._lists.items()):
            if chunks:
                size = (number + 2) << 4 if number < _SMALL_LISTS else -self._sizes[number][-1]
                yield size, tuple(reversed(chunks))

    def _list_of(self, size: int) -> int:
        number = (size >> 4) - 2
        return number if number < _SMALL_LISTS else _SMALL_LISTS + size.bit_length() - _FIRST_RANGE_BITS

    def _taken(self, number: int, chunks: list[int], at: int) -> int:
        chunk = chunks.pop(at)
        if number >= _SMALL_LISTS:
            del self._sizes[number][at]
        if at < len(chunks):
            self._memory.write(chunks[at] + HEADER)
        self.held.discard(chunk)
        self._memory.write(self.address + 2 * number, 2)
        self._memory.write(self.address + self.layout.entries + 8 * number)
        self._memory.write(chunk + HEADER + 8)
        return chunk
