"""The arenas of a program and which thread uses which (jemalloc 5.3.0, src/jemalloc.c, src/arena.c)."""

from collections import Counter
from typing import Final

from memtui.sim.userspace.jemalloc.arena import Arena
from memtui.sim.userspace.jemalloc.base import Base
from memtui.sim.userspace.jemalloc.chance import Chance
from memtui.sim.userspace.jemalloc.extent import ExtentMap
from memtui.sim.userspace.jemalloc.pac import Pac
from memtui.sim.userspace.jemalloc.pages import Pages
from memtui.sim.userspace.jemalloc.rtree import Rtree
from memtui.sim.userspace.jemalloc.sizes import CACHED_CLASSES, CACHELINE
from memtui.sim.userspace.page_writes import PageWrites

_ARENA_BYTES: Final = 78 << 10
"""sizeof(arena_t) with its bins, nearly."""


class Arenas:
    """Each has a base for its own data; all share the map of extents."""

    def __init__(self, pages: Pages, writes: PageWrites, emap: ExtentMap, chance: Chance) -> None:
        self._pages = pages
        self._writes = writes
        self._emap = emap
        self._chance = chance
        self.by_number: dict[int, Arena] = {}
        """The one of very large blocks comes behind those of threads."""
        self._chosen: dict[int, int] = {}
        """Thread -> number of its arena."""
        self._huge = 1
        """Number of the arena of very large blocks."""

    def boot(self) -> None:
        """malloc_init_hard: the base, the tree of extents and arena 0."""
        base = Base(self._pages, self._writes)
        self._rtree = Rtree(base, self._writes)
        self._pages.boot_dss()
        base.alloc(2 * CACHED_CLASSES, CACHELINE)
        self._new(0, base)

    def limit(self, cpus: int) -> None:
        """Threads share four arenas for each CPU."""
        self._huge = 4 * max(1, cpus)

    def choose(self, tid: int) -> int:
        """arena_choose_hard: one without threads, else a new one, else the one with the fewest; its number."""
        self._chosen[tid] = number = self._least_used()
        return number

    def leave(self, tid: int) -> None:
        """The thread returned."""
        del self._chosen[tid]

    def forked(self, tid: int) -> None:
        """No other thread exists in the child."""
        self._chosen = {thread: number for thread, number in self._chosen.items() if thread == tid}

    def huge(self) -> Arena | None:
        """The arena of blocks of OVERSIZE_THRESHOLD and more, made when it is first needed."""
        arena = self.by_number.get(self._huge) or self._with_base(self._huge)
        if arena is not None:
            arena.pac.purges_at_once = True
        return arena

    def _least_used(self) -> int:
        loads = Counter(self._chosen.values())
        least = min((number for number in self.by_number if number < self._huge), key=lambda number: loads[number])
        unused = next((number for number in range(self._huge) if number not in self.by_number), None)
        if not loads[least] or unused is None or self._with_base(unused) is None:
            return least
        return unused

    def _with_base(self, number: int) -> Arena | None:
        base = Base(self._pages, self._writes)
        return self._new(number, base) if base.works else None

    def _new(self, number: int, base: Base) -> Arena:
        base.alloc(_ARENA_BYTES, CACHELINE)
        pac = Pac(number, self._pages, base, self._emap, self._rtree)
        arena = self.by_number[number] = Arena(pac, self._emap, self._chance)
        return arena
