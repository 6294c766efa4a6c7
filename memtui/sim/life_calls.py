"""Steps that change what the killer of 2.6.32 weighed besides memory: age, CPU time, priority and rights of a process.

`sleep` and `nice` are the C library's, `setuid` is a system call; `burn(SECONDS)` is memtui's own: computing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.sim.process import Process
from memtui.sim.syscall_table import numbers
from memtui.sim.world import Effect, Handler, World
from memtui.trace.line import Call

_LOWEST: Final = -20
_HIGHEST: Final = 19


def _sleep(world: World, process: Process, call: Call) -> Effect:
    """sleep(SECONDS): time passes for everybody."""
    (seconds,) = numbers(call, 1, world.variables)
    world.kernel.seconds += max(seconds, 0)
    return Effect(0, why=f"{seconds:,} s pass: each process is so much older")


def _burn(world: World, process: Process, call: Call) -> Effect:
    """burn(SECONDS): time passes, and the process uses all of it on a CPU."""
    (seconds,) = numbers(call, 1, world.variables)
    world.kernel.seconds += max(seconds, 0)
    process.task.cpu_seconds += max(seconds, 0)
    return Effect(0, why=f"{seconds:,} s pass, and {process.task.comm} computes all the time")


def _nice(world: World, process: Process, call: Call) -> Effect:
    """nice(N): whoever may change the machine may also become less nice."""
    task = process.task
    (more,) = numbers(call, 1, world.variables)
    if more < 0 and not task.caps:
        return Effect(-1, "EPERM", "EPERM: a lower nice value needs CAP_SYS_NICE")
    task.nice = min(max(task.nice + more, _LOWEST), _HIGHEST)
    return Effect(task.nice, why=f"nice is {task.nice} now")


def _setuid(world: World, process: Process, call: Call) -> Effect:
    """setuid(UID): root that becomes somebody else loses every capability."""
    task = process.task
    (uid,) = numbers(call, 1, world.variables)
    if task.uid and uid != task.uid:
        return Effect(-1, "EPERM", "EPERM: only root becomes anybody")
    lost = task.caps if uid and not task.uid else frozenset()
    task.uid, task.caps = uid, task.caps - lost
    return Effect(0, why=f"uid {uid}" + (": every capability is gone" if lost else ""))


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {"sleep": _sleep, "burn": _burn, "nice": _nice, "setuid": _setuid}
)
