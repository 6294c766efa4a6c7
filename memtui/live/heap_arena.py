"""One arena of a running process: its state, its chunks and its bins (glibc, malloc/malloc.c and malloc/arena.c)."""

from array import array
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from memtui.live.heap_layout import (
    FIRST_LARGE,
    FLAGS,
    HEAP_MAX,
    NBINS,
    NONCONTIGUOUS,
    UNSORTED,
    Layout,
)
from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_space import Space, is_anonymous
from memtui.live.heap_walk import RegionWalk, beginnings, region_starts
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.heap import ArenaView, BinKind, ChunkState, HeapBin
from memtui.model.heap_table import NUMBERS, ChunkTable
from memtui.model.vma import VmaKind

_HEAPS: Final = 1 << 16
"""Heaps of one arena that are followed at most."""


class ArenaState(NamedTuple):
    """A copy of one malloc_state."""

    address: int
    layout: Layout
    data: bytes

    def word(self, offset: int) -> int:
        """The 8 bytes at `offset`."""
        return int.from_bytes(self.data[offset : offset + 8], "little")

    @property
    def top(self) -> int:
        """Address of the chunk at the end of the heap; its own bin header before the first one."""
        return self.word(self.layout.top)

    @property
    def is_empty(self) -> bool:
        """Whether no memory was ever asked for."""
        return self.top in (0, self.address + self.layout.top)

    @property
    def next(self) -> int:
        """The next arena of the ring."""
        return self.word(self.layout.next)

    @property
    def system_mem(self) -> int:
        """Bytes from the kernel."""
        return self.word(self.layout.next + 24)

    @property
    def contiguous(self) -> bool:
        """Whether the heap counts on the break."""
        return not self.data[4] & NONCONTIGUOUS

    def head(self, index: int) -> int:
        """What the links of bin `index` call its head."""
        return self.address + self.layout.top + 16 * (index - 1)

    def back(self, index: int) -> int:
        """The last chunk of bin `index`, or its head."""
        return self.word(self.layout.bins + 16 * (index - 1) + 8)

    def fast(self, index: int) -> int:
        """The first chunk of fastbin `index`, or 0."""
        return self.word(self.layout.fastbins + 8 * index)


def read_state(memory: ProcessMemory, address: int, layout: Layout) -> ArenaState:
    """The arena at `address`."""
    return ArenaState(address, layout, memory.read(address, layout.size))


class Arena:
    """The chunks of one arena by ascending address, in arrays, and who holds them."""

    def __init__(self, state: ArenaState, name: str) -> None:
        self.state = state
        self.name = name
        self.addresses = array("Q")
        self.words = array("Q")
        self.fds = array("Q")
        self.bks: dict[int, int] = {}
        """Index of a free chunk -> its bk."""
        self.states = bytearray()
        self.regions: list[Range] = []
        self.top_size = 0
        self.torn: list[str] = []

    def read(self, memory: ProcessMemory, starts: Sequence[Range], space: Space) -> Generator[int]:
        """Follow the chunks of all regions; gives the bytes that were read.

        Args:
            memory: of the process.
            starts: each region that is known: from its first chunk to where it ends at most.
            space: its VMAs.
        """
        top = self.state.top
        try:
            self.top_size = memory.words(top + 8, 1)[0] & ~FLAGS
        except TornError as error:
            self.torn.append(f"top: {error}")
        walks: list[RegionWalk] = []
        for start, limit in starts:
            while start < limit:
                walk = yield from self._walk(memory, start, limit)
                walks.append(walk)
                start = self._behind(memory, walk, limit) if walk.fenceposts and not self._foreign else limit
        if not self._foreign and not self.state.contiguous:
            yield from self._elsewhere(memory, space, walks)
        for walk in sorted(walks, key=lambda walk: walk.start):
            self._take(walk)

    @property
    def _foreign(self) -> bool:
        return self.name != "main"

    def _walk(self, memory: ProcessMemory, start: int, limit: int) -> Generator[int, None, RegionWalk]:
        top = self.state.top
        walk = RegionWalk(start, top if start <= top < limit else None, limit, foreign=self._foreign)
        yield from walk.follow(memory)
        return walk

    def _behind(self, memory: ProcessMemory, walk: RegionWalk, limit: int) -> int:
        """Where the heap goes on after someone else moved the break; `limit`: not in these mappings.

        Nothing tells the place: it is the first from which chunks lead to other fenceposts or to top.
        """
        if not walk.end <= self.state.top < limit:
            return limit
        start = next(beginnings(memory, walk.end, limit, self.state.top), None)
        if start is None:
            self.torn.append("the heap goes on elsewhere, but no chunks are found there")
        return limit if start is None else start

    def _elsewhere(self, memory: ProcessMemory, space: Space, walks: list[RegionWalk]) -> Generator[int]:
        """What came for the heap after brk was refused: places from which chunks lead to fenceposts or to top."""
        for vma in filter(is_anonymous, space.vmas):
            # What is mapped begins at a page; behind a break that someone else moved it need not.
            starts = beginnings if vma.kind is VmaKind.HEAP else region_starts
            at = vma.start
            while (start := next(starts(memory, at, vma.end, self.state.top), vma.end)) < vma.end:
                known = next((walk for walk in walks if 0 <= start - walk.start < self._size(walk)), None)
                walk = known or (yield from self._walk(memory, start, vma.end))
                if known is None and not walk.problem and (walk.fenceposts or walk.top is not None):
                    walks.append(walk)
                    known = walk
                at = start + 16 if known is None else known.start + self._size(known)

    def _size(self, walk: RegionWalk) -> int:
        return walk.end - walk.start + (self.top_size if walk.top is not None and not walk.fenceposts else 0)

    def _take(self, walk: RegionWalk) -> None:
        """The chunks of one region; what could not be followed up to its end is one chunk of unknown state."""
        base = len(self.words)
        self.words.extend(walk.words)
        self.fds.extend(walk.fds)
        self.addresses.extend(_addresses(walk))
        states = bytearray([NUMBERS[ChunkState.USED]]) * len(walk.words)
        if walk.fenceposts:
            states[-walk.fenceposts :] = bytes([NUMBERS[ChunkState.FENCEPOST]]) * walk.fenceposts
        free = NUMBERS[ChunkState.FREE]
        for index, bk in zip(walk.free, walk.bks, strict=True):
            states[index] = free
            self.bks[base + index] = bk
        self.states += states
        end = walk.end
        if walk.problem:
            self.torn.append(walk.problem)
            end = self._add(end, walk.stop - end, ChunkState.TORN)
        if walk.top is not None and not walk.fenceposts:
            end = self._add(walk.top, self.top_size, ChunkState.TOP)
        if self.regions and self.regions[-1].end == walk.start:
            self.regions[-1] = Range(self.regions[-1].start, end)
        elif end > walk.start:
            self.regions.append(Range(walk.start, end))

    def _add(self, address: int, size: int, state: ChunkState) -> int:
        if size > 0:
            self.addresses.append(address)
            self.words.append(size)
            self.fds.append(0)
            self.states.append(NUMBERS[state])
        return address + max(size, 0)

    def index(self, address: int) -> int | None:
        """The index of the chunk that begins at `address`."""
        nth = bisect_left(self.addresses, address)
        return nth if nth < len(self.addresses) and self.addresses[nth] == address else None

    def size(self, index: int) -> int:
        """Bytes of a chunk."""
        return self.words[index] & ~FLAGS

    # Lists

    def bins(self) -> list[HeapBin]:
        """Fastbins, unsorted, small and large bins; what they hold is marked, and held against the chunks."""
        found = [held for number in range(self.state.layout.fastbin_count) if (held := self._fastbin(number)).chunks]
        seen = 0
        for number in range(UNSORTED, NBINS - 1):
            chunks = array("Q", self._bin(number))
            seen += len(chunks)
            if chunks:
                found.append(self._described(number, chunks))
        unlisted = len(self.bks) - seen
        if unlisted > 0:
            self.torn.append(f"{unlisted} free chunks are in no bin")
        return found

    def _described(self, number: int, chunks: "array[int]") -> HeapBin:
        if number == UNSORTED:
            return HeapBin(BinKind.UNSORTED, 0, chunks, number)
        kind = BinKind.LARGE if number >= FIRST_LARGE else BinKind.SMALL
        first = self.index(chunks[0])
        return HeapBin(kind, 0 if first is None else self.size(first), chunks, number)

    def _bin(self, number: int) -> Iterator[int]:
        """From the back, which is what is looked at first."""
        head, chunk, behind = self.state.head(number), self.state.back(number), self.state.head(number)
        for _ in range(len(self.bks) + 1):
            if chunk == head:
                return
            index = self.index(chunk)
            bk = None if index is None else self.bks.get(index)
            if index is None or bk is None or self.fds[index] != behind:
                break
            yield chunk
            behind, chunk = chunk, bk
        self.torn.append(f"bin {number} is not linked both ways at {chunk:#x}")

    def _fastbin(self, number: int) -> HeapBin:
        size = 32 + 16 * number
        chunks = array("Q")
        chunk = self.state.fast(number)
        while chunk:
            index = self.index(chunk)
            if index is None or self.size(index) != size or self.states[index] != NUMBERS[ChunkState.USED]:
                self.torn.append(f"the fastbin of {size}-byte chunks has no such chunk at {chunk:#x}")
                break
            self.states[index] = NUMBERS[ChunkState.FASTBIN]
            chunks.append(chunk)
            chunk = self.state.layout.follow(self.fds[index], chunk + 16)
        return HeapBin(BinKind.FAST, size, chunks)

    def view(self, bins: Sequence[HeapBin]) -> ArenaView:
        """All of it as facts."""
        sizes = array("Q", [word & ~FLAGS for word in self.words])
        remainder = self.state.word(self.state.layout.last_remainder)
        index = self.index(remainder)
        kept = index is not None and self.states[index] == NUMBERS[ChunkState.FREE]
        return ArenaView(
            name=self.name,
            regions=tuple(self.regions),
            chunks=ChunkTable(self.addresses, sizes, self.states),
            bins=tuple(bins),
            top=self.state.top,
            top_size=self.top_size,
            last_remainder=remainder if kept else None,
            system_mem=self.state.system_mem,
            max_system_mem=self.state.word(self.state.layout.next + 32),
            contiguous=self.state.contiguous,
            address=self.state.address,
        )


def _addresses(walk: RegionWalk) -> "array[int]":
    addresses = array("Q", accumulate([word & ~FLAGS for word in walk.words], initial=walk.start))
    addresses.pop()
    return addresses


def thread_heaps(memory: ProcessMemory, state: ArenaState) -> list[Range]:
    """First chunk and end of every heap of a thread's arena, by ascending address (heap_info, malloc/arena.c).

    Raises:
        TornError: the heaps are not linked up to the one that the arena lies in.
    """
    heap, layout = state.top & -HEAP_MAX, state.layout
    found: list[Range] = []
    for _ in range(_HEAPS):
        arena, before, size = memory.words(heap, 3)
        if arena != state.address or not 0 < size <= HEAP_MAX or size % PAGE_SIZE:
            break
        holds_arena = heap == state.address & -HEAP_MAX
        first = state.address + layout.size if holds_arena else heap + layout.heap_info
        found.append(Range((first + 15) & ~15, heap + size))
        if holds_arena:
            return sorted(found)
        heap = before
    raise TornError(f"the heaps of the arena at {state.address:#x} are not linked")
