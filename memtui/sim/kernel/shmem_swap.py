"""Models shmem_swapin_folio() of mm/shmem.c (6.18): shared memory comes back from swap."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.pagemap import add_pages
from memtui.sim.kernel.swap_in import read_slots

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def swapin(kernel: "Kernel", task: "Task", inode: "Inode", first: int, count: int) -> int:
    """Bring pages back that are out; their slots are free then. How many had to be waited for.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    waited = 0
    for low, pages in list(inode.swapped.runs(first, count)) if inode.swapped.count else ():
        if kernel.swap.synchronous and not kernel.swap.cached:
            waited += pages
            kernel.vmevents["pswpin"] += pages
            _back(kernel, task, inode, low, pages)
            continue
        for page in range(low, low + pages):
            waited += _read(kernel, task, inode, page)
            _back(kernel, task, inode, page, 1)
    task.maj_flt += waited
    kernel.swap.waits += waited
    return waited


def _read(kernel: "Kernel", task: "Task", inode: "Inode", page: int) -> bool:
    """Have one page in the swap cache, unless the device answers at once; whether it had to be waited for."""
    swap, run = kernel.swap, inode.slots.at(page) if inode.slots else None
    assert run is not None
    if swap.has_folio(run.slot):
        if run.slot in swap.cache.readahead:
            swap.cache.readahead.discard(run.slot)
            swap.readahead.hits += 1
        return False
    if swap.synchronous:
        kernel.vmevents["pswpin"] += 1
    else:
        around = swap.readahead.around(run.slot, kernel.sysctl["page-cluster"], swap.total)
        read_slots(kernel, task, run.slot, list(around))
    return True


def _back(kernel: "Kernel", task: "Task", inode: "Inode", first: int, count: int) -> None:
    """The pages belong to the object again."""
    run = inode.slots.at(first) if inode.slots else None
    assert run is not None
    assert inode.slots is not None
    if kernel.swap.has_folio(run.slot):
        inode.slots.release(first, first + count)
        inode.pages.add(first, count)
    else:
        add_pages(kernel, task, inode, first, count)
        inode.slots.release(first, first + count)
    inode.swapped.discard(first, count)
