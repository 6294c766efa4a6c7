"""Models personality(2) (kernel/exec_domain.c, include/uapi/linux/personality.h, 6.18), as far as memory heeds it."""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.mman import PROT_EXEC, PROT_READ
from memtui.sim.kernel.outcome import system_call
from memtui.sim.kernel.vm_flags import VM_EXEC

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MMAP_PAGE_ZERO: Final = 0x10_0000
ADDR_COMPAT_LAYOUT: Final = 0x20_0000
READ_IMPLIES_EXEC: Final = 0x40_0000
_QUERY: Final = 0xFFFF_FFFF
_TOLD: Final = {
    MMAP_PAGE_ZERO: "page 0 is mapped by the next execve",
    ADDR_COMPAT_LAYOUT: "the next execve lays memory out from below",
    READ_IMPLIES_EXEC: "what may be read may be executed, until the next execve",
}


@system_call
def sys_personality(kernel: "Kernel", task: "Task", persona: int) -> int:
    """personality(2): the one that was; 0xffffffff only asks."""
    old, persona = task.personality, persona & _QUERY
    if persona == _QUERY:
        task.mm.note("only asks")
        return old
    task.personality = persona
    told = [text for bit, text in _TOLD.items() if persona & bit]
    task.mm.note("; ".join(told) or "nothing that concerns memory here")
    return old


def implied_prot(task: "Task", prot: int) -> int:
    """PROT_* bits with the execution that READ_IMPLIES_EXEC adds."""
    return prot | PROT_EXEC if prot & PROT_READ and task.personality & READ_IMPLIES_EXEC else prot


def data_exec_flag(task: "Task") -> int:
    """TASK_EXEC of VM_DATA_DEFAULT_FLAGS: VM_EXEC or 0, for the heap."""
    return VM_EXEC if task.personality & READ_IMPLIES_EXEC else 0
