"""Models exit_mmap() (mm/mmap.c) and do_exit() (kernel/exit.c), 6.18."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.file_table import fput
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.overcommit import unacct_memory
from memtui.sim.kernel.vm_flags import VM_ACCOUNT
from memtui.sim.kernel.vma_tree import VmaTree

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def sys_exit_group(kernel: "Kernel", task: "Task", status: int = 0) -> Outcome:
    """exit_group(2): the whole process ends."""
    for other in [other for other in kernel.tasks.values() if other.tgid == task.tgid]:
        do_exit(kernel, other)
    return Outcome(0, "", f"the process ended with status {status}")


def sys_exit(kernel: "Kernel", task: "Task", status: int = 0) -> Outcome:
    """_exit(2): one thread ends."""
    do_exit(kernel, task)
    return Outcome(0, "", f"the thread ended with status {status}")


def do_exit(kernel: "Kernel", task: "Task") -> None:
    """A task ends: its memory and descriptors go with their last user."""
    if task.exited:
        return
    task.exited = True
    kernel.tasks.pop(task.pid, None)
    for group in kernel.memcgs.values():
        if task in group.members:
            group.members.remove(task)
    mmput(kernel, task.mm)
    task.files.users -= 1
    if task.files.users == 0:
        for file in task.files.open.values():
            fput(kernel, file)
        task.files.open.clear()
    for child in kernel.tasks.values():
        if child.ppid == task.pid:
            child.ppid = 1


def mmput(kernel: "Kernel", mm: Mm) -> None:
    """One task leaves the address space; the last one takes everything down (exit_mmap)."""
    mm.users -= 1
    if mm.users:
        return
    mm.note_peaks()
    mm.pages.release()
    for vma in mm.tree:
        if vma.flags & VM_ACCOUNT:
            unacct_memory(kernel, vma.pages)
        if vma.file is not None:
            fput(kernel, vma.file)
    mm.tree = VmaTree()
    mm.total_vm = mm.exec_vm = mm.stack_vm = mm.data_vm = mm.locked_vm = 0
