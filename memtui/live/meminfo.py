"""The machine's own figures: Models fs/proc/meminfo.c and the sysctls of mm/."""

import re
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


def read_system(procfs: Procfs, previous: SystemSnapshot | None = None, rates: Rates | None = None) -> SystemSnapshot:
    """The system now; the very object `previous` if nothing changed.

    What cannot be read (a proc mounted with subset=pid) is missing, with the reason in `unknown`.
    """
    unknown: dict[str, str] = {}
    meminfo: dict[str, int] = {}
    release = ""
    try:
        meminfo = parse_meminfo(procfs.read("meminfo"))
    except SourceError as error:
        unknown["meminfo"] = str(error)
    try:
        release = procfs.read("sys/kernel/osrelease").decode(errors="replace").strip()
    except SourceError as error:
        unknown["release"] = str(error)
    events = read_events(procfs, unknown)
    system = SystemSnapshot(
        release,
        meminfo,
        read_sysctls(procfs),
        unknown,
        zones=read_zones(procfs, unknown),
        vmstat=events,
        rates={} if rates is None else rates.of(events),
        swaps=read_swaps(procfs, unknown),
        pressure=read_pressure(procfs, unknown),
    )
    return previous if previous is not None and _facts(previous) == _facts(system) else system


def _facts(system: SystemSnapshot) -> tuple[object, ...]:
    events = system.vmstat, system.rates
    figures = system.meminfo, system.sysctl, system.zones, events, system.swaps, system.pressure
    return system.release, figures, system.unknown
