"""The machine's own figures: Models fs/proc/meminfo.c and the sysctls of mm/."""

import os
import re
import time
from collections.abc import Callable
from typing import Final

from memtui.live.machine import Rates, read_events, read_pressure, read_swaps, read_zones
from memtui.live.procfs import Procfs
from memtui.model.errors import SourceError
from memtui.model.system import SystemSnapshot

_LINE: Final = re.compile(rb"^([^:\n]+): +(\d+)", re.MULTILINE)

SYSCTLS: Final = (
    "admin_reserve_kbytes",
    "dirty_background_bytes",
    "dirty_background_ratio",
    "dirty_bytes",
    "dirty_expire_centisecs",
    "dirty_ratio",
    "dirty_writeback_centisecs",
    "extfrag_threshold",
    "laptop_mode",
    "legacy_va_layout",
    "max_map_count",
    "min_free_kbytes",
    "mmap_min_addr",
    "nr_hugepages",
    "nr_overcommit_hugepages",
    "oom_dump_tasks",
    "oom_kill_allocating_task",
    "overcommit_kbytes",
    "overcommit_memory",
    "overcommit_ratio",
    "page-cluster",
    "panic_on_oom",
    "swappiness",
    "user_reserve_kbytes",
    "vfs_cache_pressure",
    "watermark_boost_factor",
    "watermark_scale_factor",
    "zone_reclaim_mode",
)
"""The files of /proc/sys/vm that are read. Named one by one: reading stat_refresh would change the machine."""
_SETTLED: Final = 5.0
"""Seconds for which sysctls are taken to stay as they are: they are two thirds of the files of a look."""


def parse_meminfo(text: bytes) -> dict[str, int]:
    """The kernel's spelling -> KiB (HugePages_*: a count), in the kernel's order."""
    return {name.decode(): int(value) for name, value in _LINE.findall(text)}


def read_sysctls(procfs: Procfs) -> dict[str, int]:
    """Those of `SYSCTLS` that this kernel has and lets be read."""
    values = {}
    for name in SYSCTLS:
        try:
            values[name] = int(procfs.read(f"sys/vm/{name}"))
        except (SourceError, ValueError):
            continue
    return values


class SystemReader:
    """Reads the machine's figures again and again; those that only an administrator changes once in a while."""

    def __init__(self, procfs: Procfs, clock: Callable[[], float] = time.monotonic) -> None:
        self._procfs, self._clock = procfs, clock
        self._last: SystemSnapshot | None = None
        self._rates = Rates(clock)
        self._settings: tuple[float, str, dict[str, int], dict[str, str]] | None = None
        """When they were read, the release, the sysctls, and what of them could not be had."""

    def read(self) -> SystemSnapshot:
        """The system now; the very object as before if nothing changed.

        What cannot be read (a proc mounted with subset=pid) is missing, with the reason in `unknown`.
        """
        release, sysctls, missing = self._settings_now()
        unknown = dict(missing)
        meminfo: dict[str, int] = {}
        try:
            meminfo = parse_meminfo(self._procfs.read("meminfo"))
        except SourceError as error:
            unknown["meminfo"] = str(error)
        events = read_events(self._procfs, unknown)
        system = SystemSnapshot(
            release,
            meminfo,
            sysctls,
            unknown,
            zones=read_zones(self._procfs, unknown),
            vmstat=events,
            rates=self._rates.of(events),
            swaps=read_swaps(self._procfs, unknown),
            pressure=read_pressure(self._procfs, unknown),
        )
        if self._last is None or _facts(self._last) != _facts(system):
            self._last = system
        return self._last

    def _settings_now(self) -> tuple[str, dict[str, int], dict[str, str]]:
        now = self._clock()
        if self._settings is None or now - self._settings[0] >= _SETTLED:
            missing: dict[str, str] = {}
            try:
                release = self._procfs.read("sys/kernel/osrelease").decode(errors="replace").strip()
            except SourceError as error:
                # A system call tells it too, of the running kernel.
                release = os.uname().release if self._procfs.root == "/proc" else ""
                if not release:
                    missing["release"] = str(error)
            self._settings = now, release, read_sysctls(self._procfs), missing
        return self._settings[1:]


def read_system(procfs: Procfs) -> SystemSnapshot:
    """The system now, once."""
    return SystemReader(procfs).read()


def _facts(system: SystemSnapshot) -> tuple[object, ...]:
    events = system.vmstat, system.rates
    figures = system.meminfo, system.sysctl, system.zones, events, system.swaps, system.pressure
    return system.release, figures, system.unknown
