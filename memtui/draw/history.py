"""How figures went over the last looks or steps, and a line of bars for it."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.draw.ledger import process_counters
from memtui.model.snapshot import Snapshot

KEPT: Final = 240
"""Looks or steps, at most."""
_BARS: Final = "▁▂▃▄▅▆▇█"


class Series(NamedTuple):
    """One figure, KiB, oldest first; a look that did not tell it is left out."""

    name: str
    role: str
    values: tuple[int, ...]


class History:
    """Filled picture by picture. Of a simulation it reaches up to the step that is shown, however one got there."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, tuple[int | None, ...]]] = deque(maxlen=KEPT)
        self._whose: tuple[str, int | None] | None = None
        self.unit = "look"
        """What lies between two figures."""

    def __len__(self) -> int:
        return len(self._samples)

    def note(self, snapshot: Snapshot) -> None:
        """Take the figures of the next picture."""
        whose = snapshot.source, None if snapshot.mm is None else snapshot.mm.pid
        if whose != self._whose:
            self._samples.clear()
            self._whose = whose
        if snapshot.steps is not None:
            self.unit = "step"
            at = snapshot.steps.cursor
            while self._samples and self._samples[-1][0] >= at:
                self._samples.pop()
        else:
            at = self._samples[-1][0] + 1 if self._samples else 0
        self._samples.append((at, _figures(snapshot)))

    def series(self) -> list[Series]:
        """Every figure that did not stay the same."""
        found = []
        for nth, (name, role) in enumerate(_SERIES):
            values = tuple(value for _, figures in self._samples if (value := figures[nth]) is not None)
            if len(set(values)) > 1:
                found.append(Series(name, role, values))
        return found


_SERIES: Final = (
    ("anon", "residence.anon"),
    ("page cache", "residence.page_cache"),
    ("shmem", "residence.shmem"),
    ("swapped", "residence.swapped"),
    ("free", "bar.free"),
)
"""Of the process, and what is free of the machine."""


def _figures(snapshot: Snapshot) -> tuple[int | None, ...]:
    counters = process_counters(snapshot.mm)
    free = snapshot.system.meminfo.get("MemFree")
    return counters.rss_anon, counters.rss_file, counters.rss_shmem, counters.vm_swap, free


def sparkline(values: Sequence[int], cells: int) -> str:
    """The last `cells` values as bars, the lowest that is shown at the bottom and the highest at the top."""
    shown = values[-cells:] if cells > 0 else ()
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    steps = len(_BARS) - 1
    return "".join(_BARS[(value - low) * steps // (high - low) if high > low else 0] for value in shown)
