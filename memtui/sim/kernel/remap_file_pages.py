"""Models remap_file_pages(2), which mmap() stands in for since 4.0 (mm/mmap.c, 6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, page_down
from memtui.sim.kernel.mman import MAP_FIXED, MAP_LOCKED, MAP_NONBLOCK, MAP_POPULATE, MAP_SHARED
from memtui.sim.kernel.mmap import vm_mmap
from memtui.sim.kernel.munmap import do_munmap
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.vm_flags import VM_ACCESS_FLAGS, VM_LOCKED, VM_SHARED

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_WORD: Final = (1 << 64) - 1


@system_call
def sys_remap_file_pages(
    kernel: "Kernel", task: "Task", start: int, size: int, prot: int, pgoff: int, flags: int
) -> int:
    """remap_file_pages(2): map another part of the file that a shared mapping has; addresses and sizes in bytes."""
    start, size = page_down(start), page_down(size)
    if prot or start + size & _WORD <= start or pgoff + (size >> PAGE_SHIFT) > _WORD:
        raise Errno("EINVAL", "a protection, or a range that is empty or wraps")
    vma = task.mm.tree.at(start)
    if vma is None or not vma.flags & VM_SHARED:
        raise Errno("EINVAL", "no shared mapping is there that may be written")
    _check_alike(task, vma, start + size)
    _check_segment(kernel, task, vma, start, size)
    flags = flags & MAP_NONBLOCK | MAP_SHARED | MAP_FIXED | MAP_POPULATE
    flags |= MAP_LOCKED if vma.flags & VM_LOCKED else 0
    assert vma.file is not None
    vma.file.users += 1  # what is replaced may be all that holds it
    try:
        vm_mmap(kernel, task, vma.file, start, size, vma.flags & VM_ACCESS_FLAGS, flags, pgoff)
    finally:
        vma.file.users -= 1
    return 0


def _check_segment(kernel: "Kernel", task: "Task", vma: "Vma", start: int, size: int) -> None:
    """shm_mmap(): a segment that was removed is gone with its last attach, which the new mapping replaces."""
    assert vma.file is not None
    segment = kernel.shm_segments.get(vma.file.shmid)
    if segment is None or not segment.removed:
        return
    end = start + size
    whole = [area for area in task.mm.tree.span(start, end) if start <= area.start and area.end <= end]
    if segment.nattch == sum(area.file in segment.attaches for area in whole):
        do_munmap(kernel, task.mm, start, size)
        raise Errno("EINVAL", "the segment was removed, and its last attach is unmapped now")


def _check_alike(task: "Task", vma: "Vma", end: int) -> None:
    """The range may go on in VMAs that follow without a hole and are alike."""
    last = vma
    while last.end < end:
        following = task.mm.tree.at(last.end)
        if following is None or following.file is not vma.file or following.flags != vma.flags:
            raise Errno("EINVAL", "the range leaves the mapping")
        last = following
