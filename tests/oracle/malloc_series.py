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


class Op(NamedTuple):
    """One call; blocks are named by slots."""

    kind: Kind
    slot: int = 0
    a: int = 0
    b: int = 0


WORD: Final = (1 << 64) - 1
MIXES: Final = ("small", "mixed", "huge", "realloc", "align", "opt", "trim", "noroom", "sbrk")
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
}
_OPTIONS: Final[dict[int, Callable[[random.Random], int]]] = {
    -1: lambda rng: rng.choice([-1, rng.randrange(300_000)]),
    -2: lambda rng: rng.choice([0, rng.randrange(300_000), rng.randrange(10_000)]),
    -3: lambda rng: rng.randrange(5000, 300_000),
    -4: lambda rng: rng.choice([-1, 0, 3, 100]),
    -6: lambda rng: rng.choice([0, 0, 90]),
    1: lambda rng: rng.choice([-1, 0, 7, 8, 64, 128, 160, 200]),
    99: lambda rng: 0,
}
_FAR_TOO_MUCH: Final = (1 << 40, 1 << 46, 1 << 47, 1 << 62, (1 << 63) - 4096, (1 << 63) - 1, 1 << 63, WORD)
_ALIGNMENTS: Final = (8, 16, 24, 32, 48, 64, 256, 4096, 65536, 1 << 21)


def _size(rng: random.Random, mix: str) -> int:
    if mix == "small":
        return rng.randrange(rng.choice([40, 200, 1100]))
    if rng.random() < 0.004:
        return rng.choice(_FAR_TOO_MUCH)
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
        case Kind.MEMALIGN | Kind.POSIX_MEMALIGN:
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


def series(seed: int, mix: str, length: int) -> list[Op]:
    """`length` random calls of a mix."""
    rng = random.Random(f"{mix}{seed}")
    weights = _BASE | {Kind.FREE: rng.choice([32, 42, 50])} | _WEIGHTS[mix]
    ops: list[Op] = []
    live: list[int] = []
    blocked = False
    for slot in range(1, length + 1):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        impossible = {Kind.BLOCK} if blocked else {Kind.CLEAR}
        if not live:
            impossible |= {Kind.FREE, Kind.REALLOC}
        if kind in impossible:
            kind = Kind.MALLOC
        if kind is Kind.FREE:
            ops.append(Op(kind, live.pop(rng.randrange(len(live)))))
        elif kind is Kind.REALLOC:
            ops.append(Op(kind, rng.choice(live), _size(rng, mix)))
        elif kind is Kind.CLEAR:
            blocked = False
            ops.append(Op(kind))
        else:
            blocked |= kind is Kind.BLOCK
            if kind < Kind.TRIM:
                live.append(slot)
            ops.append(Op(kind, slot, *_arguments(rng, mix, kind)))
    return ops
