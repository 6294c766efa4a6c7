"""Models the folder of memory cgroups, of version 1 or 2 (mm/memcontrol.c, mm/memcontrol-v1.c, kernel/cgroup, 6.18)."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import ParseError
from memtui.model.event import Event, EventKind
from memtui.sim.kernel import memcontrol
from memtui.sim.kernel.memcontrol import MemoryCgroup
from memtui.sim.kernel.outcome import Errno
from memtui.sim.process import Process
from memtui.sim.syscall_table import arguments
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call, Echo

_PATH: Final = re.compile(
    r"/sys/fs/cgroup/(?:memory/|unified/)?(?P<group>.+?)/?(?P<file>(?:memory|cgroup)\.[\w.]+|tasks)?"
)
_V1: Final = "/sys/fs/cgroup/memory/"
"""Version 1 has no memory.oom.group."""
_SIZE: Final = re.compile(r"(\d{1,24})([KMGT]?)")
_SHIFTS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def is_cgroup(path: str) -> bool:
    """Whether the path leads into the folder of control groups."""
    return path.startswith("/sys/fs/cgroup/")


def write(world: World, process: Process, echo: Echo) -> Effect:
    """`echo VALUE > /sys/fs/cgroup/GROUP/FILE`.

    Raises:
        ParseError: the value is no number and no size.
    """
    match = _PATH.fullmatch(echo.path)
    group = world.kernel.memcgs.get(match["group"]) if match is not None else None
    writer = _WRITERS.get(match["file"] or "") if match is not None else None
    if group is None:
        return _refused("ENOENT", f"there is no memory cgroup for {echo.path}: mkdir makes one")
    if writer is None or (writer is _set_oom_group and echo.path.startswith(_V1)):
        why = f"the simulator gives {echo.path} no effect"
        return Effect(None, why=why, events=(Event(EventKind.NO_EFFECT, why),))
    try:
        return Effect(0, why=writer(world, process, group, echo.value.strip()))
    except Errno as failure:
        return _refused(failure.name, failure.why.partition(": ")[2])


def _mkdir(world: World, process: Process, call: Call) -> Effect:
    """mkdir(2) below /sys/fs/cgroup makes a group; other folders are not simulated."""
    (path,) = arguments(call, "s", world.variables)
    assert isinstance(path, bytes)
    match = _PATH.fullmatch(path.decode("utf-8", "surrogateescape"))
    if match is None:
        why = "folders are not simulated"
        return Effect(None, why=why, events=(Event(EventKind.NO_EFFECT, f"mkdir: {why}"),), recorded=True)
    if match["group"] in world.kernel.memcgs:
        return Effect(-1, "EEXIST", f"EEXIST: there is a memory cgroup {match['group']}")
    world.kernel.memcgs[match["group"]] = MemoryCgroup(match["group"])
    return Effect(0, why=f"a memory cgroup {match['group']}, without a limit and without members")


def _pages(value: str) -> int | None:
    if value in ("max", "-1"):
        return None
    match = _SIZE.fullmatch(value.upper())
    if match is None:
        raise ParseError(f"echo: expected a size such as 32M or max, not {value}")
    return int(match[1]) << _SHIFTS[match[2]] >> PAGE_SHIFT


def _set_limit(world: World, process: Process, group: MemoryCgroup, value: str) -> str:
    """mem_cgroup_resize_max(): what is above the limit is reclaimed; where that is not enough, nothing changes."""
    limit = _pages(value)
    over = memcontrol.usage(world.kernel, group) - limit if limit is not None else 0
    if over > 0:
        for _ in range(memcontrol.MAX_RECLAIM_RETRIES):
            memcontrol.reclaim(world.kernel, group, over)
            over = memcontrol.usage(world.kernel, group) - (limit or 0)
            if over <= 0:
                break
        else:
            raise Errno("EBUSY", f"{over:,} pages more than that are charged, and cannot be reclaimed")
    group.limit = limit
    charged = memcontrol.usage(world.kernel, group)
    return f"{group.name} may have {'all there is' if limit is None else f'{limit:,} pages'}; it has {charged:,}"


def _set_swap_max(world: World, process: Process, group: MemoryCgroup, value: str) -> str:
    group.swap_max = _pages(value)
    return f"{group.name} may swap out {'all that fits' if group.swap_max is None else f'{group.swap_max:,} pages'}"


def _set_swappiness(world: World, process: Process, group: MemoryCgroup, value: str) -> str:
    number = int(value) if re.fullmatch(r"\d{1,9}", value) else -1
    if not 0 <= number <= world.kernel.profile.max_swappiness:
        raise Errno("EINVAL", f"memory.swappiness takes 0 to {world.kernel.profile.max_swappiness}")
    group.swappiness = number
    return f"reclaim in {group.name} goes by swappiness {number}"


def _set_oom_group(world: World, process: Process, group: MemoryCgroup, value: str) -> str:
    if value not in ("0", "1"):
        raise Errno("EINVAL", "memory.oom.group takes 0 or 1")
    group.oom_group = value == "1"
    return f"if one process of {group.name} is killed for memory, {'all die' if group.oom_group else 'it alone dies'}"


def _move(world: World, process: Process, group: MemoryCgroup, value: str) -> str:
    """cgroup_procs_write(): 0 is the process that writes."""
    if not re.fullmatch(r"\d{1,9}", value):
        raise ParseError(f"echo: expected a pid, not {value}")
    task = world.kernel.tasks.get(int(value)) if int(value) else process.task
    if task is None:
        raise Errno("ESRCH", f"there is no process {value}")
    memcontrol.join(world.kernel, group, task)
    return f"process {task.pid} is in {group.name} now; what it has already stays charged where it was"


def _refused(errno: str, why: str) -> Effect:
    return Effect(-1, errno, f"{errno}: {why}", (Event(EventKind.FAILURE, f"{errno}: {why}"),))


_Writer = Callable[[World, Process, MemoryCgroup, str], str]
_WRITERS: Final[Mapping[str, _Writer]] = MappingProxyType(
    {
        "memory.limit_in_bytes": _set_limit,
        "memory.max": _set_limit,
        "memory.swap.max": _set_swap_max,
        "memory.swappiness": _set_swappiness,
        "memory.oom.group": _set_oom_group,
        "cgroup.procs": _move,
        "tasks": _move,
    }
)
HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType({"mkdir": _mkdir})
