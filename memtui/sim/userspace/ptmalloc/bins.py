"""The lists of free chunks of an arena (glibc 2.36, malloc/malloc.c: struct malloc_state)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.sizes import FIRST_LARGE, MIN_LARGE, NBINS, UNSORTED, bin_index

_FD, _BK, _FD_NEXTSIZE, _BK_NEXTSIZE = 16, 24, 32, 40
"""Where a free chunk keeps its links, bytes from its start."""


class LargeBin:
    """Chunks by descending size; of equal ones the first stays first and a new one becomes second.

    glibc links the first chunks of all sizes in a ring of their own (fd_nextsize, bk_nextsize).
    """

    def __init__(self, memory: Memory) -> None:
        self.keys: list[int] = []
        """Negative sizes, ascending, beside `chunks`."""
        self.chunks: list[int] = []
        self._memory = memory

    def insert(self, chunk: int, size: int) -> None:
        """O(chunks of the bin)."""
        at = bisect_left(self.keys, -size)
        first = at == len(self.keys) or self.keys[at] != -size
        if not first:
            at += 1
        self.keys.insert(at, -size)
        self.chunks.insert(at, chunk)
        self._link(at)
        self._memory.write(chunk + _FD, 16)
        if first:
            self._link_sizes(at)
            self._memory.write(chunk + _FD_NEXTSIZE, 16)

    def remove(self, chunk: int, size: int) -> None:
        """Take one out wherever it stands."""
        at = self.chunks.index(chunk, bisect_left(self.keys, -size))
        if at == 0 or self.keys[at - 1] != -size:
            self._link_sizes(at)
            if at + 1 < len(self.keys) and self.keys[at + 1] == -size:
                self._memory.write(self.chunks[at + 1] + _FD_NEXTSIZE, 16)
        self._link(at)
        del self.keys[at]
        del self.chunks[at]

    def _link(self, at: int) -> None:
        """Its neighbours' links change."""
        if at:
            self._memory.write(self.chunks[at - 1] + _FD)
        if at + 1 < len(self.chunks):
            self._memory.write(self.chunks[at + 1] + _BK)

    def _link_sizes(self, at: int) -> None:
        """The links of the first chunks of the next larger and the next smaller size change, in a ring."""
        larger = self.chunks[bisect_left(self.keys, self.keys[at - 1])]
        after = bisect_right(self.keys, self.keys[at])
        smaller = self.chunks[after if after < len(self.chunks) else 0]
        self._memory.write(larger + _FD_NEXTSIZE)
        self._memory.write(smaller + _BK_NEXTSIZE)

    def best(self, size: int) -> int:
        """The smallest chunk that fits, the second of several equal ones; 0: none fits."""
        if not self.keys or -self.keys[0] < size:
            return 0
        # Keys ascend as sizes fall: the last key not above -size is the smallest fitting size.
        last = bisect_right(self.keys, -size) - 1
        first = bisect_left(self.keys, self.keys[last])
        return self.chunks[first + 1 if last > first else first]


class Bins:
    """Unsorted, small and large bins; which bin each free chunk is in."""

    def __init__(self, memory: Memory) -> None:
        self.fd = {index: index for index in range(UNSORTED, FIRST_LARGE)}
        self.bk = dict(self.fd)
        """The rings of the unsorted and the small bins: chunk -> chunk, or number of the bin, which is its head.
        They are filled at the front (fd of the head) and emptied from the back (bk of the head)."""
        self.large = {index: LargeBin(memory) for index in range(FIRST_LARGE, NBINS)}
        self.where: dict[int, tuple[int, int]] = {}
        """Free chunk -> its bin, its size."""
        self._filled = 0
        """Bit n: bin n has chunks (unsorted not counted)."""
        self._memory = memory

    def put(self, index: int, chunk: int, size: int) -> None:
        """To the front of the unsorted bin or of a small bin."""
        fd, bk = self.fd, self.bk
        front = fd[index]
        fd[chunk], bk[chunk] = front, index
        bk[front] = fd[index] = chunk
        self.where[chunk] = (index, size)
        self._memory.write(chunk + _FD, 16)
        if front >= NBINS:
            self._memory.write(front + _BK)

    def file(self, chunk: int, size: int) -> None:
        """Into the bin of its size."""
        index = bin_index(size)
        if size < MIN_LARGE:
            self.put(index, chunk, size)
        else:
            self.large[index].insert(chunk, size)
            self.where[chunk] = (index, size)
        self._filled |= 1 << index

    def unlink(self, chunk: int) -> int:
        """Take a chunk out of its bin; gives its size."""
        index, size = self.where.pop(chunk)
        if index >= FIRST_LARGE:
            self.large[index].remove(chunk, size)
            if not self.large[index].chunks:
                self._filled &= ~(1 << index)
            return size
        before, after = self.bk.pop(chunk), self.fd.pop(chunk)
        self.fd[before], self.bk[after] = after, before
        if before >= NBINS:
            self._memory.write(before + _FD)
        if after >= NBINS:
            self._memory.write(after + _BK)
        elif before == after:
            self._filled &= ~(1 << index)
        return size

    def back(self, index: int) -> int:
        """The chunk at the back of a bin, or 0."""
        if index >= FIRST_LARGE:
            chunks = self.large[index].chunks
            return chunks[-1] if chunks else 0
        chunk = self.bk[index]
        return chunk if chunk >= NBINS else 0

    def next_filled(self, index: int) -> int:
        """The first bin above `index` that has chunks, or 0."""
        above = self._filled >> (index + 1) << (index + 1)
        return (above & -above).bit_length() - 1 if above else 0

    def from_back(self, index: int) -> Iterator[int]:
        """The chunks of a bin, the back first."""
        if index >= FIRST_LARGE:
            yield from reversed(self.large[index].chunks)
            return
        chunk = self.bk[index]
        while chunk >= NBINS:
            yield chunk
            chunk = self.bk[chunk]
