"""Models mm/mincore.c (6.18)."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_up
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_leaf import ABSENT, GUARD

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma


@system_call
def sys_mincore(kernel: "Kernel", task: "Task", start: int, length: int, vec: int = 0) -> int:
    """mincore(2): whether the whole range is mapped; see `residency` for the vector."""
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    if start + length > TASK_SIZE:
        raise Errno("ENOMEM", "the range leaves the user address space")
    at, end = start, start + page_up(length)
    while at < end:
        vma = task.mm.tree.at(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x}")
        at = vma.end
    task.mm.note("every page of the range is mapped; the vector tells which are in memory")
    return 0


def residency(task: "Task", start: int, length: int) -> bytes:
    """The vector that mincore fills: one byte a page, 1 if it is in memory. The range must be mapped."""
    parts = []
    for vma in task.mm.tree.span(start, start + page_up(length)):
        low, high = max(start, vma.start), min(start + page_up(length), vma.end)
        parts.append(_part(task, vma, low, high))
    return b"".join(parts)


def _part(task: "Task", vma: "Vma", low: int, high: int) -> bytes:
    pages = (high - low) >> PAGE_SHIFT
    mapped = bytearray(pages)
    for mark in task.mm.pages.marks(low, high):
        if mark.state not in (ABSENT, GUARD):
            at = (mark.start - low) >> PAGE_SHIFT
            mapped[at : at + mark.pages] = b"\1" * mark.pages
    if vma.file is None:
        return bytes(mapped)
    inode, first = vma.file.inode, vma.pgoff_at(low)
    cached, fresh = inode.pages.mask(first, pages), inode.fresh.mask(first, pages)
    return bytes(one | here & ~new for one, here, new in zip(mapped, cached, fresh, strict=True))
