"""Random series of calls of the malloc family, by seed."""

import random
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple


class Kind(IntEnum):
    """As in malloc_driver.c."""

    MALLOC = 0
    FREE = 1
    CALLOC = 2
    REALLOC = 3
    MEMALIGN = 4
    POSIX_MEMALIGN = 5
    VALLOC = 6
    PVALLOC = 7
    TRIM = 8
    MALLOPT = 9
    SBRK = 10
    BLOCK = 11
    """Map a page a given distance above the break, so that brk is refused."""
    CLEAR = 12
    """Unmap that page."""
    FORK = 13
    """A child that only waits shares every page from now on."""
    FREE_AT = 14
    """Free the block, moved by some bytes, and keep its pointer."""
    START = 15
    """Start the thread whose number is the slot."""
    JOIN = 16
    """End that thread and wait for it."""
    LIMIT = 17
    """Let the address space grow by so many bytes only; 0: as it likes."""
    ALIGNED_ALLOC = 18
    CHILD = 19
    """The first thread forks, and the child goes on with the series."""
    LIMIT_DATA = 20
    """Let the data grow by so many bytes only; 0: as it likes."""


class Op(NamedTuple):
    """One call; blocks are named by slots."""

    kind: Kind
    slot: int = 0
    a: int = 0
    b: int = 0
    thread: int = 0
    """Who calls; 0 is the first thread."""

    @property
    def allocates(self) -> bool:
        """Whether it is of malloc's family, and about the block of its slot."""
        return self.kind < Kind.TRIM or self.kind is Kind.ALIGNED_ALLOC


WORD: Final = (1 << 64) - 1
MIXES: Final = ("small", "mixed", "huge", "realloc", "align", "opt", "trim", "noroom", "sbrk", "data", "edges")
THREADED: Final = ("threads", "arenas", "heaps", "limit", "aligned", "options", "fork")
MOST_THREADS: Final = 64
"""The first one too."""
_FORKS: Final = 5
_BASE: Final = {Kind.MALLOC: 40, Kind.FREE: 42, Kind.CALLOC: 6, Kind.REALLOC: 10, Kind.MEMALIGN: 1}
_WEIGHTS: Final[dict[str, dict[Kind, int]]] = {
    "small": {},
    "mixed": {Kind.TRIM: 1},
    "huge": {Kind.TRIM: 1, Kind.REALLOC: 20},
    "realloc": {Kind.REALLOC: 40, Kind.CALLOC: 20},
    "align": {Kind.MEMALIGN: 12, Kind.POSIX_MEMALIGN: 5, Kind.VALLOC: 1, Kind.PVALLOC: 1},
    "opt": {Kind.MALLOPT: 1, Kind.TRIM: 1},
    "trim": {Kind.TRIM: 4},
    "noroom": {Kind.BLOCK: 1, Kind.CLEAR: 2, Kind.SBRK: 1, Kind.TRIM: 1},
    "sbrk": {Kind.SBRK: 2, Kind.TRIM: 1},
    "data": {Kind.LIMIT_DATA: 2, Kind.TRIM: 1, Kind.REALLOC: 15},
    "edges": {Kind.MEMALIGN: 4, Kind.ALIGNED_ALLOC: 4, Kind.REALLOC: 15, Kind.TRIM: 1},
    "threads": {Kind.START: 2, Kind.JOIN: 1, Kind.TRIM: 1},
    "arenas": {Kind.START: 10, Kind.JOIN: 7},
    "heaps": {Kind.START: 1, Kind.JOIN: 1, Kind.TRIM: 1, Kind.REALLOC: 15},
    "limit": {Kind.START: 3, Kind.JOIN: 2, Kind.LIMIT: 2},
    "aligned": {
        Kind.START: 2,
        Kind.JOIN: 1,
        Kind.MEMALIGN: 12,
        Kind.POSIX_MEMALIGN: 5,
        Kind.VALLOC: 1,
        Kind.PVALLOC: 1,
    },
    "options": {Kind.START: 4, Kind.JOIN: 3, Kind.MALLOPT: 2, Kind.TRIM: 1},
    "fork": {Kind.START: 5, Kind.JOIN: 2, Kind.CHILD: 1, Kind.TRIM: 1},
}
_THREADS: Final = {
    "threads": (1, 2, 5),
    "arenas": (3, 12, 40),
    "heaps": (1, 3),
    "limit": (2, 4),
    "aligned": (2,),
    "options": (3, 8, 20),
    "fork": (0, 3, 10),
}
_OPTIONS: Final[dict[int, Callable[[random.Random], int]]] = {
    -1: lambda rng: rng.choice([-1, rng.randrange(300_000)]),
    -2: lambda rng: rng.choice([0, rng.randrange(300_000), rng.randrange(10_000)]),
    -3: lambda rng: rng.randrange(5000, 300_000),
    -4: lambda rng: rng.choice([-1, 0, 3, 100]),
    -6: lambda rng: rng.choice([0, 0, 90]),
    -7: lambda rng: rng.choice([0, 1, 3, 10]),
    -8: lambda rng: rng.choice([-1, 0, 2, 5, 100]),
    1: lambda rng: rng.choice([-1, 0, 7, 8, 64, 128, 160, 200]),
    99: lambda rng: 0,
}
_FAR_TOO_MUCH: Final = (1 << 40, 1 << 46, 1 << 47, 1 << 62, (1 << 63) - 4096, (1 << 63) - 1, 1 << 63, WORD)
_EDGES: Final = (
    *(0, 24, 40, 120, 128, 136, 152, 504, 1000, 1016, 1024, 1032, 1040, 3056, 3072, 10_728, 12_272, 20_480, 40_944),
    *(65_504, 65_520, 98_304, 131_024, 131_048, 131_072, 135_160, 163_840, 262_144, 524_288, 786_432),
    *((1 << 20) - 16, 2 << 20, 4 << 20, 32 << 20, 64 << 20),
)
"""Where bins, fastbins, tcache, consolidation, mmap and heaps begin and end."""
_ALIGNMENTS: Final = (8, 16, 24, 32, 48, 64, 256, 4096, 65536, 1 << 21)


def _size(rng: random.Random, mix: str) -> int:
    if mix == "edges":
        return max(0, rng.choice(_EDGES) + rng.randrange(-33, 34))
    if mix == "small":
        return rng.randrange(rng.choice([40, 200, 1100]))
    if rng.random() < 0.004:
        return rng.choice(_FAR_TOO_MUCH)
    if mix == "heaps" and rng.random() < 0.3:
        return rng.randrange(rng.choice([130_000, 4 << 20, 33 << 20]))
    if mix == "huge" and rng.random() < 0.5:
        low, high = rng.choice([(100_000, 300_000), (1 << 17, 1 << 20), (1 << 20, 40 << 20)])
        return rng.randrange(low, high)
    if mix in ("noroom", "sbrk") and rng.random() < 0.3:
        return rng.randrange(120_000)
    most = rng.choices([200, 2000, 20_000, 200_000], [60, 25, 12, 3])[0]
    return rng.randrange(most)


def _arguments(rng: random.Random, mix: str, kind: Kind) -> tuple[int, ...]:
    match kind:
        case Kind.CALLOC:
            return rng.randrange(1, 4), _size(rng, mix) // 2
        case Kind.MEMALIGN | Kind.POSIX_MEMALIGN | Kind.ALIGNED_ALLOC:
            return rng.choice(_ALIGNMENTS), _size(rng, mix)
        case Kind.TRIM:
            return (rng.choice([0, 0, 1000, 100_000]),)
        case Kind.MALLOPT:
            option = rng.choice(list(_OPTIONS))
            return option & WORD, _OPTIONS[option](rng) & WORD
        case Kind.SBRK if mix == "noroom" and rng.random() < 0.95:
            return (rng.randrange(1, 20) * 4096,)
        case Kind.SBRK:
            return (rng.choice([rng.randrange(1, 100), 4096, rng.randrange(200_000)]),)
        case Kind.BLOCK:
            return (rng.randrange(40) * 4096,)
        case _:
            return (_size(rng, mix),)


class _Series:
    """The series as it grows."""

    def __init__(self, seed: int, mix: str) -> None:
        self.mix = mix
        self.rng = random.Random(f"{mix}{seed}")
        self.weights = _BASE | {Kind.FREE: self.rng.choice([32, 42, 50])} | _WEIGHTS[mix]
        self.most_threads = self.rng.choice(_THREADS.get(mix, (0,)))
        self.ops: list[Op] = []
        self.live: list[int] = []
        self.threads = [0]
        self.started = 0
        self.thread = 0
        self.forked = 0
        self.blocked = self.limited = False

    def add(self, slot: int) -> None:
        """One more call."""
        rng = self.rng
        if rng.random() < 0.2:
            self.thread = rng.choice(self.threads)
        kind = rng.choices(list(self.weights), list(self.weights.values()))[0]
        if kind in self._impossible():
            kind = Kind.MALLOC
        self.ops.append(self._made(kind, slot)._replace(thread=self.thread))

    def _impossible(self) -> set[Kind]:
        found = {Kind.BLOCK} if self.blocked else {Kind.CLEAR}
        if not self.live:
            found |= {Kind.FREE, Kind.REALLOC}
        if self.limited or len(self.threads) > self.most_threads or self.started == MOST_THREADS - 1:
            found.add(Kind.START)
        if len(self.threads) == 1:
            found.add(Kind.JOIN)
        if self.thread or self.forked == _FORKS:
            found.add(Kind.CHILD)
        return found

    def _made(self, kind: Kind, slot: int) -> Op:
        rng = self.rng
        match kind:
            case Kind.FREE:
                return Op(kind, self.live.pop(rng.randrange(len(self.live))))
            case Kind.REALLOC:
                return Op(kind, rng.choice(self.live), _size(rng, self.mix))
            case Kind.CLEAR:
                self.blocked = False
                return Op(kind)
            case Kind.START:
                self.started += 1
                self.threads.append(self.started)
                return Op(kind, self.started)
            case Kind.JOIN:
                ended = self.threads.pop(rng.randrange(1, len(self.threads)))
                if self.thread == ended:
                    self.thread = 0
                return Op(kind, ended)
            case Kind.CHILD:
                self.forked += 1
                self.threads = [0]
                return Op(kind)
            case Kind.LIMIT | Kind.LIMIT_DATA:
                self.limited = not self.limited
                return Op(kind, 0, rng.choice([1 << 16, 1 << 20, 50 << 20, 70 << 20]) if self.limited else 0)
        self.blocked |= kind is Kind.BLOCK
        made = Op(kind, slot, *_arguments(rng, self.mix, kind))
        if made.allocates:
            self.live.append(slot)
        return made


def series(seed: int, mix: str, length: int) -> list[Op]:
    """`length` random calls of a mix."""
    grown = _Series(seed, mix)
    for slot in range(1, length + 1):
        grown.add(slot)
    return grown.ops
