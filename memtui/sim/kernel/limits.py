"""Models may_expand_vm() and mlock_future_ok() (mm/mmap.c, 6.18): the limits of one address space."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import CAP_IPC_LOCK
from memtui.sim.kernel.vm_flags import VM_LOCKED, is_data_mapping

if TYPE_CHECKING:
    from memtui.sim.kernel.task import Task


def check_expand(task: "Task", flags: int, pages: int) -> None:
    """may_expand_vm(): whether the address space may grow by `pages` of such a mapping.

    Raises:
        Errno: ENOMEM, over RLIMIT_AS or RLIMIT_DATA.
    """
    mm = task.mm
    if not fits_address_space(task, pages):
        raise Errno("ENOMEM", f"RLIMIT_AS: {mm.total_vm + pages:,} pages would be over the limit")
    if is_data_mapping(flags) and mm.data_vm + pages > task.rlimits["DATA"] >> PAGE_SHIFT:
        raise Errno("ENOMEM", f"RLIMIT_DATA: {mm.data_vm + pages:,} pages of data would be over the limit")


def fits_address_space(task: "Task", pages: int) -> bool:
    """Whether RLIMIT_AS allows `pages` more."""
    return task.mm.total_vm + pages <= task.rlimits["AS"] >> PAGE_SHIFT


def may_lock(task: "Task", flags: int, length: int) -> bool:
    """mlock_future_ok(): whether a mapping of `length` bytes with such flags stays within RLIMIT_MEMLOCK."""
    if not flags & VM_LOCKED or task.capable(CAP_IPC_LOCK):
        return True
    return (length >> PAGE_SHIFT) + task.mm.locked_vm <= task.rlimits["MEMLOCK"] >> PAGE_SHIFT


def can_do_mlock(task: "Task") -> bool:
    """Whether the task may lock anything at all (mm/mlock.c)."""
    return task.rlimits["MEMLOCK"] != 0 or task.capable(CAP_IPC_LOCK)
