"""malloc, free and their family as libtcmalloc_minimal.so.4 has them (gperftools 2.10, src/tcmalloc.cc)."""

from typing import Final

from memtui.model.heap import HeapView
from memtui.sim.userspace.allocator import HeapCorruption
from memtui.sim.userspace.page_writes import Accessed, unseen
from memtui.sim.userspace.preloaded import LIBSTDCXX_POOL, Preloaded
from memtui.sim.userspace.sbrk import WORD
from memtui.sim.userspace.syscalls import Syscalls
from memtui.sim.userspace.tcmalloc.central import CentralLists
from memtui.sim.userspace.tcmalloc.page_heap import Location, PageHeap, Span
from memtui.sim.userspace.tcmalloc.sizes import CLASSES, MAX_SIZE, PAGE_SHIFT, PAGE_SIZE, class_of, pages
from memtui.sim.userspace.tcmalloc.system import Metadata, ObjectPool, System
from memtui.sim.userspace.tcmalloc.thread_cache import BYTES, Budget, ThreadCache
from memtui.sim.userspace.tcmalloc.view import view

_MACHINE_PAGE: Final = 4096
_ONLINE_CPUS: Final = "/sys/devices/system/cpu/online"
"""glibc's get_nprocs reads it for the spin locks, which only spin where there are several CPUs."""
_EXTENSIONS: Final = (8, 16)
"""The library's own two objects (MallocExtension, TCMallocImplementation); bytes."""


class Tcmalloc(Preloaded):
    """The allocator of one program.

    Threads have caches of their own. Heap profiling, sampling and the heap limit are off, as they are by default.

    Args:
        syscalls: the kernel that it sees.
        accessed: is told which memory the allocator itself reads or writes (address, length, whether it writes).
        tid: of the first thread.
    """

    NAME = "tcmalloc"

    def __init__(self, syscalls: Syscalls, accessed: Accessed = unseen, tid: int = 0) -> None:
        super().__init__(syscalls, accessed, tid)
        self._system = System(syscalls, self._writes, self._sbrk)
        self._metadata = Metadata(self._system, self._writes)
        self._budget = Budget()
        self.caches: dict[int, ThreadCache] = {}
        """By thread."""

    def start(self) -> None:
        """What the constructors of libstdc++ and of the library do before main; nothing when it was done.

        malloc before the library's own constructor has no thread-specific key yet, so the first thread cache is
        left behind and a second one made; and the flags of the page heap are still 0.
        """
        if self.started:
            return
        self.started = True
        self.heap = PageHeap(self._system, self._metadata)
        self._central = CentralLists(self.heap, self._writes)
        self._records = ObjectPool(self._metadata, BYTES)
        self._records.reserve()
        early = self._new_cache()
        self.caches[self._tid] = early
        self.own.append(self._allocate(LIBSTDCXX_POOL))
        first = self._allocate(1)
        if first:
            self._central.lists[CLASSES[1].number].insert([first])
        self.caches[self._tid] = self._new_cache()
        self._syscalls.read_file(_ONLINE_CPUS, 1024, "O_RDONLY|O_CLOEXEC")
        self.free(self._allocate(1))
        self.own += [self._allocate(size) for size in _EXTENSIONS]
        self.heap.release_rate = 1.0
        self._writes.tell()
        self._first = "before main the library's constructors set it up; then: "

    # The malloc family

    def malloc(self, size: int) -> int:
        """The address of `size` bytes; 0 when there is no memory."""
        self.start()
        return self._end(self._allocate(size))

    def calloc(self, count: int, size: int) -> int:
        """Zeroed memory. All of it is written, even if the kernel has just given it."""
        self.start()
        total = count * size
        if total > WORD:
            return self._nothing("count times size overflows")
        address = self._allocate(total)
        if address:
            self._writes.write_range(address, self.malloc_usable_size(address))
        return self._end(address)

    def realloc(self, pointer: int, size: int) -> int:
        """Another size for a block: it moves unless it still fits and uses at least half.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        if not pointer:
            return self.malloc(size)
        if not size:
            self.free(pointer)
            return 0
        old = self._checked_size(pointer, "realloc")
        if old // 2 <= size <= old:
            self.why = f"the block has {old} bytes and uses at least half of them"
            return pointer
        grown = old + old // 4
        new = self._allocate(grown) if old < size < grown else 0
        new = new or self._allocate(size)
        if not new:
            return 0
        why = f"moved, {min(old, size)} bytes copied: {self.why}"
        self._writes.copy(pointer, new, min(old, size))
        self.free(pointer)
        self.why = why
        return new

    def free(self, pointer: int) -> None:
        """Give a block back.

        Raises:
            HeapCorruption: `pointer` is no block.
        """
        if not pointer:
            self.why = "free(NULL) does nothing"
            return
        self._checked_size(pointer, "free")
        span = self.heap.pagemap[pointer >> PAGE_SHIFT]
        if span.size_class is not None:
            cache = self._cache()
            cache.deallocate(pointer, span.size_class)
            self.why = cache.why
        else:
            self._delete(span)
        self._writes.tell()

    def memalign(self, alignment: int, size: int) -> int:
        """Memory at a multiple of `alignment`: up to 8 KiB size classes are aligned by themselves."""
        self.start()
        if alignment > PAGE_SIZE:
            address = self._aligned_pages(alignment, size)
        else:
            address = self._allocate(_align_size_up(size, alignment))
        return self._end(address)

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """The same as memalign."""
        return self.memalign(alignment, size)

    def valloc(self, size: int) -> int:
        """Memory that starts at a page of the machine."""
        return self.memalign(_MACHINE_PAGE, size)

    def pvalloc(self, size: int) -> int:
        """Whole pages of the machine, at least one."""
        size = ((size or _MACHINE_PAGE) + _MACHINE_PAGE - 1) & WORD & -_MACHINE_PAGE
        return self.memalign(_MACHINE_PAGE, size)

    def malloc_usable_size(self, pointer: int) -> int:
        """How many bytes of the block may be used; 0 for NULL.

        Raises:
            HeapCorruption: `pointer` lies in no span.
        """
        return self._checked_size(pointer, "malloc_usable_size") if pointer else 0

    def moved(self, pointer: int, by: int) -> tuple[int, int] | None:
        """None: no block has a mapping of its own."""
        return None

    def heap_view(self) -> HeapView:
        """Spans, objects and lists as they are now. O(objects)."""
        return view(self)

    # Threads

    def run_as(self, tid: int) -> None:
        """The next calls are made by this thread."""
        self._tid = tid

    def thread_exit(self, tid: int) -> None:
        """The thread returned: what it cached goes to the central lists."""
        cache = self.caches.pop(tid, None)
        if cache is not None:
            cache.cleanup()
            self._budget.leave(cache)
            self._records.delete(cache.record)
            self._writes.tell()

    def forked(self, tid: int) -> None:
        """This allocator is the copy in a child that `tid` forked: the caches of other threads are left behind."""
        self._tid = tid
        self.caches = {thread: cache for thread, cache in self.caches.items() if thread == tid}

    # Inside

    @property
    def central(self) -> CentralLists:
        """The lists that all threads share."""
        return self._central

    @property
    def system(self) -> System:
        """What the kernel gave."""
        return self._system

    @property
    def metadata(self) -> Metadata:
        """The memory of tcmalloc's own structures."""
        return self._metadata

    def _new_cache(self) -> ThreadCache:
        return ThreadCache(self._central, self._budget, self._records.new(), self._writes)

    def _cache(self) -> ThreadCache:
        cache = self.caches.get(self._tid)
        if cache is None:
            cache = self.caches[self._tid] = self._new_cache()
        return cache

    def _allocate(self, size: int) -> int:
        cache = self._cache()
        size_class = class_of(size)
        if size_class is not None:
            address = cache.allocate(size_class)
            self.why = cache.why if address else "ENOMEM: the kernel gives no more"
            return address
        return self._pages(pages(size), size)

    def _pages(self, count: int, size: int) -> int:
        span = self.heap.new(count)
        if span is None:
            return self._nothing("the kernel gives no more")
        self.why = f"{size} bytes are more than {MAX_SIZE}: {count} pages from the page heap: {self.heap.why}"
        return span.address

    def _aligned_pages(self, alignment: int, size: int) -> int:
        """do_memalign_pages: a span with room, cut at both ends."""
        if size + alignment > WORD:
            return self._nothing("size plus alignment overflows")
        size = size or 1
        self._cache()
        span = self.heap.new(pages(size + alignment))
        if span is None:
            return self._nothing("the kernel gives no more")
        why = f"a span with room for the alignment of {alignment}: {self.heap.why}"
        skip = (-span.address & (alignment - 1)) >> PAGE_SHIFT
        if skip:
            rest = self.heap.split(span, skip)
            self.heap.delete(span)
            span = rest
        if span.length > pages(size):
            self.heap.delete(self.heap.split(span, pages(size)))
        self.why = f"{why}; what lies around it is freed"
        return span.address

    def _delete(self, span: Span) -> None:
        self.heap.why = ""
        count = span.length
        self.heap.delete(span)
        self.why = f"its {count} pages become a free span, merged with free neighbours{self.heap.why}"

    def _checked_size(self, pointer: int, function: str) -> int:
        span = self.heap.pagemap.get(pointer >> PAGE_SHIFT) if self.started else None
        if span is None or span.location is not Location.IN_USE:
            raise HeapCorruption(
                f"Attempt to free invalid pointer {pointer:#x}"
                if function == "free"
                else f"{function}: {pointer:#x} is no block"
            )
        return span.size_class.size if span.size_class is not None else span.size


def _align_size_up(size: int, alignment: int) -> int:
    """align_size_up: what overflows stays, and fails later."""
    return ((size + alignment - 1) & WORD & ~(alignment - 1)) or size or alignment
