"""malloc, free and their family above one arena (glibc 2.36, malloc/malloc.c), one thread."""

from typing import Final

from memtui.sim.userspace.ptmalloc.arena import Accessed
from memtui.sim.userspace.ptmalloc.chunks import Chunks
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.sizes import (
    HEADER,
    MALLOC_ALIGNMENT,
    MINSIZE,
    PAGE,
    PTRDIFF_MAX,
    SIZE_SZ,
    bin_index,
    page_up,
    request2size,
)
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.syscalls import Syscalls

MADV_DONTNEED: Final = 4
MALLOPT: Final = {-1: "trim_threshold", -2: "top_pad", -3: "mmap_threshold", -4: "mmap_max", 1: "mxfast"}


def _unseen(_address: int, _length: int, _write: bool) -> None:
    """For those who do not care which pages are touched."""


class Ptmalloc:
    """The allocator of one single-threaded program.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which bytes the allocator itself reads or writes (address, length, whether it writes),
            since that decides which pages become resident.
    """

    def __init__(self, syscalls: Syscalls, accessed: Accessed = _unseen) -> None:
        self._syscalls = syscalls
        self._chunks = Chunks(syscalls, accessed)
        self._initialized = False

    @property
    def why(self) -> str:
        """The rule that decided the last call, in a sentence."""
        return self._chunks.why

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        self._initialize()
        if size > PTRDIFF_MAX:
            return self._nothing("the request is larger than PTRDIFF_MAX")
        self._make_tcache()
        chunk_size = request2size(size)
        cached = self._chunks.tcache.pop(chunk_size)
        if cached:
            self._chunks.why = f"from the tcache bin of {chunk_size}-byte chunks: the one freed last"
            return cached
        return self._user(self._chunks.int_malloc(chunk_size))

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory. Never from the tcache (until 2.41); only memory that may be dirty is cleared."""
        self._initialize()
        total = count * size
        if total > PTRDIFF_MAX:
            return self._nothing("count times size overflows")
        self._make_tcache()
        top, top_size = self._chunks.arena.top, self._chunks.arena.top_size
        chunk = self._chunks.int_malloc(request2size(total))
        if not chunk:
            return 0
        if chunk not in self._chunks.core.mapped:
            clear = self._chunks.arena.sizes[chunk] - SIZE_SZ
            fresh = chunk == top and clear > top_size and self._chunks.arena.contiguous
            self._chunks.arena.written(chunk + HEADER, top_size if fresh else clear)
        return chunk + HEADER

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
        chunk = self._chunk(pointer, "realloc(): invalid pointer")
        if size > PTRDIFF_MAX:
            return self._nothing("the request is larger than PTRDIFF_MAX")
        if chunk in self._chunks.core.mapped:
            return self._realloc_mapped(chunk, size)
        self._make_tcache()
        return self._user(self._chunks.int_realloc(chunk, request2size(size)))

    def free(self, pointer: int) -> None:
        """Give a block back.

        Raises:
            HeapCorruption: `pointer` is no block, or was freed before.
        """
        if not pointer:
            self._chunks.why = "free(NULL) does nothing"
            return
        self._initialize()
        chunk = self._chunk(pointer, "free(): invalid pointer")
        if chunk in self._chunks.core.mapped:
            self._chunks.why = self._chunks.core.unmap(chunk)
            return
        self._make_tcache()
        self._chunks.int_free(chunk, self._chunks.arena.sizes[chunk])

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`, which is rounded up to a power of two. Never creates the tcache."""
        self._initialize()
        if alignment <= MALLOC_ALIGNMENT:
            return self.malloc(size)
        alignment = 1 << (max(alignment, MINSIZE) - 1).bit_length()
        if size > PTRDIFF_MAX - alignment:
            return self._nothing("the request is larger than PTRDIFF_MAX")
        return self._user(self._chunks.int_memalign(alignment, request2size(size)))

    def mallopt(self, option: int, value: int) -> int:
        """1 if the option was taken, else 0. Every call consolidates the fastbins."""
        self._initialize()
        self._chunks.arena.consolidate()
        name = MALLOPT.get(option)
        if name == "mxfast":
            if not 0 <= value <= 160:
                return 0
            self._chunks.max_fast = (value + SIZE_SZ) & -MALLOC_ALIGNMENT if value > 7 else 0
        elif name is not None:
            setattr(self._chunks.core, name, value & (2**64 - 1))
            self._chunks.core.dynamic = False
        self._chunks.why = f"{name or 'an option without effect on addresses'} = {value}"
        return 1

    def malloc_trim(self, pad: int) -> int:
        """1 if memory went back to the kernel."""
        self._initialize()
        self._chunks.arena.consolidate()
        released = False
        for index in (1, *range(bin_index(PAGE), 127)):
            for chunk in self._chunks.arena.bins.from_back(index):
                released |= self._discard(chunk)
        released |= self._chunks.core.trim(pad)
        self._chunks.why = "whole pages inside free chunks were dropped, and the end of the heap was given back"
        return int(released)

    def malloc_usable_size(self, pointer: int) -> int:
        """How many bytes of the block may be used."""
        if not pointer:
            return 0
        chunk = self._chunk(pointer, "free(): invalid pointer")
        mapped = self._chunks.core.mapped.get(chunk)
        return mapped.size - HEADER if mapped else self._chunks.arena.sizes[chunk] - SIZE_SZ

    # Inside

    def _initialize(self) -> None:
        if not self._initialized:
            self._initialized = True
            self._syscalls.getrandom(8)

    def _make_tcache(self) -> None:
        if not self._chunks.tcache.address:
            chunk = self._chunks.int_malloc(request2size(Tcache.SIZE))
            if chunk:
                self._chunks.tcache.start(chunk + HEADER)

    def _nothing(self, why: str) -> int:
        self._chunks.why = f"ENOMEM: {why}"
        return 0

    def _user(self, chunk: int) -> int:
        return chunk + HEADER if chunk else 0

    def _chunk(self, pointer: int, message: str) -> int:
        chunk = pointer - HEADER
        if pointer & 15 or (chunk not in self._chunks.arena.sizes and chunk not in self._chunks.core.mapped):
            raise HeapCorruption(message)
        if self._chunks.tcache.holds(pointer):
            raise HeapCorruption("free(): double free detected in tcache 2")
        if chunk in self._chunks.arena.bins.where:
            raise HeapCorruption("double free or corruption (!prev)")
        return chunk

    def _realloc_mapped(self, chunk: int, size: int) -> int:
        moved = self._chunks.core.remap(chunk, request2size(size))
        if moved:
            self._chunks.why = self._chunks.core.why
            return moved + HEADER
        old = self._chunks.core.mapped[chunk].size
        if old - SIZE_SZ >= request2size(size):
            return chunk + HEADER
        new = self.malloc(size)
        if new:
            self._chunks.copy(chunk, new - HEADER, old - HEADER)
            self._chunks.core.unmap(chunk)
        return new

    def _discard(self, chunk: int) -> bool:
        """Drop the whole pages inside a free chunk; its header and links stay."""
        size = self._chunks.arena.bins.where[chunk][1]
        first = page_up(chunk + 48)
        length = (size - (first - chunk)) & -PAGE
        if size <= 48 + PAGE - 1 or size - (first - chunk) <= PAGE - 1:
            return False
        self._syscalls.madvise(first, length, MADV_DONTNEED)
        return True
