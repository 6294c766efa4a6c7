"""What the machine tells beside meminfo: zones, events of reclaim, swap devices, pressure.

Models mm/vmstat.c, mm/swapfile.c and kernel/sched/psi.c as they print themselves.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from memtui.live.procfs import Procfs
from memtui.model.errors import SourceError
from memtui.model.system import SwapDevice, Zone

EVENTS: Final = frozenset(
    {
        *("pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd", "pgsteal_direct", "pswpin", "pswpout", "pgmajfault"),
        *("workingset_refault_anon", "workingset_refault_file", "oom_kill", "allocstall_normal", "allocstall_movable"),
    }
)
"""The lines of vmstat that are kept."""
_PERIOD: Final = 0.9
"""Seconds that a rate is over, at least."""
_ZONE: Final = re.compile(r"^Node (\d+), zone +(\S+)", re.MULTILINE)
_PROTECTION: Final = re.compile(r"protection: \(([^)]*)\)")
_KEYS: Final = frozenset({"free", "min", "low", "high", "managed"})
_AVERAGE: Final = re.compile(r"^(some|full) avg10=([\d.]+)", re.MULTILINE)


def read_zones(procfs: Procfs, unknown: dict[str, str]) -> tuple[Zone, ...]:
    """The zones that have pages, by node and ascending address."""
    return tuple(_zones(_text(procfs, "zoneinfo", "zones", unknown)))


def _zones(text: str) -> Iterator[Zone]:
    starts = [*_ZONE.finditer(text)]
    nodes = {match[1] for match in starts}
    for match, following in zip(starts, [*starts[1:], None], strict=False):
        part = text[match.end() : following.start() if following else len(text)]
        figures = _pages_of(part)
        if not figures.get("managed") or not figures.keys() >= _KEYS:
            continue
        name = match[2] if len(nodes) == 1 else f"{match[2]} {match[1]}"
        protection = _PROTECTION.search(part)
        reserve = tuple(int(pages) for pages in protection[1].split(",")) if protection else ()
        marks = figures["min"], figures["low"], figures["high"]
        yield Zone(name, figures["managed"], figures["free"], *marks, reserve)


def _pages_of(part: str) -> dict[str, int]:
    """The figures of the zone itself: those of its node come before "pages free", of its per-CPU lists behind."""
    begin = part.find("pages free")
    if begin < 0:
        return {}
    words = part[begin + len("pages ") : part.find("protection:", begin)].split()
    figures = zip(words[::2], words[1::2], strict=False)
    return {name: int(value) for name, value in figures if value.isdecimal()}


def read_events(procfs: Procfs, unknown: dict[str, str]) -> dict[str, int]:
    """Event -> how often since boot; those of `EVENTS` that this kernel counts."""
    words = _text(procfs, "vmstat", "vmstat", unknown).split()
    told = dict(zip(words[::2], words[1::2], strict=False))
    return {name: int(told[name]) for name in EVENTS & told.keys()}


class Rates:
    """Events a second between two looks that are a while apart: looks come at any time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: tuple[float, Mapping[str, int]] | None = None
        self._last: Mapping[str, float] = {}

    def of(self, events: Mapping[str, int]) -> Mapping[str, float]:
        """Of events since boot; {} the first time, as before until a second is over."""
        now = self._clock()
        if self._since is None:
            self._since = now, events
            return self._last
        began, before = self._since
        if now - began >= _PERIOD:
            self._last = {
                name: (count - before[name]) / (now - began) for name, count in events.items() if name in before
            }
            self._since = now, events
        return self._last


def read_swaps(procfs: Procfs, unknown: dict[str, str]) -> tuple[SwapDevice, ...]:
    """The swap devices, in the order in which they are listed."""
    devices = []
    for line in _text(procfs, "swaps", "swaps", unknown).splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 5 and all(field.lstrip("-").isdecimal() for field in fields[-3:]):
            size, used, priority = map(int, fields[-3:])
            devices.append(SwapDevice(" ".join(fields[:-4]), fields[-4], size, used, priority))
    return tuple(devices)


def read_pressure(procfs: Procfs, unknown: dict[str, str]) -> dict[str, float]:
    """Percent of the last ten seconds that some tasks ("some"), or all ("full"), waited for memory."""
    text = _text(procfs, "pressure/memory", "pressure", unknown)
    return {kind: float(value) for kind, value in _AVERAGE.findall(text)}


def _text(procfs: Procfs, name: str, key: str, unknown: dict[str, str]) -> str:
    try:
        return procfs.read(name).decode(errors="replace")
    except SourceError as error:
        unknown[key] = str(error)
        return ""
