"""Models filemap_add_folio() (mm/filemap.c, 6.18): pages that join the page cache, as far as memory allows."""

from typing import TYPE_CHECKING

from memtui.sim.kernel import page_alloc
from memtui.sim.kernel.page_set import BLOCK

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def add_pages(kernel: "Kernel", task: "Task", inode: "Inode", first: int, count: int) -> int:
    """Have pages of a file in memory; how many were not.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    missing = inode.pages.missing(first, count)
    if not missing:
        return 0
    if page_alloc.fits(kernel, missing):
        return inode.pages.add(first, count)
    end = first + count
    while first < end:
        window = min(end - first, BLOCK)
        absent = inode.pages.mask(first, window).find(1) % (window + 1)  # -1: all of them
        part = page_alloc.grant(kernel, task, absent) if absent else 1
        inode.pages.add(first, part)
        first += part
    return missing


def warm(kernel: "Kernel", inode: "Inode") -> None:
    """Take a file that exists when the simulation starts for read before, unless memory is too short for that."""
    if kernel.facts.cold_cache and not inode.shmem:
        return
    if page_alloc.fits(kernel, inode.size_pages) or inode.shmem:
        inode.pages.add(0, inode.size_pages)
