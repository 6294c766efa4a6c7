"""A process's glibc heap, read again and again while the process runs."""

from collections.abc import Generator, Sequence
from typing import Final

from memtui.live import heap_tcache
from memtui.live.heap_arena import Arena, ArenaState, read_state, thread_heaps
from memtui.live.heap_find import Found
from memtui.live.heap_mapped import Parameters, heap_of, mapped_chunks, read_parameters
from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_space import Space
from memtui.live.heap_threads import find_threads, pointers
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.heap import HEADER, ChunkState, HeapBin, HeapChunk, HeapView, ThreadCache
from memtui.model.heap_table import NUMBERS, ChunkTable

TRIES: Final = 4
"""Readings of one heap; the last one stays, torn or not."""
_ARENAS: Final = 4096
_GUESSES: Final = 4096
"""Blocks that are tried for the structure of a tcache, where no thread tells."""
_STRUCT: Final = NUMBERS[ChunkState.TCACHE_STRUCT]
_USED: Final = NUMBERS[ChunkState.USED]
_TOLD: Final = 5
"""Things that did not agree which are named; of the others only the number."""

Reading = Generator[float, None, HeapView]
"""Gives the share that has been read, now and then, and in the end the heap."""


def read_heap(memory: ProcessMemory, found: Found, space: Space, pid: int, tids: Sequence[int]) -> Reading:
    """The heap, read until a reading agrees with itself, `TRIES` times at most.

    Args:
        memory: of the process.
        found: its main arena.
        space: its VMAs.
        pid: its first thread.
        tids: all of its threads.
    """
    for attempt in range(TRIES):
        one = _OneReading(memory, found, space, pid, tids)
        view = yield from one.read()
        if not view.torn or attempt == TRIES - 1:
            return view
    raise AssertionError


class _OneReading:
    """One pass over the heap."""

    def __init__(self, memory: ProcessMemory, found: Found, space: Space, pid: int, tids: Sequence[int]) -> None:
        self._memory, self._found, self._space = memory, found, space
        self._pid, self._tids = pid, tids
        self._arenas: list[Arena] = []
        self._torn: list[str] = []
        self._notes: list[str] = [f"main_arena at {found.main_arena:#x}, found by {found.how}"]
        if found.version is None:
            self._notes.append("the version of glibc is not told: its layout is a guess")
        self._mp: Parameters | None = None

    def read(self) -> Reading:
        """All arenas, then what lies across them."""
        try:
            states = self._ring()
            self._mp = self._parameters()
        except TornError as error:
            self._torn.append(str(error))
            states = []
        total = max(sum(state.system_mem for state in states), 1)
        done = 0
        for state in states:
            if not state.is_empty:
                arena = Arena(state, "main" if state.address == self._found.main_arena else f"{state.address:x}")
                self._arenas.append(arena)
                for size in self._follow(arena):
                    done += size
                    yield min(done / total, 1.0)
        bins = [arena.bins() for arena in self._arenas]
        mapped = self._mapped()
        caches = self._caches(mapped)
        for arena in self._arenas:
            self._compare(arena)
        return self._view(bins, caches, mapped)

    def _parameters(self) -> Parameters | None:
        if self._found.mp is None:
            self._notes.append("mp_ is not found: thresholds and mapped chunks are not known")
            return None
        return read_parameters(self._memory, self._found.mp, self._found.layout)

    def _ring(self) -> list[ArenaState]:
        """The main arena and those that it is linked with."""
        states: list[ArenaState] = []
        address = self._found.main_arena
        while len(states) < _ARENAS:
            state = read_state(self._memory, address, self._found.layout)
            states.append(state)
            address = state.next
            if address == self._found.main_arena:
                return states
        raise TornError("the arenas are not linked in a ring")

    def _follow(self, arena: Arena) -> Generator[int]:
        try:
            starts = (
                [self._main_start(arena.state)] if arena.name == "main" else thread_heaps(self._memory, arena.state)
            )
        except TornError as error:
            arena.torn.append(str(error))
            return
        yield from arena.read(self._memory, starts, self._space)

    def _main_start(self, state: ArenaState) -> Range:
        """sbrk_base, or where the mapping of top begins."""
        base = self._mp.sbrk_base if self._mp is not None else 0
        if not base:
            vma = self._space.vma(state.top)
            if vma is None:
                raise TornError(f"top at {state.top:#x} is not mapped")
            base = vma.start
        base = (base + 15) & ~15
        return Range(base, self._space.room(base))

    def _compare(self, arena: Arena) -> None:
        """Read the arena's state once more: what changed meanwhile may be mixed."""
        try:
            again = read_state(self._memory, arena.state.address, arena.state.layout)
        except TornError as error:
            arena.torn.append(str(error))
            return
        if again.data != arena.state.data:
            arena.torn.append("its state changed while it was read")

    # tcaches

    def _caches(self, mapped: list[HeapChunk]) -> list[ThreadCache]:
        layout, capacity = self._found.layout, self._capacity
        candidates = self._candidates(mapped)
        found: list[ThreadCache] = []
        for address, (name, how) in (self._pointed(candidates) or self._shaped(candidates)).items():
            try:
                block = heap_tcache.read_block(self._memory, address, layout, capacity)
            except TornError as error:
                self._torn.append(f"tcache of {name}: {error}")
                continue
            self._mark(address - HEADER, mapped)
            bins, torn = heap_tcache.take(block, self._arenas, layout)
            self._torn += torn
            found.append(ThreadCache(name, address, bins, how))
        return found

    @property
    def _capacity(self) -> int:
        return self._mp.tcache_count if self._mp is not None else self._found.layout.tcache_count

    def _mark(self, chunk: int, mapped: list[HeapChunk]) -> None:
        """The chunk holds the structure of a tcache."""
        for arena in self._arenas:
            index = arena.index(chunk)
            if index is not None:
                arena.states[index] = _STRUCT
        for at, other in enumerate(mapped):
            if other.address == chunk:
                mapped[at] = other._replace(state=ChunkState.TCACHE_STRUCT)

    def _pointed(self, candidates: Sequence[int]) -> dict[int, tuple[str, str]]:
        """By the threads' own pointers: structure -> thread."""
        threads = find_threads(self._memory, self._space, self._pid, self._tids)
        owned = pointers(self._memory, threads, frozenset(candidates), self._likeness)
        missing = len(self._tids) - len(owned)
        if owned and missing > 0:
            self._notes.append(f"the tcaches of {missing} threads are not found")
        return {
            address: ("main" if tid == self._pid else f"thread {tid}", "") for tid, address in owned.items() if address
        }

    def _likeness(self, address: int) -> int:
        layout, capacity = self._found.layout, self._capacity
        try:
            block = heap_tcache.read_block(self._memory, address, layout, capacity)
        except TornError:
            return 0
        return heap_tcache.likeness(block, self._arenas, layout, capacity)

    def _candidates(self, mapped: Sequence[HeapChunk]) -> list[int]:
        """Every block that has the structure's size, or up to 32 bytes more: little is not split off."""
        size = self._found.layout.tcache_chunk
        found = []
        for arena in self._arenas:
            words = arena.words
            for word in (size + more | flags for more in (0, 16, 32) for flags in (1, 5, 0, 4)):
                at = -1
                while True:
                    try:
                        at = words.index(word, at + 1)
                    except ValueError:
                        break
                    if arena.states[at] == _USED:
                        found.append(arena.addresses[at] + HEADER)
        # With a very low mmap_threshold it has a mapping of its own.
        return found + [chunk.user for chunk in mapped if chunk.size == PAGE_SIZE]

    def _shaped(self, candidates: Sequence[int]) -> dict[int, tuple[str, str]]:
        """By the shape: the first chunk of an arena if it has the size, and whatever lists chunks just as one does."""
        chosen: dict[int, tuple[str, str]] = {}
        firsts = {arena.addresses[0] + HEADER: arena.name for arena in self._arenas if arena.addresses}
        for address in candidates[:_GUESSES]:
            alike = self._likeness(address)
            if alike == 2 or address in firsts:
                how = "it lists chunks as a tcache does" if alike == 2 else "the first chunk of its arena has its size"
                chosen[address] = ("main" if firsts.get(address) == "main" else "thread?", f"a guess: {how}")
        if chosen:
            self._notes.append("the thread control blocks are not found: whose tcache is which is a guess")
        return chosen

    # Mapped chunks, and all of it

    def _mapped(self) -> list[HeapChunk]:
        mp = self._mp
        if mp is None or not mp.n_mmaps:
            return []
        taken = [region for arena in self._arenas for region in arena.regions]
        taken += [heap_of(arena.state.address) for arena in self._arenas if arena.name != "main"]
        taken += [heap_of(region.start) for arena in self._arenas if arena.name != "main" for region in arena.regions]
        chunks = mapped_chunks(self._memory, self._space.vmas, sorted(taken), mp.n_mmaps, mp.mmapped_mem)
        if len(chunks) != mp.n_mmaps:
            self._notes.append(f"{len(chunks)} of {mp.n_mmaps} mapped chunks are recognised by their headers")
        return sorted(chunks)

    def _view(self, bins: Sequence[list[HeapBin]], caches: Sequence[ThreadCache], mapped: list[HeapChunk]) -> HeapView:
        torn = self._torn + [f"arena {arena.name}: {what}" for arena in self._arenas for what in arena.torn]
        if len(torn) > _TOLD:
            torn = [*torn[:_TOLD], f"and {len(torn) - _TOLD} more"]
        version = self._found.version
        first = next((cache for cache in caches if cache.name == "main"), None)
        return HeapView(
            allocator="ptmalloc (glibc)" if version is None else f"ptmalloc (glibc {version[0]}.{version[1]})",
            arenas=tuple(arena.view(held) for arena, held in zip(self._arenas, bins, strict=True)),
            tcache=() if first is None else first.bins,
            mmapped=ChunkTable.of(mapped),
            thresholds=None if self._mp is None else self._mp.thresholds,
            caches=tuple(caches),
            torn=tuple(torn),
            notes=tuple(self._notes),
        )
