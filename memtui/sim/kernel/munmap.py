"""Models do_vmi_munmap() and what it is made of (mm/vma.c, 6.18), and munmap(2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SIZE, TASK_SIZE, page_up
from memtui.sim.kernel import free_area_cache
from memtui.sim.kernel.outcome import Errno, counted, system_call
from memtui.sim.kernel.overcommit import unacct_memory
from memtui.sim.kernel.vm_flags import VM_ACCOUNT, VM_LOCKED, VM_SEALED
from memtui.sim.kernel.vma import Vma
from memtui.sim.kernel.vma_merge import drop, split

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task


def gather(kernel: "Kernel", mm: "Mm", start: int, end: int) -> list[Vma]:
    """vms_gather_munmap_vmas(): the VMAs of [start, end), cut at its edges; nothing is unmapped yet.

    Raises:
        Errno: ENOMEM at vm.max_map_count, EPERM for a sealed VMA, EINVAL for a part of a special mapping. The cut
            at the lower edge may have happened.
    """
    vmas = mm.tree.span(start, end)
    if not vmas:
        return vmas
    first = vmas[0]
    if start > first.start:
        if end < first.end and mm.map_count >= kernel.sysctl["max_map_count"]:
            raise Errno("ENOMEM", "a hole inside a VMA makes one more, and vm.max_map_count is reached")
        _check_seal(first)
        _, vmas[0] = split(kernel, mm, first, start)
    for vma in vmas:
        _check_seal(vma)
    if vmas[-1].end > end:
        vmas[-1], _ = split(kernel, mm, vmas[-1], end)
    return vmas


def complete(kernel: "Kernel", mm: "Mm", vmas: Sequence[Vma]) -> None:
    """vms_complete_munmap_vmas(): drop whole VMAs of the tree, their pages and page tables."""
    if not vmas:
        return
    mm.note_peaks()
    start, end = vmas[0].start, vmas[-1].end
    if mm.pages.puds:
        below, above = mm.tree.before(start), mm.tree.find(end)
        mm.pages.free_tables(start, end, below.end if below else 0, above.start if above else None)
        mm.pages.zap(start, end)
    for vma in vmas:
        pages = vma.pages
        mm.account(vma.flags, -pages)
        if vma.flags & VM_LOCKED:
            mm.locked_vm -= pages
        if vma.flags & VM_ACCOUNT:
            unacct_memory(kernel, pages)
        drop(kernel, mm, vma)
    if kernel.profile.free_area_cache:
        free_area_cache.unmapped(mm, end)


def do_munmap(kernel: "Kernel", mm: "Mm", start: int, length: int) -> None:
    """do_vmi_munmap(): check the range and unmap what lies in it.

    Raises:
        Errno: EINVAL for a bad range, or as `gather`.
    """
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    if start > TASK_SIZE or length > TASK_SIZE - start:
        raise Errno("EINVAL", "the range leaves the user address space")
    end = start + page_up(length)
    if end == start:
        raise Errno("EINVAL", "the length is 0")
    vmas = gather(kernel, mm, start, end)
    complete(kernel, mm, vmas)
    mm.note(f"unmapped: {counted(len(vmas), 'VMA')}" if vmas else "nothing was mapped there")


@system_call
def sys_munmap(kernel: "Kernel", task: "Task", addr: int, length: int) -> int:
    """munmap(2): addresses and lengths in bytes."""
    do_munmap(kernel, task.mm, addr, length)
    return 0


def _check_seal(vma: Vma) -> None:
    if vma.flags & VM_SEALED:
        raise Errno("EPERM", f"{vma.start:#x}-{vma.end:#x} is sealed")
