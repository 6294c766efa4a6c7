"""Models getrlimit(2) and setrlimit(2) (kernel/sys.c, 6.18)."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.task import RLIM_INFINITY, RLIMIT_NUMBERS

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

RLIM_NLIMITS = 16


@system_call
def sys_setrlimit(kernel: "Kernel", task: "Task", resource: int, soft: int, hard: int = RLIM_INFINITY) -> int:
    """setrlimit(2): limits in bytes."""
    return _set(task, resource, soft, hard)


@system_call
def sys_prlimit64(
    kernel: "Kernel", task: "Task", pid: int, resource: int, soft: int | None = None, hard: int = RLIM_INFINITY
) -> int:
    """prlimit64(2): `pid` 0 is the caller; without `soft` nothing is set."""
    if not 0 <= resource < RLIM_NLIMITS:
        raise Errno("EINVAL", "no such limit")
    target = task if pid in (0, task.pid) else kernel.tasks.get(pid)
    if target is None:
        raise Errno("ESRCH", f"there is no process {pid}")
    if soft is None:
        task.mm.note("only asks for the limit")
        return 0
    return _set(target, resource, soft, hard)


def _set(task: "Task", resource: int, soft: int, hard: int) -> int:
    if not 0 <= resource < RLIM_NLIMITS:
        raise Errno("EINVAL", "no such limit")
    soft &= RLIM_INFINITY
    if soft > hard & RLIM_INFINITY:
        raise Errno("EINVAL", "the soft limit is above the hard one")
    name = RLIMIT_NUMBERS.get(resource)
    if name is not None:
        task.rlimits[name] = soft
        shown = "unlimited" if soft == RLIM_INFINITY else f"{soft:,} bytes"
        task.mm.note(f"RLIMIT_{name} is {shown} from now on; what is mapped stays")
    else:
        task.mm.note("this limit does not concern memory")
    return 0
