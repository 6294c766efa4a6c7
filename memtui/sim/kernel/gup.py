"""Models mm_populate() of mm/gup.c (6.18): pages that the kernel faults in on behalf of a process."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.fault import ACCERR
from memtui.sim.kernel.memory import fault_range
from memtui.sim.kernel.outcome import Errno, Fault
from memtui.sim.kernel.pkeys import denied, permitted
from memtui.sim.kernel.vm_flags import (
    VM_ACCESS_FLAGS,
    VM_IO,
    VM_LOCKONFAULT,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_SHARED,
    VM_WRITE,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma


def populate(kernel: "Kernel", task: "Task", start: int, end: int, *, ignore_errors: bool = False) -> None:
    """__mm_populate(): fault in [start, end) as MAP_POPULATE and mlock do.

    Raises:
        Errno: EFAULT, a page cannot be had, unless `ignore_errors`.
    """
    at = start
    while at < end:
        vma = task.mm.tree.find(at)
        if vma is None or vma.start >= end:
            return
        at = max(at, vma.start)
        stop = min(end, vma.end)
        if not vma.flags & (VM_IO | VM_PFNMAP):
            try:
                populate_vma(kernel, task, vma, at, stop, retries=True)
            except Fault as fault:
                if not ignore_errors:
                    raise Errno("EFAULT", fault.why) from None
        at = stop


def populate_vma(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int, *, retries: bool = False) -> None:
    """populate_vma_page_range(): write faults for private writable memory, read faults for the rest.

    Args:
        kernel: the machine.
        task: who populates.
        vma: a VMA of its own.
        start: of the range in it.
        end: of the range in it.
        retries: whether a fault may let go of the mmap lock while it waits (FOLL_UNLOCKABLE).

    Raises:
        Fault: a page cannot be had.
    """
    if vma.flags & VM_LOCKONFAULT:
        return
    if not vma.flags & VM_ACCESS_FLAGS or not vma.flags & VM_MAYREAD:
        raise Fault(ACCERR, start, "the mapping allows no access")
    write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
    if not permitted(task, vma.flags, write=write):
        raise denied(task, vma, start)
    major, swapped = task.maj_flt, kernel.swap.waits
    task.fills = True
    try:
        fault_range(kernel, task, vma, start, end, write=write)
    finally:
        task.fills = False
        # Who let go of the lock asks anew when the file's page is there: that fault, a minor one, is what is counted.
        waited = max(task.maj_flt - major - (kernel.swap.waits - swapped), 0) if retries else 0
        task.maj_flt -= waited
        task.min_flt += waited
