"""Which thread allocates from which arena (glibc 2.36, malloc/arena.c: arena_get2, reused_arena, free_list)."""

from dataclasses import dataclass

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.heaps import Heaps, ThreadHeap
from memtui.sim.userspace.ptmalloc.sizes import MALLOC_ALIGNMENT, SIZE_MAX, SIZE_SZ
from memtui.sim.userspace.ptmalloc.tcache import Tcache


@dataclass(slots=True)
class Thread:
    """What libc keeps for one thread of the program."""

    tcache: Tcache
    arena: Arena | None = None
    """thread_arena: None before its first allocation."""


class Arenas:
    """The ring of arenas: main, then the threads' from the newest to the oldest."""

    def __init__(self, main: Arena, heaps: Heaps, cpus: int) -> None:
        self.why = ""
        """What happened to get an arena, or ""."""
        self.main = main
        self.ring = [main]
        self.free: list[Arena] = []
        """Arenas that no thread is attached to; the next to be taken last."""
        self._heaps = heaps
        self._cpus = cpus
        self._limit = 0
        """narenas_limit, fixed the first time that it is known."""
        self._next_to_use = main

    def of_chunk(self, chunk: int) -> Arena:
        """The arena that a chunk of no mapping of its own belongs to."""
        return self._heaps.arena_of(chunk) or self.main

    def get(self, thread: Thread, size: int) -> Arena | None:
        """arena_get: the thread's arena, or one that it is attached to now. None: there is no memory for any."""
        arena = thread.arena or self.attach(thread, size)
        if arena is not None:
            arena.lock()
        return arena

    def retry(self, thread: Thread, failed: Arena, size: int) -> Arena | None:
        """arena_get_retry: where to try again after `failed` had no memory."""
        if failed is not self.main:
            self.why = f"{failed.name} had no memory, so the main arena is tried; "
            return self.main
        arena = self.attach(thread, size)
        if arena is not None:
            arena.lock()
        return arena

    def attach(self, thread: Thread, size: int) -> Arena | None:
        """arena_get2: an arena that some thread left, else a new one, else one that others use too."""
        if self.free:
            arena = self.free.pop()
            self.why = f"the thread takes over the arena {arena.name}, which no thread uses any more; "
        elif len(self.ring) <= (self._find_limit() - 1) & SIZE_MAX:
            made = self._make(size)
            if made is None:
                return None
            arena = made
            self.why = f"the thread gets an arena of its own, {arena.name}; "
        else:
            arena = self._reuse()
            self.why = f"{len(self.ring)} arenas are the limit: the thread shares {arena.name}; "
        if thread.arena is not None:
            thread.arena.attached_threads -= 1
        arena.attached_threads += 1
        thread.arena = arena
        return arena

    def detach(self, thread: Thread) -> None:
        """The thread ends; the arena that was its alone can be taken over."""
        arena, thread.arena = thread.arena, None
        if arena is not None:
            arena.attached_threads -= 1
            if not arena.attached_threads:
                self.free.append(arena)

    def forked(self, thread: Thread) -> None:
        """In a child only the forking thread exists: every arena but its own can be taken over."""
        self.free = [arena for arena in self.ring if arena is not thread.arena]
        for arena in self.free:
            arena.attached_threads = 0
        if thread.arena is not None:
            thread.arena.attached_threads = 1

    def _find_limit(self) -> int:
        mp = self._heaps.mp
        if not self._limit:
            if mp.arena_max:
                self._limit = mp.arena_max
            elif len(self.ring) > mp.arena_test:
                self._limit = 8 * self._cpus
        return self._limit

    def _reuse(self) -> Arena:
        """Round robin. Calls do not overlap here, so that no arena is ever locked by another thread."""
        arena = self._next_to_use
        at = self.ring.index(arena)
        self._next_to_use = self.ring[(at + 1) % len(self.ring)]
        if arena in self.free:
            self.free.remove(arena)
        return arena

    def _make(self, size: int) -> Arena | None:
        """_int_new_arena: its state lies at the start of its first heap, behind heap_info."""
        heaps, profile = self._heaps, self._heaps.profile
        state = profile.heap_info + profile.malloc_state
        heap = heaps.new(size + state + MALLOC_ALIGNMENT) or heaps.new(state + MALLOC_ALIGNMENT)
        if heap is None:
            return None
        arena = Arena(heaps.memory, heap.start + profile.heap_info)
        arena.heap = ThreadHeap(heaps, arena, heap)
        arena.contiguous = False
        arena.base = heap.start
        arena.system_mem = arena.max_system_mem = heap.size
        heaps.memory.write(arena.address, profile.malloc_state)
        first = heap.start + state + -(heap.start + state) % MALLOC_ALIGNMENT
        arena.set_top(first, heap.end - first)
        arena.memory.write(first + SIZE_SZ)
        self.ring.insert(1, arena)
        return arena
