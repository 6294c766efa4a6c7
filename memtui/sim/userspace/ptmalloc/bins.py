"""The lists of free chunks of an arena (glibc 2.36, malloc/malloc.c: struct malloc_state)."""

from bisect import bisect_left
from collections import OrderedDict
from operator import neg

from memtui.sim.userspace.ptmalloc.sizes import MIN_LARGE, bin_index

UNSORTED = 1
LARGE = 64


class LargeBin:
    """Chunks by descending size; of equal ones the first stays first and a new one becomes second."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        """Negative sizes, ascending, beside `chunks`."""
        self.chunks: list[int] = []

    def insert(self, chunk: int, size: int) -> None:
        """O(chunks of the bin)."""
        at = bisect_left(self.keys, neg(size))
        if at < len(self.keys) and self.keys[at] == -size:
            at += 1
        self.keys.insert(at, -size)
        self.chunks.insert(at, chunk)

    def remove(self, chunk: int, size: int) -> None:
        """Take one out wherever it stands."""
        at = self.chunks.index(chunk, bisect_left(self.keys, neg(size)))
        del self.keys[at]
        del self.chunks[at]

    def best(self, size: int) -> int | None:
        """The smallest chunk that fits, the second of several equal ones; None: none fits."""
        if not self.keys or -self.keys[0] < size:
            return None
        # Keys ascend as sizes fall: the last key not above -size is the smallest fitting size.
        last = bisect_left(self.keys, 1 - size) - 1
        first = bisect_left(self.keys, self.keys[last])
        return self.chunks[first + 1 if last > first else first]


class Bins:
    """Unsorted, small and large bins; which bin each free chunk is in."""

    def __init__(self) -> None:
        # A list is filled at its front and emptied from its back: here the front is the end.
        self.lists: dict[int, OrderedDict[int, None]] = {index: OrderedDict() for index in range(UNSORTED, LARGE)}
        self.large: dict[int, LargeBin] = {index: LargeBin() for index in range(LARGE, 127)}
        self.where: dict[int, tuple[int, int]] = {}
        """Free chunk -> its bin, its size."""
        self.filled = 0
        """Bit n: bin n has chunks (unsorted not counted)."""

    @property
    def unsorted(self) -> OrderedDict[int, None]:
        """Its back, the next to be looked at, comes first."""
        return self.lists[UNSORTED]

    def push_unsorted(self, chunk: int, size: int) -> None:
        """To the front of the unsorted bin."""
        self.lists[UNSORTED][chunk] = None
        self.where[chunk] = (UNSORTED, size)

    def file(self, chunk: int, size: int) -> None:
        """Into the bin of its size."""
        index = bin_index(size)
        if size < MIN_LARGE:
            self.lists[index][chunk] = None
        else:
            self.large[index].insert(chunk, size)
        self.where[chunk] = (index, size)
        self.filled |= 1 << index

    def unlink(self, chunk: int) -> int:
        """Take a chunk out of its bin; gives its size."""
        index, size = self.where.pop(chunk)
        if index < LARGE:
            chunks: OrderedDict[int, None] | list[int] = self.lists[index]
            del self.lists[index][chunk]
        else:
            self.large[index].remove(chunk, size)
            chunks = self.large[index].chunks
        if not chunks:
            self.filled &= ~(1 << index)
        return size

    def back(self, index: int) -> int | None:
        """The chunk at the back of a bin."""
        if index < LARGE:
            return next(iter(self.lists[index]), None)
        chunks = self.large[index].chunks
        return chunks[-1] if chunks else None

    def next_filled(self, index: int) -> int | None:
        """The first bin above `index` that has chunks."""
        above = self.filled >> (index + 1) << (index + 1)
        return (above & -above).bit_length() - 1 if above else None

    def from_back(self, index: int) -> list[int]:
        """The chunks of a bin, the back first."""
        return list(self.lists[index]) if index < LARGE else self.large[index].chunks[::-1]
