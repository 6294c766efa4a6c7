"""malloc, free and their family as libjemalloc.so.2 has them (jemalloc 5.3.0, src/jemalloc.c)."""

from typing import Final

from memtui.model.heap import HeapView
from memtui.sim.userspace.allocator import HeapCorruption
from memtui.sim.userspace.jemalloc.arenas import Arenas
from memtui.sim.userspace.jemalloc.chance import Chance
from memtui.sim.userspace.jemalloc.extent import Extent, ExtentMap
from memtui.sim.userspace.jemalloc.pages import Pages
from memtui.sim.userspace.jemalloc.sizes import (
    CACHED_CLASSES,
    CACHELINE,
    LARGE_MAXCLASS,
    LARGE_MINCLASS,
    OVERSIZE_THRESHOLD,
    PAGE,
    SIZES,
    SMALL_MAXCLASS,
    s2u,
    sa2u,
    size2index,
)
from memtui.sim.userspace.jemalloc.tcache import BYTES as TCACHE_BYTES
from memtui.sim.userspace.jemalloc.tcache import Tcache
from memtui.sim.userspace.jemalloc.view import view
from memtui.sim.userspace.page_writes import Accessed, unseen
from memtui.sim.userspace.preloaded import LIBSTDCXX_POOL, Preloaded
from memtui.sim.userspace.sbrk import WORD
from memtui.sim.userspace.syscalls import Syscalls

SOME_TSD: Final = 0x7FFF_F7D8_0000
"""Where a thread's data might lie, for programs whose thread-local storage is not simulated."""


class Jemalloc(Preloaded):
    """The allocator of one program with the default options.

    The first thread's addresses are the real ones. Further threads get arenas and caches of their own by the
    same rules, with other offsets in the first page of large blocks, which depend on their thread-local storage.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which memory the allocator itself reads or writes (address, length, whether it writes).
        tsd: address of the first thread's own data: the seed for where large blocks start in their first page.
        tid: of the first thread.
    """

    NAME = "jemalloc"

    def __init__(self, syscalls: Syscalls, accessed: Accessed = unseen, tsd: int = SOME_TSD, tid: int = 0) -> None:
        super().__init__(syscalls, accessed, tid)
        self.pages = Pages(syscalls, self._writes, self._sbrk)
        self._chance = Chance(tsd)
        self.emap = ExtentMap()
        self.arenas = Arenas(self.pages, self._writes, self.emap, self._chance)
        self.tcaches: dict[int, Tcache] = {}
        """By thread."""

    def start(self) -> None:
        """What the constructors of libstdc++ and of the library do before main; nothing when it was done."""
        if self.started:
            return
        self.started = True
        self._syscalls.read_link("/etc/malloc.conf")
        self.pages.boot()
        self.arenas.boot()
        self._new_tcache()
        self.arenas.limit(self._syscalls.sched_getaffinity())
        self.own.append(self._allocate(LIBSTDCXX_POOL))
        self._first = "before main the library's constructors set it up; then: "

    # The malloc family

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        self.start()
        return self._end(self._allocate(size))

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory; recycled extents are zeroed by madvise, what a thread had cached by writing."""
        self.start()
        total = count * size
        if total > WORD:
            return self._nothing("count times size overflows")
        return self._end(self._allocate(total, zero=True))

    def realloc(self, pointer: int, size: int) -> int:
        """Another size for a block: in place if its class stays, or its extent can grow or shrink.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        if not pointer:
            return self.malloc(size)
        if not size:
            self.free(pointer)
            return 0
        extent = self._extent(pointer, "realloc")
        old, usable = SIZES[extent.index or 0], s2u(size)
        if usable > LARGE_MAXCLASS:
            return self._nothing("the request is larger than the largest class")
        new = self._resize(extent, pointer, old, usable)
        if not new:
            return self._nothing("the kernel gives no more")
        self.tcache.count(False, usable)
        self.tcache.count(True, old)
        self._writes.tell()
        return new

    def free(self, pointer: int) -> None:
        """Give a block back.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        if not pointer:
            self.why = "free(NULL) does nothing"
            return
        extent = self._extent(pointer, "free")
        size = SIZES[extent.index or 0]
        self._release(extent, pointer)
        self.tcache.count(True, size)
        self._writes.tell()

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`."""
        self.start()
        if not alignment or alignment & (alignment - 1):
            self.why = "EINVAL: the alignment must be a power of two"
            return 0
        return self._end(self._aligned(alignment, size))

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """The same as memalign, but that nothing is taken for one byte."""
        return self.memalign(alignment, size or 1)

    def valloc(self, size: int) -> int:
        """Memory that starts at a page."""
        self.start()
        return self._end(self._aligned(PAGE, size))

    def malloc_usable_size(self, pointer: int) -> int:
        """How many bytes of the block may be used: its size class; 0 for NULL.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        return SIZES[self._extent(pointer, "malloc_usable_size").index or 0] if pointer else 0

    def moved(self, pointer: int, by: int) -> tuple[int, int] | None:
        """None: no block has a mapping of its own."""
        return None

    def heap_view(self) -> HeapView:
        """Extents, slabs and caches as they are now. O(blocks)."""
        return view(self)

    # Threads

    def run_as(self, tid: int) -> None:
        """The next calls are made by this thread."""
        if tid != self._tid:
            self._chance.switch(self._tid, tid)
            self._tid = tid

    def thread_exit(self, tid: int) -> None:
        """The thread returned: what it cached goes back to the arenas, and so does the cache itself."""
        if tid in self.tcaches:
            self.run_as(tid)
            tcache = self.tcaches.pop(tid)
            tcache.flush_all()
            self.arenas.leave(tid)
            self.arenas.by_number[0].free_large(self._extent(tcache.stacks, "thread_exit"))
            self.own.remove(tcache.stacks)
            self._writes.tell()

    def forked(self, tid: int) -> None:
        """This allocator is the copy in a child that `tid` forked: no other thread exists there."""
        self.run_as(tid)
        self.arenas.forked(tid)

    @property
    def tcache(self) -> Tcache:
        """Of the thread that runs."""
        return self.tcaches.get(self._tid) or self._new_tcache()

    # Inside

    def _allocate(self, size: int, zero: bool = False) -> int:
        index = size2index(size)
        if index >= len(SIZES):
            return 0
        block = self._from_class(index, size, zero)
        if block:
            self.tcache.count(False, SIZES[index])
        return block

    def _from_class(self, index: int, size: int, zero: bool) -> int:
        """arena_malloc: the thread's cache, else the arena; `size`, as it was asked for, decides which."""
        usable = SIZES[index]
        if index >= CACHED_CLASSES:
            return self._large(usable, CACHELINE, zero, size)
        tcache = self.tcaches.get(self._tid) or self._new_tcache()
        block = tcache.get(index) or (tcache.refill(index) if usable <= SMALL_MAXCLASS else 0)
        if not block:
            return self._large(usable, CACHELINE, zero, size) if usable > SMALL_MAXCLASS else 0
        self.why = tcache.why
        if zero:
            self._writes.write_range(block, usable)
        return block

    def _large(self, usable: int, alignment: int, zero: bool, size: int) -> int:
        arena = self.arenas.huge() if size >= OVERSIZE_THRESHOLD else self.tcache.arena
        if arena is None:
            return 0
        block = arena.large(usable, alignment, zero)
        self.why = arena.why
        return block

    def _aligned(self, alignment: int, size: int) -> int:
        """ipalloct: small classes are aligned by themselves; larger blocks come from the arena, not the cache."""
        usable = sa2u(size, alignment)
        if not usable:
            return 0
        if usable <= SMALL_MAXCLASS:
            block = self._from_class(size2index(usable), usable, zero=False)
        else:
            block = self._large(usable, max(alignment, CACHELINE), False, usable)
        if block:
            self.tcache.count(False, usable)
        return block

    def _resize(self, extent: Extent, pointer: int, old: int, usable: int) -> int:
        """arena_ralloc."""
        if usable <= SMALL_MAXCLASS and usable == old:
            self._chance.tick()
            self.why = "the size class stays the same"
            return pointer
        if old >= LARGE_MINCLASS and usable >= LARGE_MINCLASS:
            arena = self.arenas.by_number[extent.arena]
            if old == usable:
                self._chance.tick()
                self.why = "the size class stays the same"
                return pointer
            if arena.resize(extent, usable):
                self.why = arena.why
                return pointer
            new = self._large(usable, CACHELINE, False, usable)
        else:
            new = self._from_class(size2index(usable), usable, zero=False)
        if new:
            why = f"moved, {min(old, usable)} bytes copied: {self.why}"
            self._writes.copy(pointer, new, min(old, usable))
            self._release(extent, pointer)
            self.why = why
        return new

    def _release(self, extent: Extent, pointer: int) -> None:
        """arena_dalloc: to the thread's cache, or the arena."""
        index = extent.index or 0
        if index < CACHED_CLASSES:
            self.tcache.put(index, pointer)
            self.why = self.tcache.why
            return
        arena = self.arenas.by_number[extent.arena]
        arena.free_large(extent)
        self._chance.tick()
        self.why = arena.why

    def _new_tcache(self) -> Tcache:
        """The first call of a thread: its cache, from arena 0, and its arena."""
        stacks = self.arenas.by_number[0].large(sa2u(TCACHE_BYTES, PAGE), PAGE, zero=True)
        self.own.append(stacks)
        number = self.arenas.choose(self._tid)
        tcache = Tcache(self.arenas.by_number, number, self.emap, self._chance, stacks)
        self.tcaches[self._tid] = tcache
        return tcache

    def _extent(self, pointer: int, function: str) -> Extent:
        extent = self.emap.find(pointer)
        if extent is None or extent.index is None:
            raise HeapCorruption(f"{function}: {pointer:#x} is no block, which jemalloc does not notice")
        return extent

    def _end(self, block: int) -> int:
        if not block:
            self._nothing("the kernel gives no more")
        return super()._end(block)
