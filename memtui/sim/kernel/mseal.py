"""Models mm/mseal.c (6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SIZE, page_up
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.vm_flags import VM_SEALED
from memtui.sim.kernel.vma_merge import modify

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


_WORD: Final = (1 << 64) - 1


@system_call
def sys_mseal(kernel: "Kernel", task: "Task", start: int, length: int, flags: int) -> int:
    """mseal(2): address and length in bytes; the whole range must be mapped."""
    if not kernel.profile.mseal:
        raise Errno("ENOSYS", f"Linux {kernel.profile.name} has no mseal")
    if flags:
        raise Errno("EINVAL", "an unknown flag")
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    size = page_up(length) & _WORD
    if (length and not size) or start + size > _WORD:
        raise Errno("EINVAL", "the range overflows")
    end = start + size
    if size:
        _check_mapped(task, start, end)
        _seal(kernel, task, start, end)
    task.mm.note("sealed for good: neither unmapped, moved nor given other access" if size else "the length is 0")
    return 0


def _check_mapped(task: "Task", start: int, end: int) -> None:
    at = start
    for vma in task.mm.tree.span(start, end):
        if vma.start > at:
            break
        at = vma.end
    if at < end:
        raise Errno("ENOMEM", f"nothing is mapped at {at:#x}")


def _seal(kernel: "Kernel", task: "Task", at: int, end: int) -> None:
    while at < end:
        vma = task.mm.tree.at(at)
        assert vma is not None
        stop = min(vma.end, end)
        if not vma.flags & VM_SEALED:
            vma = modify(kernel, task.mm, vma, at, stop, vma.flags | VM_SEALED)
        at = max(stop, vma.end)
