"""Models mm/mseal.c (6.18)."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SIZE, page_up
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.vm_flags import VM_SEALED
from memtui.sim.kernel.vma_merge import modify

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


@system_call
def sys_mseal(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> int:
    """mseal(2): address and length in bytes; the whole range must be mapped."""
    if not kernel.profile.mseal:
        raise Errno("ENOSYS", f"Linux {kernel.profile.name} has no mseal")
    if flags:
        raise Errno("EINVAL", "an unknown flag")
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    size = page_up(length) & ((1 << 64) - 1)
    if length and not size:
        raise Errno("EINVAL", "the length overflows")
    end = start + size
    if end >= 1 << 64:
        raise Errno("EINVAL", "the range overflows")
    if end == start:
        return 0
    mm = task.mm
    vmas, at = mm.tree.span(start, end), start
    for vma in vmas:
        if vma.start > at:
            break
        at = vma.end
    if at < end:
        raise Errno("ENOMEM", f"nothing is mapped at {at:#x}")
    at = start
    while at < end:
        here = mm.tree.at(at)
        assert here is not None
        stop = min(here.end, end)
        if not here.flags & VM_SEALED:
            here = modify(kernel, mm, here, at, stop, here.flags | VM_SEALED)
        at = max(stop, here.end)
    return 0
