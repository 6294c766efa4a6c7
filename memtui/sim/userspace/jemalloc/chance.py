"""The pseudo-random numbers of a thread (jemalloc 5.3.0, prng.h, ticker.h, src/ticker.c)."""

import math
from typing import Final

_MULTIPLIER: Final = 6364136223846793005
_INCREMENT: Final = 1442695040888963407
_WORD: Final = (1 << 64) - 1
_TICKS: Final = 1000
"""Ticks between two looks at the decay, on average (ARENA_DECAY_NTICKS_PER_UPDATE)."""
_TABLE_BITS: Final = 6
_SCALE: Final = 61


def _delays() -> tuple[int, ...]:
    """Logarithms of 1/64 to 64/64, scaled into bytes (src/ticker.py)."""
    count = 1 << _TABLE_BITS
    return tuple(int(-math.log(n / count) * _SCALE + 0.5) for n in range(1, count + 1))


_DELAYS: Final = _delays()


class Chance:
    """A linear congruential generator for each thread: the offsets of large blocks, and the decay's ticker.

    Args:
        seed: the address of the thread's own data (tsd), as jemalloc takes it.
    """

    def __init__(self, seed: int) -> None:
        self._state = seed
        self._left = _TICKS
        self._threads: dict[int, tuple[int, int]] = {}

    def switch(self, before: int, after: int) -> None:
        """Another thread runs; a new one's data is as good as anywhere."""
        self._threads[before] = self._state, self._left
        self._state, self._left = self._threads.pop(after, (after, _TICKS))

    def bits(self, count: int) -> int:
        """A number below 2 ** count."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _WORD
        return self._state >> (64 - count)

    def tick(self, count: int = 1) -> bool:
        """`count` events: whether it is time to look at the decay."""
        self._left -= count
        if self._left >= 0:
            return False
        self._left = _TICKS * _DELAYS[self.bits(_TABLE_BITS)] // _SCALE
        return True
