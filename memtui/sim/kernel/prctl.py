"""Models the options of prctl(2) that concern memory (kernel/sys.c, mm/madvise.c, 6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.outcome import Errno, system_call

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

PR_SET_NAME: Final = 15
PR_SET_VMA: Final = 0x53564D41
TASK_COMM_LEN: Final = 16


@system_call
def sys_prctl(kernel: "Kernel", task: "Task", option: int, *arguments: int | bytes) -> int:
    """prctl(2): a name for the task; names for anonymous memory need CONFIG_ANON_VMA_NAME, which 6.18 here lacks."""
    if option == PR_SET_VMA:
        raise Errno("EINVAL", "this kernel was built without names for anonymous memory (CONFIG_ANON_VMA_NAME)")
    if option == PR_SET_NAME and arguments and isinstance(arguments[0], bytes):
        task.comm = arguments[0][: TASK_COMM_LEN - 1].decode("utf-8", "surrogateescape")
    else:
        task.mm.note("this option changes nothing in memory")
    return 0
