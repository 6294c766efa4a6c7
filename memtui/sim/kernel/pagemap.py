"""Models filemap_add_folio() (mm/filemap.c, 6.18): pages that join the page cache, as far as memory allows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from memtui.sim.kernel import memcontrol, mmzone, page_alloc
from memtui.sim.kernel.page_set import BLOCK, MAX_ORDER

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
    for _ in add_in_parts(kernel, task, inode, first, count):
        pass
    return missing


def add_in_parts(kernel: "Kernel", task: "Task", inode: "Inode", first: int, count: int) -> Iterator[tuple[int, int]]:
    """The same a part at a time, as first page and length: what makes a part dirty comes before the next is looked for.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    missing = inode.pages.missing(first, count)
    if missing and kernel.memcgs and not inode.pages.count:
        inode.memcg = memcontrol.group_of(kernel, task)
    if not missing or page_alloc.fits(kernel, task, missing):
        inode.pages.add(first, count)
        yield first, count
        return
    end = first + count
    while first < end:
        window = min(end - first, BLOCK)
        absent = inode.pages.mask(first, window).find(1) % (window + 1)  # -1: all of them
        part = page_alloc.grant(kernel, task, absent) if absent else 1
        inode.pages.add(first, part)
        yield first, part
        first += part


def max_order(kernel: "Kernel", inode: "Inode") -> int:
    """mapping_max_folio_order(): log2 of the pages of the largest folio that the file may have."""
    return MAX_ORDER if inode.regular and inode.fs_type in kernel.profile.large_folios else 0


def get_folio(kernel: "Kernel", task: "Task", inode: "Inode", page: int, order: int) -> tuple[int, int]:
    """__filemap_get_folio(FGP_CREAT): the folio of a page, a new one of at most 2^order pages if there is none.

    Returns:
        Its first page and length. A new one begins at `page`.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    pages = inode.pages
    if page in pages:
        return pages.folio(page)
    order = min(order, max_order(kernel, inode))
    if page & (1 << order) - 1:
        order = (page & -page).bit_length() - 1
    if kernel.memcgs and not pages.count:
        inode.memcg = memcontrol.group_of(kernel, task)
    while order and (pages.missing(page, 1 << order) < 1 << order or not page_alloc.fits(kernel, task, 1 << order)):
        order -= 1
    if order:
        pages.add_folio(page, order)
    else:
        add_pages(kernel, task, inode, page, 1)
    return page, 1 << order


def warm(kernel: "Kernel", inode: "Inode") -> None:
    """Take a file that exists when the simulation starts for read before, unless memory is too short for that."""
    if kernel.facts.cold_cache and not inode.shmem:
        return
    if inode.shmem or mmzone.room(kernel, "low") >= inode.size_pages:
        added = inode.pages.add(0, inode.size_pages)
        if inode.shmem:
            kernel.committed += added  # charged when they were written, before the simulation
