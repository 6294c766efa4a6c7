"""The threads of a program: which caches and arenas serve their calls (glibc 2.36, malloc/malloc.c: arena_get)."""

from collections.abc import Callable

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.arenas import Arenas, Thread
from memtui.sim.userspace.ptmalloc.chunks import Chunks
from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import HEADER
from memtui.sim.userspace.ptmalloc.tcache import Tcache


class Threads:
    """Serves the calls of the current thread out of its tcache and its arena."""

    def __init__(self, tid: int, arenas: Arenas, chunks: Chunks, memory: Memory, profile: Profile) -> None:
        self.known: dict[int, Thread] = {}
        """By tid; the first one came first."""
        self.first_why = ""
        """Why the tcache lies where it does, in the call that made it."""
        self._arenas = arenas
        self._chunks = chunks
        self._memory = memory
        self._profile = profile
        self._held: set[int] = set()
        self._initialized = False
        self._single = profile.single_thread_path
        """SINGLE_THREAD_P: no thread was ever started."""
        self.current = self._new(tid)
        chunks.tcache = self.current.tcache

    @property
    def why(self) -> str:
        """What happened before the call could be served, and the rule that decided it."""
        return f"{self.first_why}{self._arenas.why}{self._chunks.why}"

    @property
    def single(self) -> bool:
        """Whether the program takes the short way of those that never started a thread."""
        return self._single

    def run_as(self, tid: int) -> None:
        """The next calls are made by this thread, which is new if it is not known."""
        self.current = self.known.get(tid) or self._new(tid)
        self._chunks.tcache = self.current.tcache

    def start(self, tid: int) -> None:
        """From now on locks are taken, and each thread gets an arena."""
        self._single = False
        self._new(tid)

    def exit(self, tid: int, release: Callable[[int], None]) -> None:
        """A thread ends: its chunks go to `release`, and its arena can be taken over if it was its alone."""
        caller = next(known for known, thread in self.known.items() if thread is self.current)
        self.run_as(tid)
        self.begin()
        freed = 0
        for chunk in self.current.tcache.shut_down():
            release(chunk)
            freed += 1
        self._arenas.detach(self.current)
        self._memory.tell()
        del self.known[tid]
        self._chunks.why = f"the thread ended: {freed} chunks of its tcache are freed"
        self.run_as(caller if caller != tid else next(iter(self.known), 0))

    def forked(self, tid: int) -> None:
        """In a child that `tid` forked no other thread exists: what the others cached is lost."""
        self.run_as(tid)
        self.known = {tid: self.current}
        self._held.intersection_update(chunk for _, chunks in self.current.tcache.bins() for chunk in chunks)
        if self._initialized:
            self._arenas.forked(self.current)

    def begin(self) -> None:
        """A call begins: nothing has been said of it."""
        self.first_why = self._arenas.why = ""

    def initialize(self) -> bool:
        """ptmalloc_init, in the first call of the program: its thread has the main arena. Whether this was it."""
        self.begin()
        if self._initialized:
            return False
        self._initialized = True
        if self._profile.key_at_first_call:
            self._memory.getrandom(8)
        self.current.arena = self._arenas.main
        self._arenas.main.attached_threads = 1
        return True

    def _new(self, tid: int) -> Thread:
        chunks = self._chunks
        thread = self.known[tid] = Thread(Tcache(self._profile.tcache, self._memory, chunks.mp, self._held))
        return thread

    def cached(self, chunk_size: int) -> int:
        """A chunk out of the tcache, which is made if there is none; 0: it has none of this size."""
        self.make_tcache(chunk_size)
        tcache = self.current.tcache
        chunk = tcache.get(chunk_size) if tcache.serves(chunk_size) else 0
        if chunk:
            self._chunks.why = f"tcache hit: from the bin of {chunk_size}-byte chunks, the one freed last"
        return chunk

    def cached_aligned(self, chunk_size: int, alignment: int) -> int:
        """The same at a multiple of `alignment`."""
        tcache, profile = self.current.tcache, self._profile
        if profile.tcache_on_demand:
            self.make_tcache(chunk_size)
        chunk = tcache.get_aligned(chunk_size, alignment) if tcache.serves(chunk_size) else 0
        if chunk:
            self._chunks.why = f"tcache hit: a chunk of {chunk_size} bytes that happens to lie at the alignment"
        return chunk

    def make_tcache(self, chunk_size: int, *, freeing: bool = False) -> None:
        """Before the first call that needs it; `chunk_size` is what the call asks for."""
        tcache, profile = self.current.tcache, self._profile
        if tcache.address or tcache.shutting_down:
            return
        if profile.tcache_on_demand and (freeing or not tcache.serves(chunk_size)):
            return
        if profile.tcache_by_free and not (freeing and tcache.serves(chunk_size)):
            return
        size = tcache.layout.size
        single = profile.tcache_on_demand or profile.tcache_by_free
        if profile.tcache_by_free:
            tcache.shutting_down = True
            if not self._chunks.mp.tcache_count:
                return
        chunk = self.serve(size, size, lambda arena: self._chunks.int_malloc(arena, size), single=single)
        if chunk:
            tcache.start(chunk + HEADER)
            self.first_why = f"first the tcache itself: {self._arenas.why}{self._chunks.why}; then: "
            self._arenas.why = ""

    def serve(self, size: int, again: int, take: Callable[[Arena | None], int], *, single: bool = True) -> int:
        """A chunk that `take` finds in the thread's arena, or in another one; 0: nowhere.

        Args:
            size: bytes that a new arena is made for.
            again: the same when the first arena had no memory.
            take: gives a chunk of an arena, or 0.
            single: whether a program without threads stays in the main arena.
        """
        if self._single and single:
            return take(self._arenas.main)
        arena = self._arenas.get(self.current, size)
        chunk = take(arena)
        if not chunk and arena is not None:
            chunk = take(self._arenas.retry(self.current, arena, again))
        return chunk
