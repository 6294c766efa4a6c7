"""Models expand_downwards() and acct_stack_growth() (mm/vma.c, 6.18): how a stack grows."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.limits import check_expand, may_lock
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.overcommit import acct_memory
from memtui.sim.kernel.rmap import anon_vma_prepare
from memtui.sim.kernel.vm_flags import VM_ACCESS_FLAGS, VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def expand_downwards(kernel: "Kernel", task: "Task", vma: Vma, address: int) -> Vma:
    """Let a VM_GROWSDOWN VMA grow down to the page at `address` (page aligned); gives the larger VMA.

    Raises:
        Errno: EPERM, ENOMEM; the VMA may have got its anon_vma nevertheless.
    """
    mm, gap = task.mm, kernel.profile.stack_guard_gap
    if address < kernel.mmap_min_addr:
        raise Errno("EPERM", "below vm.mmap_min_addr")
    prev = mm.tree.before(vma.start)
    if prev is not None and not prev.flags & VM_GROWSDOWN and prev.flags & VM_ACCESS_FLAGS and address - prev.end < gap:
        raise Errno("ENOMEM", f"the stack would come within {gap >> 10:,} KiB of the VMA at {prev.start:#x}")
    vma = anon_vma_prepare(kernel, mm, vma)
    pages = (vma.start - address) >> PAGE_SHIFT
    if pages > vma.pgoff:
        raise Errno("ENOMEM", "the offset of the stack would wrap")
    check_expand(task, vma.flags, pages)
    if vma.end - address > task.rlimits["STACK"]:
        raise Errno("ENOMEM", f"RLIMIT_STACK: the stack would have {(vma.end - address) >> 10:,} KiB")
    if not may_lock(task, vma.flags, pages << PAGE_SHIFT):
        raise Errno("ENOMEM", "RLIMIT_MEMLOCK: the stack is locked")
    acct_memory(kernel, task, mm, pages)
    if not vma.flags & VM_ACCOUNT:
        kernel.never_uncharged += pages
    if vma.flags & VM_LOCKED:
        mm.locked_vm += pages
    mm.account(vma.flags, pages)
    mm.note("the stack grew")
    return mm.update(vma, vma.ranged(address, vma.end, vma.pgoff - pages))
