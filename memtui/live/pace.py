"""When an expensive reading is due again: a share of one core is spent on it, not a fixed rate."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

FREE: Final = 0.1
"""Seconds: a reading that costs less is due always."""
SHARE: Final = 0.2
"""Of the time, at most, goes into one dear reading."""


class Pace:
    """Measures the readings of one kind and spaces them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ended: float | None = None
        self._cost = 0.0

    @property
    def due(self) -> bool:
        """Whether to read now; the first time always."""
        age = self._age
        return age is None or self._cost < FREE or age >= self._cost / SHARE

    @contextmanager
    def measured(self) -> Iterator[None]:
        """The reading itself."""
        began = self._clock()
        yield
        self._ended = self._clock()
        self._cost = self._ended - began

    def spent(self, seconds: float) -> None:
        """For a reading that was not made at one go: it ended just now, and has cost this much."""
        self._ended, self._cost = self._clock(), seconds

    @property
    def why_old(self) -> str:
        """For a reading that was not due: how old the figures are, and why."""
        return f"{self._age or 0.0:.1f} s old: reading them takes {self._cost * 1000:.0f} ms"

    @property
    def _age(self) -> float | None:
        return None if self._ended is None else self._clock() - self._ended
