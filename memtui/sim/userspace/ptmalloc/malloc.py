"""malloc, free and their family (glibc 2.36, malloc/malloc.c)."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_up
from memtui.model.heap import HeapView
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.arenas import Arenas
from memtui.sim.userspace.ptmalloc.check import complaint, is_block
from memtui.sim.userspace.ptmalloc.chunks import TOO_LARGE, Chunks
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.heaps import Heaps
from memtui.sim.userspace.ptmalloc.main_heap import MainHeap
from memtui.sim.userspace.ptmalloc.memory import Accessed, Memory
from memtui.sim.userspace.ptmalloc.mmapped import MappedChunks
from memtui.sim.userspace.ptmalloc.profile import GLIBC_2_36, Profile
from memtui.sim.userspace.ptmalloc.resize import int_memalign, int_realloc
from memtui.sim.userspace.ptmalloc.sizes import (
    HEADER,
    MALLOC_ALIGNMENT,
    MINSIZE,
    PTRDIFF_MAX,
    SIZE_MAX,
    SIZE_SZ,
    request2size,
)
from memtui.sim.userspace.ptmalloc.threads import Threads
from memtui.sim.userspace.ptmalloc.trim import trim_bins
from memtui.sim.userspace.ptmalloc.tunables import DEFAULT, Parameters, Tunables
from memtui.sim.userspace.ptmalloc.view import view
from memtui.sim.userspace.syscalls import Syscalls

EINVAL: Final = 22
ENOMEM: Final = 12


def _unseen(_address: int, _length: int, _write: bool) -> None:
    """For those who do not care which pages are touched."""


class Ptmalloc:
    """The allocator of one program.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which memory the allocator itself reads or writes (address, length, whether it writes),
            since that decides which pages become resident.
        tunables: glibc.malloc.* at the program's start.
        profile: the version of glibc.
        cpus: online, which limit the arenas to 8 for each.
        tid: of the first thread.
    """

    def __init__(
        self,
        syscalls: Syscalls,
        accessed: Accessed = _unseen,
        tunables: Tunables = DEFAULT,
        profile: Profile = GLIBC_2_36,
        cpus: int = 2,
        tid: int = 0,
    ) -> None:
        self._profile = profile
        self._mp = Parameters(tunables, profile)
        self._memory = Memory(syscalls, accessed)
        self._mapped = MappedChunks(self._memory, self._mp, profile)
        main = Arena(self._memory)
        self._heap = main.heap = MainHeap(self._memory, main, self._mp, profile)
        self._arenas = Arenas(main, Heaps(self._memory, self._mp, profile), cpus)
        self._chunks = Chunks(self._mapped, self._mp, profile)
        self._threads = Threads(tid, self._arenas, self._chunks, self._memory, profile)

    @property
    def why(self) -> str:
        """The rule that decided the last call, in a sentence."""
        return self._threads.why

    # Threads

    def run_as(self, tid: int) -> None:
        """The next calls are made by this thread, which is new if it is not known."""
        self._threads.run_as(tid)

    def thread_start(self, tid: int) -> None:
        """The program started a thread: from now on locks are taken, and each thread gets an arena."""
        self._threads.start(tid)

    def thread_exit(self, tid: int) -> None:
        """The thread returned: what it cached is freed, and its arena can be taken over if it was its alone."""
        self._threads.exit(tid, self._release)

    def forked(self, tid: int) -> None:
        """This is the copy in a child that thread `tid` forked: the other threads' arenas can be taken over.

        What the others cached is lost.
        """
        self._threads.forked(tid)

    # The malloc family

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        self._threads.initialize()
        if size > PTRDIFF_MAX and not self._profile.too_large_tries_arenas:
            return self._nothing(TOO_LARGE)
        cached = self._threads.cached(request2size(size))
        return self._user(cached or self._threads.serve(size, size, lambda arena: self._chunks.int_malloc(arena, size)))

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory; only what may be dirty is cleared. Until 2.40 never from the tcache."""
        total, profile = count * size, self._profile
        if total > (SIZE_MAX if profile.too_large_tries_arenas else PTRDIFF_MAX):
            return self._nothing("ENOMEM: count times size overflows")
        first = self._threads.initialize()
        if first and profile.first_calloc_is_malloc:
            pointer = self.malloc(total)
            self._memory.write(pointer, total if pointer else 0)
            return pointer
        chunk_size = request2size(total)
        if not profile.calloc_from_tcache:
            self._threads.make_tcache(chunk_size)
        elif chunk := self._threads.cached(chunk_size):
            self._clear(chunk, total, 0, 0)
            return self._user(chunk)
        tops: list[tuple[int, int]] = []

        def take(arena: Arena | None) -> int:
            # Only the first arena's top is looked at: what another one gives instead is cleared whole.
            tops.append((arena.top, arena.heap.clean_from - arena.top) if arena is not None else (0, 0))
            return self._chunks.int_malloc(arena, total)

        chunk = self._threads.serve(total, total, take)
        if chunk:
            self._clear(chunk, total, *tops[0])
        return self._user(chunk)

    def realloc(self, pointer: int, size: int) -> int:
        """Another size for a block, moved if need be.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        self._threads.initialize()
        if not pointer:
            return self.malloc(size)
        if not size:
            self.free(pointer)
            return 0
        chunk = self._block(pointer, "realloc")
        if self._keeps(chunk, size):
            self._chunks.why = "the block stays as it is: it has just a little more than asked for"
            return pointer
        if chunk not in self._mapped and not self._profile.tcache_on_demand:
            self._threads.make_tcache(MINSIZE)
        if size > self._profile.request_max:
            return self._nothing(TOO_LARGE)
        if chunk in self._mapped:
            return self._realloc_mapped(chunk, size)
        arena = self._arenas.of_chunk(chunk)
        arena.lock()
        moved = int_realloc(self._chunks, arena, chunk, request2size(size))
        return self._user(moved if moved or self._threads.single else self._move(arena, chunk, size))

    def free(self, pointer: int) -> None:
        """Give a block back.

        Raises:
            HeapCorruption: `pointer` is no block, or was freed before.
        """
        self._threads.begin()
        if not pointer:
            self._chunks.why = "free(NULL) does nothing"
            return
        chunk = self._block(pointer, "free")
        if chunk not in self._mapped:
            self._threads.make_tcache(self._arenas.of_chunk(chunk).sizes[chunk], freeing=True)
        self._release(chunk)
        self._memory.tell()

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`, which is rounded up to a power of two."""
        self._threads.initialize()
        if alignment <= MALLOC_ALIGNMENT:
            return self.malloc(size)
        if alignment > (SIZE_MAX >> 1) + 1:
            self._chunks.why = "EINVAL: no power of two is so large"
            return 0
        alignment = 1 << (max(alignment, MINSIZE) - 1).bit_length()
        profile = self._profile
        if profile.memalign_from_tcache:
            if size > PTRDIFF_MAX and not profile.too_large_tries_arenas:
                return self._nothing(TOO_LARGE)
            if chunk := self._threads.cached_aligned(request2size(size), alignment):
                return self._user(chunk)
        elif size > SIZE_MAX - alignment - MINSIZE and profile.tcache is None:
            return self._nothing("ENOMEM: the size and the alignment overflow")
        room = size + alignment + MINSIZE
        return self._user(
            self._threads.serve(room, size, lambda arena: int_memalign(self._chunks, arena, alignment, size))
        )

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """The same as memalign, but that since 2.38 it takes only powers of two."""
        if self._profile.aligned_alloc_strict and (not alignment or alignment & (alignment - 1)):
            self._threads.initialize()
            self._chunks.why = "EINVAL: the alignment must be a power of two"
            return 0
        return self.memalign(alignment, size)

    def posix_memalign(self, alignment: int, size: int) -> tuple[int, int]:
        """0 or an errno, and the address (0 if there is none)."""
        self._threads.initialize()
        if not alignment or alignment % SIZE_SZ or alignment & (alignment - 1):
            self._chunks.why = "EINVAL: the alignment must be a power of two and a multiple of 8"
            return EINVAL, 0
        pointer = self.memalign(alignment, size)
        return (0, pointer) if pointer else (ENOMEM, 0)

    def valloc(self, size: int) -> int:
        """Memory that starts at a page."""
        return self.memalign(PAGE_SIZE, size)

    def pvalloc(self, size: int) -> int:
        """Whole pages."""
        self._threads.initialize()
        old = self._profile.tcache is None
        if size > SIZE_MAX - (2 * PAGE_SIZE + MINSIZE if old else PAGE_SIZE - 1):
            return self._nothing("ENOMEM: the size overflows")
        return self.memalign(PAGE_SIZE, page_up(size))

    def mallopt(self, option: int, value: int) -> int:
        """1 if the option was taken (or is unknown), else 0. Every call consolidates the fastbins."""
        self._threads.initialize()
        self._arenas.main.consolidate()
        self._memory.tell()
        name, taken = self._mp.mallopt(option, value)
        self._chunks.why = f"the fastbins are consolidated; {name} " + (f"= {value}" if taken else "refused")
        return int(taken)

    def malloc_trim(self, pad: int) -> int:
        """1 if memory went back to the kernel; `pad` bytes of top stay."""
        self._threads.initialize()
        dropped, trimmed = 0, False
        for arena in self._arenas.ring:
            dropped += trim_bins(arena)
            trimmed |= arena is self._arenas.main and self._heap.trim(pad)
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
        if not pointer:
            return 0
        if chunk in self._mapped:
            return self._mapped.usable(chunk)
        arena = self._arenas.of_chunk(chunk)
        if chunk in arena.bins.where:
            return 0
        if chunk not in arena.sizes:
            raise HeapCorruption("malloc_usable_size(): no block, which glibc does not notice")
        return arena.sizes[chunk] - SIZE_SZ

    def sbrk(self, increment: int) -> int:
        """Libc's sbrk, which the program may call too: the break before, or -1 (ENOMEM)."""
        before = self._heap.sbrk(increment)
        return -1 if before is None else before

    def brk_moved(self, brk: int) -> None:
        """The program called libc's brk(), and this is the break now: libc remembers it for the next sbrk."""
        self._heap.moved(brk)

    def moved(self, pointer: int, by: int) -> tuple[int, int] | None:
        """A block with a mapping of its own lies `by` bytes higher from now on; start and length of that before."""
        return self._mapped.moved(pointer - HEADER, by)

    def heap_view(self) -> HeapView:
        """The arenas with every chunk and bin, as they are now. O(chunks)."""
        return view(self._profile, self._arenas, self._mapped, self._threads.known, self._mp)

    # Inside

    def _clear(self, chunk: int, total: int, top: int, used: int) -> None:
        """Zero a chunk; of what was cut from `top` only its first `used` bytes (MORECORE_CLEARS is 2 on Linux)."""
        if chunk in self._mapped:
            if self._mp.perturb_byte:
                self._memory.write(chunk + HEADER, total)
            return
        size = self._arenas.of_chunk(chunk).sizes[chunk]
        if chunk == top and not self._mp.perturb_byte:
            size = min(size, used)
        self._memory.write(chunk + HEADER, size - SIZE_SZ)

    def _nothing(self, why: str) -> int:
        self._chunks.why = why
        return 0

    def _user(self, chunk: int) -> int:
        """The end of a call that gives memory."""
        self._memory.tell()
        return chunk + HEADER if chunk else 0

    def _release(self, chunk: int) -> None:
        if chunk in self._mapped:
            self._mapped.free(chunk)
            self._chunks.why = self._mapped.why
        else:
            arena = self._arenas.of_chunk(chunk)
            self._chunks.int_free(arena, chunk, arena.sizes[chunk])

    def _keeps(self, chunk: int, size: int) -> bool:
        """Whether realloc leaves a block alone, since what can be used of it is hardly more than asked for."""
        if not self._profile.realloc_keeps_padding:
            return False
        spare = self.malloc_usable_size(chunk + HEADER) - size
        page = PAGE_SIZE + 1 if self._profile.realloc_keeps_mapping and chunk in self._mapped else 0
        return 0 <= spare < max(HEADER, page)

    def _block(self, pointer: int, function: str) -> int:
        chunk = pointer - HEADER
        if not is_block(self._chunks, self._arenas, chunk):
            raise HeapCorruption(complaint(self._chunks, self._arenas, pointer, function))
        return chunk

    def _move(self, arena: Arena, chunk: int, size: int) -> int:
        """The block's arena has no memory: try the others by malloc."""
        new = self.malloc(size)
        if not new:
            return 0
        old = arena.sizes[chunk]
        why = self.why
        self._memory.copy(chunk + HEADER, new, old - SIZE_SZ)
        self._chunks.free_rest(arena, chunk, old)
        self._threads.begin()
        self._chunks.why = f"its arena had no memory, so it moved, {old - SIZE_SZ} bytes copied: {why}"
        return new - HEADER

    def _realloc_mapped(self, chunk: int, size: int) -> int:
        nb = request2size(size)
        moved = self._mapped.remap(chunk, nb)
        if moved:
            self._chunks.why = self._mapped.why
            return self._user(moved)
        old = self._mapped.chunks[chunk].size
        if self._mapped.fits(chunk, size, nb):
            self._chunks.why = "mremap was refused, but the block is large enough"
            return self._user(chunk)
        new = self.malloc(size)
        if new:
            self._memory.copy(chunk + HEADER, new, old - HEADER)
            self._mapped.unmap(chunk)
        return new
