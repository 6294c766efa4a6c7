"""When an expensive reading is due again: a share of one core is spent on it, not a fixed rate."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

FREE: Final = 0.001
"""Seconds: a reading that costs less is due always."""
SHARE: Final = 0.01
"""Of the time, at most, goes into one dear reading: all that is read beside the screen is to cost two hundredths."""
SMALL_SHARE: Final = 0.002
"""The same for figures that are not what one looks at first."""
_CHEAP: Final = 0.02
"""Seconds."""
_AGES: Final = (3600, 600, 60, 30, 10, 5)
"""Seconds."""


class Pace:
    """Measures the readings of one kind and spaces them.

    Args:
        clock: seconds.
        longest: seconds after which a reading is due whatever it costs; None: it has to wait for its share.
        share: of the time that may go into it; None: SHARE.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        longest: float | None = None,
        share: float | None = None,
    ) -> None:
        self._clock = clock
        self._longest = longest
        self._share = share
        self._ended: float | None = None
        self._cost = 0.0

    @property
    def due(self) -> bool:
        """Whether to read now; the first time always."""
        age = self._age
        if age is None or self._cost < FREE or age >= self._cost / (self._share or SHARE):
            return True
        return self._longest is not None and age >= self._longest

    @property
    def used(self) -> bool:
        """Whether anything was read yet."""
        return self._ended is not None

    @property
    def cheap(self) -> bool:
        """Whether the last reading took so little that it may be made once more at once."""
        return self._cost < _CHEAP

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
        """For a reading that was not due: how old the figures are at least, and why; "" for a few seconds.

        Said in few steps, so that a picture does not change with every look.
        """
        age = self._age or 0.0
        step = next((step for step in _AGES if step <= age), None)
        cost = self._cost * 1000
        cost = round(cost, -1) if cost >= 100 else round(cost)
        return "" if step is None else f"over {step} s old: reading them takes {cost:.0f} ms"

    @property
    def _age(self) -> float | None:
        return None if self._ended is None else self._clock() - self._ended


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection while many values are made, none of which is garbage: it would look through all of them.

    Beside a screen, in a thread, it goes on: in small steps now, and not all at once behind the reading, which would
    hold up the screen.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
