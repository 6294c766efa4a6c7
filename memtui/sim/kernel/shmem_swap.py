"""Models shmem_swapin_folio() of mm/shmem.c (6.18): shared memory comes back from swap."""

from typing import TYPE_CHECKING

from memtui.sim.kernel import page_alloc
from memtui.sim.kernel.pagemap import add_pages
from memtui.sim.kernel.swap_read import read_slots

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task


def swapin(kernel: "Kernel", task: "Task", inode: "Inode", first: int, count: int) -> int:
    """Bring pages back that are out; their slots are free then. How many had to be waited for.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    found, swap = list(inode.swapped.runs(first, count)) if inode.swapped.count else [], kernel.swap
    waited = 0
    if found:
        swap.told.begin(task.mm.why)
    for page in (page for low, pages in found for page in range(low, low + pages)):
        waited += _swapin_page(kernel, task, inode, page)
    if found:
        swap.told.end(task.mm.why)
    task.maj_flt += waited
    swap.waits += waited
    return waited


def _swapin_page(kernel: "Kernel", task: "Task", inode: "Inode", page: int) -> bool:
    """One page, through the swap cache unless the device answers at once; whether it had to be waited for."""
    swap, run, ahead = kernel.swap, inode.slots.at(page) if inode.slots else None, 0
    assert run is not None
    slot, found = run.slot, swap.has_folio(run.slot)
    if found:
        swap.readahead.hits += swap.cache.asked_for(slot, 1)
    elif swap.synchronous:
        kernel.vmevents["pswpin"] += 1
    else:
        page_alloc.grant(kernel, task, 1)
        around = swap.readahead.around(slot, kernel.sysctl["page-cluster"], swap.total)
        ahead = read_slots(kernel, task, slot, list(around))
    _back(kernel, task, inode, page)
    swap.told.run(slot, 1, found=found, ahead=ahead)
    return not found


def _back(kernel: "Kernel", task: "Task", inode: "Inode", page: int) -> None:
    """The page belongs to the object again."""
    run = inode.slots.at(page) if inode.slots else None
    assert run is not None
    assert inode.slots is not None
    if kernel.swap.has_folio(run.slot):
        inode.slots.release(page, page + 1)
        inode.pages.add(page)
    else:
        add_pages(kernel, task, inode, page, 1)
        inode.slots.release(page, page + 1)
    inode.swapped.discard(page, 1)
