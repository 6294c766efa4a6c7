"""Models mm/msync.c (6.18)."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_up
from memtui.sim.kernel.mman import MS_ASYNC, MS_INVALIDATE, MS_SYNC
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_writeback import write_now
from memtui.sim.kernel.vm_flags import VM_LOCKED, VM_SHARED

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


@system_call
def sys_msync(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> int:
    """msync(2): address and length in bytes."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC):
        raise Errno("EINVAL", "an unknown flag")
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise Errno("EINVAL", "MS_ASYNC and MS_SYNC together")
    end = (start + page_up(length)) & ((1 << 64) - 1)
    if end < start:
        raise Errno("ENOMEM", "the range overflows")
    _walk(kernel, task, start, end, flags)
    task.mm.note("dirty shared pages were written" if flags & MS_SYNC else "the flusher threads write them later")
    return 0


def _walk(kernel: "Kernel", task: "Task", at: int, end: int, flags: int) -> None:
    """Sync VMA by VMA; holes are skipped, but remembered."""
    hole = False
    while at < end:
        vma = task.mm.tree.find(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x}")
        hole = hole or vma.start > at
        at = max(at, vma.start)
        if at >= end:
            break
        if flags & MS_INVALIDATE and vma.flags & VM_LOCKED:
            raise Errno("EBUSY", "MS_INVALIDATE on locked memory")
        if flags & MS_SYNC and vma.file is not None and vma.flags & VM_SHARED:
            stop = min(end, vma.end)
            inode = vma.file.inode
            write_now(kernel, inode, *inode.pages.whole(vma.pgoff_at(at), (stop - at) >> PAGE_SHIFT))
        at = vma.end
    if hole:
        raise Errno("ENOMEM", "a part of the range is not mapped; the rest was synced")
