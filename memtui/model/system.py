"""The whole machine's memory at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from memtui.model.oom_rule import OomRule, rule_of


class Zone(NamedTuple):
    """A zone of physical memory (/proc/zoneinfo), pages."""

    name: str
    """ "DMA", "DMA32", "Normal", ..."""
    managed: int
    free: int
    min: int
    low: int
    """Below it kswapd is woken."""
    high: int
    """Above it kswapd sleeps."""
    protection: tuple[int, ...] = ()
    """lowmem_reserve: what allocations that could use a higher zone must leave here, by that zone."""


class SwapDevice(NamedTuple):
    """A line of /proc/swaps. Sizes in KiB."""

    name: str
    kind: str
    """ "partition" or "file"."""
    size: int
    used: int
    priority: int
    taken: tuple[tuple[int, int], ...] | None = None
    """The first runs of slots that are taken: first and last; None: not told. Only a simulation tells."""


@dataclass(frozen=True, slots=True, eq=False)
class SystemSnapshot:
    """What /proc/meminfo and the sysctls of mm/ say, or what the simulated kernel has instead."""

    release: str
    """uname -r of the kernel that is looked at, real or simulated: "6.18.44"."""
    meminfo: Mapping[str, int] = field(default_factory=dict)
    """The kernel's spelling ("MemTotal", "Active(anon)") -> KiB (HugePages_*: a count). What the kernel does not
    tell is not there: read with .get(), which gives None."""
    sysctl: Mapping[str, int] = field(default_factory=dict)
    """File name below /proc/sys/vm -> value: "overcommit_memory", "swappiness", ... Missing as above."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be had -> why."""
    zones: tuple[Zone, ...] = ()
    """By ascending address; empty: not told."""
    vmstat: Mapping[str, int] = field(default_factory=dict)
    """Events since boot in the kernel's spelling ("pgscan_kswapd", "pswpout", "oom_kill"); missing as above."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """The same events a second, over the last second or so of a live machine; empty: not yet told."""
    swaps: tuple[SwapDevice, ...] = ()
    """The swap devices."""
    pressure: Mapping[str, float] = field(default_factory=dict)
    """ "some", "full" -> percent of the last ten seconds that tasks waited for memory; missing as above."""
    approximate: Mapping[str, str] = field(default_factory=dict)
    """What is only approximately what a running kernel would have -> why. Empty for a live source."""

    @property
    def oom_rule(self) -> OomRule:
        """How this kernel chooses when memory runs out."""
        return rule_of(self.release)

    @property
    def totalpages(self) -> int | None:
        """RAM + swap in pages: what oom_badness divides by (mm/oom_kill.c, constrained_alloc)."""
        total, swap = self.meminfo.get("MemTotal"), self.meminfo.get("SwapTotal")
        return None if total is None or swap is None else total // 4 + swap // 4

    @property
    def anon(self) -> int | None:
        """AnonPages, KiB."""
        return self.meminfo.get("AnonPages")

    @property
    def shmem(self) -> int | None:
        """Shmem, KiB: also part of Cached."""
        return self.meminfo.get("Shmem")

    @property
    def page_cache(self) -> int | None:
        """Pages of files, KiB: Cached + Buffers without Shmem, which has no file behind it."""
        parts = [self.meminfo.get(name) for name in ("Cached", "Buffers", "Shmem")]
        if any(part is None for part in parts):
            return None
        cached, buffers, shmem = (part or 0 for part in parts)
        return cached + buffers - shmem
