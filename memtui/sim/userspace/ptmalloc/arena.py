"""The main arena: its heap, and how free chunks grow together (glibc 2.36, malloc/malloc.c)."""

from collections.abc import Callable

from memtui.sim.userspace.ptmalloc.bins import Bins
from memtui.sim.userspace.ptmalloc.sizes import MIN_LARGE

Accessed = Callable[[int, int, bool], None]
"""Is told which bytes the allocator touches by itself: address, length, whether it writes."""


class Arena:
    """Chunks of one heap. A chunk is its address; `top` is the one at the end, in no bin."""

    def __init__(self, accessed: Accessed) -> None:
        self.bins = Bins()
        self.fastbins: dict[int, list[int]] = {}
        """Chunk size -> chunks, the head last."""
        self.have_fastchunks = False
        self.sizes: dict[int, int] = {}
        """Every chunk that is not top: in use, in a fastbin, in the tcache, or free in a bin."""
        self.free_ends: dict[int, int] = {}
        """First byte behind a free (binned) chunk -> the chunk."""
        self.top = 0
        self.top_size = 0
        self.last_remainder = 0
        self.contiguous = True
        self._accessed = accessed

    def written(self, address: int, length: int) -> None:
        """The allocator writes here."""
        if length > 0:
            self._accessed(address, length, True)

    def take_free(self, chunk: int) -> int:
        """A binned chunk leaves its bin; gives its size."""
        size = self.bins.unlink(chunk)
        del self.free_ends[chunk + size]
        return size

    def put_unsorted(self, chunk: int, size: int) -> None:
        """A chunk becomes free: to the front of the unsorted bin, with its foot written."""
        self.sizes[chunk] = size
        self.bins.push_unsorted(chunk, size)
        self.free_ends[chunk + size] = chunk
        # Its size, fd and bk; a large chunk's fd_nextsize and bk_nextsize; its size again at its end.
        self.written(chunk + 8, 24 if size < MIN_LARGE else 40)
        self.written(chunk + size, 8)

    def allocate(self, chunk: int, size: int) -> None:
        """A chunk is in use."""
        self.sizes[chunk] = size
        self.written(chunk + 8, 8)

    def set_top(self, chunk: int, size: int) -> None:
        """The end of the heap, with its header written."""
        self.top, self.top_size = chunk, size
        self.written(chunk + 8, 8)

    def coalesce(self, chunk: int, size: int) -> int:
        """Merge a chunk that is no longer in use with its free neighbours; gives the merged size.

        The result is in the unsorted bin, or part of top.
        """
        self.sizes.pop(chunk, None)
        end = chunk + size
        before = self.free_ends.get(chunk)
        if before is not None:
            size += self.take_free(before)
            self.sizes.pop(before)
            chunk = before
        if end == self.top:
            size += self.top_size
            self.set_top(chunk, size)
            return size
        if end in self.bins.where:
            size += self.take_free(end)
            self.sizes.pop(end)
        else:
            self.written(end + 8, 8)
        self.put_unsorted(chunk, size)
        return size

    def consolidate(self) -> None:
        """malloc_consolidate: every chunk of the fastbins grows together with its neighbours."""
        if not self.have_fastchunks:
            return
        self.have_fastchunks = False
        for size in sorted(self.fastbins):
            chunks = self.fastbins[size]
            while chunks:
                self.coalesce(chunks.pop(), size)
