"""malloc, free and their family for one thread, above the main arena (glibc 2.36, malloc/malloc.c)."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_up
from memtui.model.heap import HeapView
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.check import complaint, is_block
from memtui.sim.userspace.ptmalloc.chunks import Chunks
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.main_heap import MainHeap
from memtui.sim.userspace.ptmalloc.memory import Accessed, Memory
from memtui.sim.userspace.ptmalloc.mmapped import MappedChunks
from memtui.sim.userspace.ptmalloc.resize import int_memalign, int_realloc
from memtui.sim.userspace.ptmalloc.sizes import (
    HEADER,
    MALLOC_ALIGNMENT,
    MINSIZE,
    NBINS,
    PTRDIFF_MAX,
    SIZE_MAX,
    SIZE_SZ,
    UNSORTED,
    bin_index,
    request2size,
)
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.ptmalloc.tunables import DEFAULT, Parameters, Tunables
from memtui.sim.userspace.ptmalloc.view import view
from memtui.sim.userspace.syscalls import Syscalls

EINVAL: Final = 22
ENOMEM: Final = 12
_CHUNK_STRUCT: Final = 48
"""sizeof(struct malloc_chunk): what malloc_trim leaves at the start of a free chunk."""


def _unseen(_address: int, _length: int, _write: bool) -> None:
    """For those who do not care which pages are touched."""


class Ptmalloc:
    """The allocator of one single-threaded program.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which memory the allocator itself reads or writes (address, length, whether it writes),
            since that decides which pages become resident.
        tunables: glibc.malloc.* at the program's start.
    """

    def __init__(self, syscalls: Syscalls, accessed: Accessed = _unseen, tunables: Tunables = DEFAULT) -> None:
        self._mp = Parameters(tunables)
        self._memory = Memory(syscalls, accessed)
        self._arena = Arena(self._memory)
        self._mapped = MappedChunks(self._memory, self._mp)
        self._tcache = Tcache(self._memory, self._mp)
        self._heap = MainHeap(self._memory, self._arena, self._mp)
        self._chunks = Chunks(self._arena, self._heap, self._mapped, self._tcache, self._mp)
        self._initialized = False
        self._first = ""
        """Why the tcache lies where it does, in the call that made it."""

    @property
    def why(self) -> str:
        """The rule that decided the last call, in a sentence."""
        return f"{self._first}{self._chunks.why}"

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        self._initialize()
        if size > PTRDIFF_MAX:
            return self._nothing("the request is larger than PTRDIFF_MAX")
        self._make_tcache()
        chunk_size = request2size(size)
        cached = self._tcache.get(chunk_size)
        if cached:
            self._chunks.why = f"from the tcache bin of {chunk_size}-byte chunks: the one freed last"
        return self._user(cached or self._chunks.int_malloc(size))

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory. Never from the tcache (until 2.41); only memory that may be dirty is cleared."""
        total = count * size
        if total > PTRDIFF_MAX:
            return self._nothing("count times size overflows")
        self._initialize()
        self._make_tcache()
        arena = self._arena
        top, used = arena.top, arena.top_size
        chunk = self._chunks.int_malloc(total)
        if chunk in self._mapped:
            if self._mp.perturb_byte:
                self._memory.write(chunk + HEADER, total)
        elif chunk:
            clear = arena.sizes[chunk]
            if chunk == top and not self._mp.perturb_byte:
                # What top got from the kernel on the way is zeroed (MORECORE_CLEARS is 2 on Linux).
                clear = min(clear, used)
            self._memory.write(chunk + HEADER, clear - SIZE_SZ)
        return self._user(chunk)

    def realloc(self, pointer: int, size: int) -> int:
        """Another size for a block, moved if need be.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        self._initialize()
        if not pointer:
            return self.malloc(size)
        if not size:
            self.free(pointer)
            return 0
        chunk = self._block(pointer, "realloc")
        if chunk not in self._mapped:
            self._make_tcache()
        if size > PTRDIFF_MAX:
            return self._nothing("the request is larger than PTRDIFF_MAX")
        if chunk in self._mapped:
            return self._realloc_mapped(chunk, size)
        return self._user(int_realloc(self._chunks, chunk, request2size(size)))

    def free(self, pointer: int) -> None:
        """Give a block back.

        Raises:
            HeapCorruption: `pointer` is no block, or was freed before.
        """
        self._first = ""
        if not pointer:
            self._chunks.why = "free(NULL) does nothing"
            return
        chunk = self._block(pointer, "free")
        if chunk in self._mapped:
            self._mapped.free(chunk)
            self._chunks.why = self._mapped.why
        else:
            self._make_tcache()
            self._chunks.int_free(chunk, self._arena.sizes[chunk])
        self._memory.tell()

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`, which is rounded up to a power of two. Never creates the tcache."""
        self._initialize()
        if alignment <= MALLOC_ALIGNMENT:
            return self.malloc(size)
        if alignment > (SIZE_MAX >> 1) + 1:
            self._chunks.why = "EINVAL: no power of two is so large"
            return 0
        alignment = 1 << (max(alignment, MINSIZE) - 1).bit_length()
        return self._user(int_memalign(self._chunks, alignment, request2size(size)))

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """The same as memalign (until 2.37)."""
        return self.memalign(alignment, size)

    def posix_memalign(self, alignment: int, size: int) -> tuple[int, int]:
        """0 or an errno, and the address (0 if there is none)."""
        self._initialize()
        if not alignment or alignment % SIZE_SZ or alignment & (alignment - 1):
            self._chunks.why = "EINVAL: the alignment must be a power of two and a multiple of 8"
            return EINVAL, 0
        pointer = self.memalign(alignment, size)
        return (0, pointer) if pointer else (ENOMEM, 0)

    def valloc(self, size: int) -> int:
        """Memory that starts at a page."""
        return self.memalign(PAGE_SIZE, size)

    def pvalloc(self, size: int) -> int:
        """Whole pages. 2.36 masks with -(4096 - 1), so that an odd rest of one byte may stay."""
        self._initialize()
        if size > SIZE_MAX - (PAGE_SIZE - 1):
            return self._nothing("the size overflows")
        return self.memalign(PAGE_SIZE, (size + PAGE_SIZE - 1) & -(PAGE_SIZE - 1))

    def mallopt(self, option: int, value: int) -> int:
        """1 if the option was taken (or is unknown), else 0. Every call consolidates the fastbins."""
        self._initialize()
        self._arena.consolidate()
        self._memory.tell()
        name, taken = self._mp.mallopt(option, value)
        self._chunks.why = f"the fastbins are consolidated; {name} " + (f"= {value}" if taken else "refused")
        return int(taken)

    def malloc_trim(self, pad: int) -> int:
        """1 if memory went back to the kernel; `pad` bytes of top stay."""
        self._initialize()
        self._arena.consolidate()
        dropped = sum(
            self._discard(chunk)
            for index in (UNSORTED, *range(bin_index(PAGE_SIZE), NBINS))
            for chunk in self._arena.bins.from_back(index)
        )
        trimmed = self._heap.trim(pad)
        self._memory.tell()
        top = "the break moved to what top still needs" if trimmed else "top has no whole page to give"
        self._chunks.why = f"{dropped} bytes of whole pages inside free chunks were dropped by madvise; {top}"
        return int(bool(dropped) or trimmed)

    def malloc_usable_size(self, pointer: int) -> int:
        """How many bytes of the block may be used; 0 for NULL and for a chunk that is free in a bin.

        Raises:
            HeapCorruption: `pointer` is no chunk.
        """
        chunk = pointer - HEADER
        if not pointer or chunk in self._arena.bins.where:
            return 0
        if chunk in self._mapped:
            return self._mapped.chunks[chunk].size - HEADER
        if chunk not in self._arena.sizes:
            raise HeapCorruption("malloc_usable_size(): no block, which glibc does not notice")
        return self._arena.sizes[chunk] - SIZE_SZ

    def sbrk(self, increment: int) -> int:
        """Libc's sbrk, which the program may call too: the break before, or -1 (ENOMEM)."""
        before = self._heap.sbrk(increment)
        return -1 if before is None else before

    def brk_moved(self, brk: int) -> None:
        """The program called libc's brk(), and this is the break now: libc remembers it for the next sbrk."""
        self._heap.moved(brk)

    def heap_view(self) -> HeapView:
        """The arenas with every chunk and bin, as they are now. O(chunks)."""
        return view(self._chunks)

    # Inside

    def _initialize(self) -> None:
        self._first = ""
        if not self._initialized:
            self._initialized = True
            self._memory.getrandom(8)

    def _make_tcache(self) -> None:
        if not self._tcache.address:
            chunk = self._chunks.int_malloc(Tcache.SIZE)
            if chunk:
                self._tcache.start(chunk + HEADER)
                self._first = f"first the tcache itself: {self._chunks.why}; then: "

    def _nothing(self, why: str) -> int:
        self._chunks.why = f"ENOMEM: {why}"
        return 0

    def _user(self, chunk: int) -> int:
        """The end of a call that gives memory."""
        self._memory.tell()
        return chunk + HEADER if chunk else 0

    def _block(self, pointer: int, function: str) -> int:
        chunk = pointer - HEADER
        if not is_block(self._chunks, chunk):
            raise HeapCorruption(complaint(self._chunks, pointer, function))
        return chunk

    def _realloc_mapped(self, chunk: int, size: int) -> int:
        nb = request2size(size)
        moved = self._mapped.remap(chunk, nb)
        if moved:
            self._chunks.why = self._mapped.why
            return self._user(moved)
        old = self._mapped.chunks[chunk].size
        if old - SIZE_SZ >= nb:
            self._chunks.why = "mremap was refused, but the block is large enough"
            return self._user(chunk)
        new = self.malloc(size)
        if new:
            self._memory.copy(chunk + HEADER, new, old - HEADER)
            self._mapped.unmap(chunk)
        return new

    def _discard(self, chunk: int) -> int:
        """Drop the whole pages inside a free chunk, whose header and links stay; gives the bytes."""
        size = self._arena.sizes[chunk]
        first = page_up(chunk + _CHUNK_STRUCT)
        length = (chunk + size - first) & -PAGE_SIZE
        if size < PAGE_SIZE + _CHUNK_STRUCT or length <= 0:
            return 0
        self._memory.discard(first, length)
        return length
