"""Models the files below /proc that an administrator writes: kernel/sysctl.c, mm/util.c, fs/proc/base.c (6.18)."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.errors import ParseError
from memtui.model.event import Event, EventKind
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN
from memtui.model.oom_legacy import OOM_ADJUST_MAX, OOM_DISABLE, score_adj_of
from memtui.sim import cgroup_files
from memtui.sim.kernel.drop_caches import drop_caches
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mmzone import set_marks
from memtui.sim.kernel.task import Task
from memtui.sim.process import Process
from memtui.sim.world import Effect, World
from memtui.trace.line import Echo

_SYSCTL: Final = "/proc/sys/vm/"
_TASK_FILE: Final = re.compile(r"/proc/(self|\d{1,10})/(oom_score_adj|oom_adj)")


def write(world: World, process: Process, echo: Echo) -> Effect:
    """`echo VALUE > PATH`, typed by someone who may.

    Raises:
        ParseError: the value is no number.
    """
    if echo.path.startswith(_SYSCTL):
        return _write_sysctl(world.kernel, echo.path.removeprefix(_SYSCTL), echo)
    if cgroup_files.is_cgroup(echo.path):
        return cgroup_files.write(world, process, echo)
    match = _TASK_FILE.fullmatch(echo.path)
    if match is None:
        return _without_effect(echo)
    pid = process.task.pid if match[1] == "self" else int(match[1])
    task = world.kernel.tasks.get(pid)
    if task is None:
        return _refused("ENOENT", f"there is no process {pid}")
    return _WRITERS[match[2]](task, _number(echo))


def _write_sysctl(kernel: Kernel, name: str, echo: Echo) -> Effect:
    if name == "drop_caches":
        return _drop_caches(kernel, _number(echo))
    if name not in kernel.sysctl:
        return _without_effect(echo)
    value = _number(echo)
    ranges = {**_RANGES, "swappiness": (0, kernel.profile.max_swappiness)}
    low, high = ranges.get(name, (0, 2**31 - 1))
    if not low <= value <= high:
        return _refused("EINVAL", f"vm.{name} takes {low} to {high:,}")
    before = kernel.sysctl[name]
    kernel.sysctl[name] = value
    if name in ("min_free_kbytes", "watermark_scale_factor"):
        set_marks(kernel, kernel.zones)
    other = _EXCLUSIVE.get(name)
    if other is not None:
        kernel.sysctl[other] = 0
        return Effect(0, why=f"vm.{name} was {before}, and vm.{other} becomes 0: only one of them sets the limit")
    return Effect(0, why=f"vm.{name} was {before}")


def _drop_caches(kernel: Kernel, what: int) -> Effect:
    """drop_caches_sysctl_handler(), fs/drop_caches.c."""
    if not 1 <= what <= 4:
        return _refused("EINVAL", "vm.drop_caches takes 1 to 4")
    return Effect(0, why=drop_caches(kernel, what))


def _write_oom_score_adj(task: Task, value: int) -> Effect:
    """oom_score_adj_write(), fs/proc/base.c."""
    if not OOM_SCORE_ADJ_MIN <= value <= OOM_SCORE_ADJ_MAX:
        return _refused("EINVAL", f"oom_score_adj takes {OOM_SCORE_ADJ_MIN} to {OOM_SCORE_ADJ_MAX}")
    before, task.oom_score_adj = task.oom_score_adj, value
    return Effect(0, why=f"oom_score_adj of {task.pid} was {before}")


def _write_oom_adj(task: Task, value: int) -> Effect:
    """oom_adj_write(), fs/proc/base.c: 15 is the maximum, all else is scaled from 17 to 1000."""
    if not OOM_DISABLE <= value <= OOM_ADJUST_MAX:
        return _refused("EINVAL", f"oom_adj takes {OOM_DISABLE} to {OOM_ADJUST_MAX}")
    adj = score_adj_of(value)
    before, task.oom_score_adj = task.oom_score_adj, adj
    return Effect(0, why=f"oom_adj {value} is oom_score_adj {adj}; it was {before}")


_WRITERS: Final[Mapping[str, Callable[[Task, int], Effect]]] = MappingProxyType(
    {"oom_score_adj": _write_oom_score_adj, "oom_adj": _write_oom_adj}
)
_RANGES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "overcommit_memory": (0, 2),
        "page-cluster": (0, 31),
        "watermark_scale_factor": (1, 3000),
        "dirty_ratio": (0, 100),
        "dirty_background_ratio": (0, 100),
        "panic_on_oom": (0, 2),
    }
)
"""What a sysctl takes, if not any number from 0 (kernel/sysctl.c, mm/page_alloc.c)."""
_EXCLUSIVE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "overcommit_ratio": "overcommit_kbytes",
        "overcommit_kbytes": "overcommit_ratio",
        "dirty_ratio": "dirty_bytes",
        "dirty_bytes": "dirty_ratio",
        "dirty_background_ratio": "dirty_background_bytes",
        "dirty_background_bytes": "dirty_background_ratio",
    }
)


def _number(echo: Echo) -> int:
    text = echo.value.strip("\"' ")
    if not re.fullmatch(r"-?\d{1,24}", text):
        raise ParseError(f"echo: expected a number, not {echo.value}")
    return int(text)


def _refused(errno: str, why: str) -> Effect:
    return Effect(-1, errno, f"{errno}: {why}", (Event(EventKind.FAILURE, f"{errno}: {why}"),))


def _without_effect(echo: Echo) -> Effect:
    why = f"the simulator gives {echo.path} no effect"
    return Effect(None, why=why, events=(Event(EventKind.NO_EFFECT, why),))
