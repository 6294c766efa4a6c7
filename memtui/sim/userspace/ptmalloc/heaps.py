"""The memory of threads' arenas: heaps of 64 MiB cut out of the mmap area (glibc 2.36, malloc/arena.c)."""

from dataclasses import dataclass
from typing import Final

from memtui.model.address import PAGE_SIZE, page_down, page_up
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import HEADER, MALLOC_ALIGNMENT, MINSIZE, SIZE_MAX, SIZE_SZ
from memtui.sim.userspace.ptmalloc.tunables import Parameters

HEAP_MAX_SIZE: Final = 64 << 20
"""Bytes reserved for a heap, and its alignment: so the arena of a chunk is told from its address."""
_HEAP_MIN_SIZE: Final = 32 << 10


@dataclass(slots=True)
class Heap:
    """heap_info: one reservation, of which the low part can be used; bytes."""

    start: int
    size: int
    """In use by the arena."""
    mprotect_size: int
    """Readable and writable: shrinking leaves this as it is."""
    fence: int = 0
    """The fencepost before its end, once top lies in a newer heap."""
    fence_size: int = 0

    @property
    def end(self) -> int:
        """First byte behind what is in use."""
        return self.start + self.size

    @property
    def limit(self) -> int:
        """First byte behind what can be written."""
        return self.start + self.mprotect_size


class Heaps:
    """Every heap of the process: makes them, and knows whose each is."""

    def __init__(self, memory: Memory, parameters: Parameters, profile: Profile) -> None:
        self.arenas: dict[int, Arena] = {}
        """Start of a heap -> its arena."""
        self.memory = memory
        self.mp = parameters
        self.profile = profile
        self._aligned_heap_area = 0
        """Where the next heap may fit: the upper half of the last reservation, if that was aligned by itself."""

    def arena_of(self, chunk: int) -> Arena | None:
        """The thread's arena that a chunk lies in; None: it is the main arena's."""
        return self.arenas.get(chunk & -HEAP_MAX_SIZE)

    def new(self, size: int) -> Heap | None:
        """new_heap: a heap with room for `size` bytes and top_pad, or None if it is too large or there is no memory."""
        size &= SIZE_MAX
        padded = size + self.mp.top_pad & SIZE_MAX
        if padded < _HEAP_MIN_SIZE:
            padded = _HEAP_MIN_SIZE
        elif padded > HEAP_MAX_SIZE:
            if size > HEAP_MAX_SIZE:
                return None
            padded = HEAP_MAX_SIZE
        length = page_up(padded)
        start = self._reserve()
        if start < 0:
            return None
        if self.memory.mprotect(start, length) < 0:
            self.memory.munmap(start, HEAP_MAX_SIZE)
            return None
        self.memory.write(start, self.profile.heap_info)
        return Heap(start, length, length)

    def release(self, heap: Heap) -> None:
        """Unmap a heap."""
        if heap.start + HEAP_MAX_SIZE == self._aligned_heap_area:
            self._aligned_heap_area = 0
        self.memory.munmap(heap.start, HEAP_MAX_SIZE)
        self.arenas.pop(heap.start, None)

    def _reserve(self) -> int:
        """64 MiB of address space at a multiple of 64 MiB, or a negative errno."""
        memory, noreserve = self.memory, self.profile.heap_noreserve
        if self._aligned_heap_area:
            start = memory.reserve(self._aligned_heap_area, HEAP_MAX_SIZE, noreserve=noreserve)
            self._aligned_heap_area = 0
            if start >= 0 and start % HEAP_MAX_SIZE == 0:
                return start
            if start >= 0:
                memory.munmap(start, HEAP_MAX_SIZE)
        start = memory.reserve(0, 2 * HEAP_MAX_SIZE, noreserve=noreserve)
        if start < 0:
            return self._reserve_exactly()
        lead = -start % HEAP_MAX_SIZE
        aligned = start + lead
        if lead:
            memory.munmap(start, lead)
        else:
            self._aligned_heap_area = aligned + HEAP_MAX_SIZE
        memory.munmap(aligned + HEAP_MAX_SIZE, HEAP_MAX_SIZE - lead)
        return aligned

    def _reserve_exactly(self) -> int:
        """There is no room for twice the size: perhaps the size itself happens to be aligned."""
        start = self.memory.reserve(0, HEAP_MAX_SIZE, noreserve=self.profile.heap_noreserve)
        if start >= 0 and start % HEAP_MAX_SIZE:
            self.memory.munmap(start, HEAP_MAX_SIZE)
            return -1
        return start


class ThreadHeap:
    """Where the memory of one thread arena comes from and goes to: the last of its heaps holds top."""

    def __init__(self, heaps: Heaps, arena: Arena, first: Heap) -> None:
        self.why = ""
        self.heaps = [first]
        self._all = heaps
        self._arena = arena
        heaps.arenas[first.start] = arena

    @property
    def clean_from(self) -> int:
        """What top gets from the kernel on the way is zeroed from here on (calloc). Shrinking leaves pages writable."""
        return self.heaps[-1].limit

    def grow(self, size: int) -> int | None:
        """Try to make top large enough for a chunk of `size` bytes, in this heap or a new one.

        Returns:
            What is left of the old top if there is a new heap: a chunk that is to be freed, or 0.
            None: there is no memory.
        """
        arena, heap = self._arena, self.heaps[-1]
        before = heap.size
        if self._grow_in_place(heap, page_up(MINSIZE + size - arena.top_size)):
            arena.system_mem += heap.size - before
            arena.set_top(arena.top, heap.end - arena.top)
            self.why = f"top was too small: {heap.size - before} more bytes of its heap are used (mprotect)"
            return 0
        new = self._all.new(size + MINSIZE + self._all.profile.heap_info)
        if new is None:
            return None
        self.why = f"the heap of {HEAP_MAX_SIZE >> 20} MiB is full: the arena goes on in a new one"
        return self._go_on_in(new)

    def give_back(self, pad: int) -> str:
        """heap_trim: unmap heaps that are all top, then drop the pages of top but `pad` bytes; what was done."""
        done = ""
        while self._all_top() and self._step_back(pad):
            done = "; its newest heap was all top: unmapped"
        arena, heap = self._arena, self.heaps[-1]
        area = arena.top_size - MINSIZE - 1
        if arena.top_size < self._all.mp.trim_threshold or area < 0 or area <= pad:
            return done
        extra = page_down(area - pad)
        if not extra or not self._shrink(heap, extra):
            return done
        arena.system_mem -= extra
        arena.set_top(arena.top, arena.top_size - extra)
        return f"{done}; top had reached trim_threshold ({self._all.mp.trim_threshold}): {extra} bytes of it go back"

    def _grow_in_place(self, heap: Heap, more: int) -> bool:
        size = heap.size + more
        if size > HEAP_MAX_SIZE:
            return False
        if size > heap.mprotect_size:
            if self._all.memory.mprotect(heap.limit, size - heap.mprotect_size) < 0:
                return False
            heap.mprotect_size = size
        heap.size = size
        self._all.memory.write(heap.start, self._all.profile.heap_info)
        return True

    def _go_on_in(self, new: Heap) -> int:
        arena, old = self._arena, self.heaps[-1]
        top, size = arena.top, (arena.top_size - MINSIZE) & -MALLOC_ALIGNMENT
        self.heaps.append(new)
        self._all.arenas[new.start] = arena
        arena.system_mem += new.size
        arena.max_system_mem = max(arena.max_system_mem, arena.system_mem)
        head = self._all.profile.heap_info
        arena.set_top(new.start + head, new.size - head)
        arena.memory.write(top + size + HEADER + SIZE_SZ)
        # The last fencepost has size 0; the one before it may grow back into top.
        if size >= MINSIZE:
            old.fence, old.fence_size = top + size, HEADER
            arena.memory.write(top + size + SIZE_SZ, HEADER)
            arena.head(top, size)
            left = top
        else:
            old.fence, old.fence_size = top, size + HEADER
            arena.memory.write(top + SIZE_SZ)
            left = 0
        arena.fenceposts[old.fence] = old.fence_size
        arena.fenceposts[top + size + HEADER] = HEADER
        return left

    def _all_top(self) -> bool:
        return self._arena.top == self.heaps[-1].start + self._all.profile.heap_info

    def _step_back(self, pad: int) -> bool:
        """The newest heap is all top: unmap it, unless the one before it has too little room."""
        arena, heap, before = self._arena, self.heaps[-1], self.heaps[-2]
        chunk, size = before.fence, before.fence_size + HEADER
        free = arena.free_ends.get(chunk)
        if free is not None:
            size += arena.sizes[free]
        if size + HEAP_MAX_SIZE - before.size < pad + MINSIZE + PAGE_SIZE:
            return False
        arena.system_mem -= heap.size
        self._all.release(heap)
        self.heaps.pop()
        del arena.fenceposts[before.fence + before.fence_size], arena.fenceposts[before.fence]
        if free is not None:
            arena.take_free(free)
            del arena.sizes[free]
            chunk = free
        arena.set_top(chunk, size)
        return True

    def _shrink(self, heap: Heap, extra: int) -> bool:
        start = heap.end - extra
        if self._all.memory.may_shrink_heap():
            if self._all.memory.reserve(start, extra, fixed=True) < 0:
                return False
            heap.mprotect_size = heap.size - extra
        else:
            self._all.memory.discard(start, extra)
        heap.size -= extra
        self._all.memory.write(heap.start, self._all.profile.heap_info)
        return True
