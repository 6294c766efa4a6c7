"""The state of an arena, and how free chunks grow together (glibc 2.36, malloc/malloc.c: struct malloc_state)."""

from typing import Protocol

from memtui.sim.userspace.ptmalloc.bins import Bins
from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.sizes import HEADER, MALLOC_ALIGNMENT, MIN_LARGE, MINSIZE, SIZE_SZ, UNSORTED


class Source(Protocol):
    """Where an arena's memory comes from and goes to."""

    why: str

    @property
    def clean_from(self) -> int:
        """Memory of top from here on is zeroed, if anything of top is."""
        ...

    def grow(self, size: int) -> int | None:
        """Try to make top large enough for a chunk of `size` bytes.

        Returns:
            What is left of the old top where the new one does not continue it: a chunk that is to be freed, or 0.
            None: there is no memory here, but a mapping of its own may still do.
        """
        ...

    def give_back(self, pad: int) -> str:
        """Give the end of top back to the kernel if it is large, keeping `pad` bytes; what was done, or ""."""
        ...


class Arena:
    """Chunks of one or several heaps. A chunk is its address; `top` is the one at the end, in no bin.

    Args:
        memory: what it writes goes here.
        address: of the arena's own state; 0: the main arena's, which lies in libc's data.
    """

    heap: Source

    def __init__(self, memory: Memory, address: int = 0) -> None:
        self.address = address
        self.attached_threads = 0
        self.bins = Bins(memory)
        self.fastbins: dict[int, list[int]] = {}
        """Chunk size -> chunks, the head last."""
        self.in_fastbins: set[int] = set()
        self.have_fastchunks = False
        self.sizes: dict[int, int] = {}
        """Every chunk that is not top: in use, in a fastbin, in the tcache, or free in a bin."""
        self.free_ends: dict[int, int] = {}
        """First byte behind a free (binned) chunk -> the chunk."""
        self.fenceposts: dict[int, int] = {}
        """Chunks that are never given out, and their sizes: two at the end of each region but the last."""
        self.top = 0
        self.top_size = 0
        self.last_remainder = 0
        self.contiguous = True
        self.base = 0
        """The first address that the heap got (sbrk_base)."""
        self.system_mem = 0
        """Bytes that the kernel gave."""
        self.max_system_mem = 0
        self.memory = memory

    @property
    def name(self) -> str:
        """Its address for a thread's arena, else "main"."""
        return f"{self.address:#x}" if self.address else "main"

    def lock(self) -> None:
        """A thread takes its mutex, which is written for that."""
        if self.address:
            self.memory.write(self.address)

    @property
    def top_end(self) -> int:
        """First byte behind top."""
        return self.top + self.top_size

    def head(self, chunk: int, size: int) -> None:
        """A chunk is in use: its size field is written."""
        self.sizes[chunk] = size
        self.memory.write(chunk + SIZE_SZ)

    def mark_used(self, end: int) -> None:
        """The chunk that ends here is in use: so says a bit of the size field behind it."""
        self.memory.write(end + SIZE_SZ)

    def take_free(self, chunk: int) -> int:
        """A chunk leaves its bin; gives its size."""
        size = self.bins.unlink(chunk)
        del self.free_ends[chunk + size]
        return size

    def reuse(self, chunk: int) -> None:
        """A free chunk is in use again, whole."""
        self.mark_used(chunk + self.take_free(chunk))

    def only_last_remainder(self, chunk: int) -> bool:
        """Whether the chunk, the back of the unsorted bin, is alone there and was split off last."""
        return chunk == self.last_remainder and self.bins.bk[chunk] == UNSORTED

    def put_unsorted(self, chunk: int, size: int) -> None:
        """A chunk becomes free: to the front of the unsorted bin, with its size also at its end."""
        self.bins.put(UNSORTED, chunk, size)
        self._written_free(chunk, size)

    def put_small(self, chunk: int, size: int) -> None:
        """The same to the front of its small bin."""
        self.bins.file(chunk, size)
        self._written_free(chunk, size)

    def _written_free(self, chunk: int, size: int) -> None:
        self.sizes[chunk] = size
        self.free_ends[chunk + size] = chunk
        self.memory.write(chunk + SIZE_SZ)
        if size >= MIN_LARGE:
            self.memory.write(chunk + 32, 16)
        self.memory.write(chunk + size)

    def set_top(self, chunk: int, size: int) -> None:
        """The end of the heap, with its size field written."""
        self.top, self.top_size = chunk, size
        self.memory.write(chunk + SIZE_SZ)

    def cut_top(self, size: int) -> int:
        """A chunk from the low end of top."""
        chunk = self.top
        self.head(chunk, size)
        self.set_top(chunk + size, self.top_size - size)
        return chunk

    def fence(self, top: int, size: int) -> int:
        """Close a top that is left behind with two fenceposts; gives the size of what remains before them."""
        size = (size - 2 * HEADER) & -MALLOC_ALIGNMENT
        for post in (top + size, top + size + HEADER):
            self.fenceposts[post] = HEADER
            self.memory.write(post + SIZE_SZ)
        if size >= MINSIZE:
            self.head(top, size)
            return size
        return 0

    def put_fast(self, chunk: int, size: int) -> None:
        """A chunk becomes free, to the head of the fastbin of its size."""
        self.fastbins.setdefault(size, []).append(chunk)
        self.in_fastbins.add(chunk)
        self.have_fastchunks = True
        self.memory.write(chunk + HEADER)

    def take_fast(self, size: int) -> int:
        """The chunk that became free last, or 0."""
        chunks = self.fastbins.get(size)
        if not chunks:
            return 0
        chunk = chunks.pop()
        self.in_fastbins.discard(chunk)
        return chunk

    def coalesce(self, chunk: int, size: int, *, to_small: bool = False) -> int:
        """Merge a chunk that is no longer in use with its free neighbours; gives the merged size.

        The result is part of top, or in the unsorted bin, or in a small bin if it is small and may go there.
        """
        del self.sizes[chunk]
        end = chunk + size
        before = self.free_ends.get(chunk)
        if before is not None:
            size += self.take_free(before)
            del self.sizes[before]
            chunk = before
        if end == self.top:
            size += self.top_size
            self.set_top(chunk, size)
            return size
        if end in self.bins.where:
            size += self.take_free(end)
            del self.sizes[end]
        else:
            self.memory.write(end + SIZE_SZ)
        if to_small and size < MIN_LARGE:
            self.put_small(chunk, size)
        else:
            self.put_unsorted(chunk, size)
        return size

    def consolidate(self) -> None:
        """malloc_consolidate: every chunk of the fastbins grows together with its neighbours."""
        if not self.have_fastchunks:
            return
        self.have_fastchunks = False
        for size in sorted(self.fastbins):
            while chunk := self.take_fast(size):
                self.coalesce(chunk, size)
