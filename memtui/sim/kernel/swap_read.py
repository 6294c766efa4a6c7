"""Models how pages are read into the swap cache: read_swap_cache_async() and its callers (mm/swap_state.c, 6.18)."""

from typing import TYPE_CHECKING

from memtui.sim.kernel import page_alloc
from memtui.sim.kernel.lru import INACTIVE_ANON, NEW
from memtui.sim.kernel.workingset import refaults, was_active

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.lru import Owner
    from memtui.sim.kernel.task import Task


def read_slots(kernel: "Kernel", task: "Task", wanted: int, slots: list[int]) -> int:
    """Read a slot, and of others those that are taken and not in memory, if there is room; how many others."""
    swap = kernel.swap
    others = [slot for slot in slots if slot != wanted and slot in swap.map and not swap.has_folio(slot)]
    if others and not page_alloc.fits(kernel, task, len(others)):
        others = []
    for slot in sorted((*others, wanted)):
        swap.cache.pages.add(slot)
        _listed(kernel, slot, 1, swap.cache, slot)
    swap.cache.readahead.update(others)
    kernel.vmevents["pswpin"] += len(others) + 1
    kernel.vmevents["swap_ra"] += len(others)
    return len(others)


def read_windows(kernel: "Kernel", slot: int, count: int, size: int, owner: "Owner", first: int) -> int:
    """The same for whole windows of `size` slots, all of which are asked for at once.

    Args:
        kernel: whose swap.
        slot: the first of the first window.
        count: taken slots from `slot` on whose pages are not in memory.
        size: slots of each window.
        owner: whose pages they are.
        first: the page of the first slot.

    Returns:
        How many pages were read, on the LRU lists as those of `owner`; 0 if one by one would not be the same.
    """
    windows = count // size
    if size > 1:
        windows = 0 if kernel.memcgs else min(windows, kernel.cushion // (size - 1))
    count = windows * size
    if not windows or was_active(kernel.swap.cache, slot, slot + count):
        return 0
    kernel.cushion -= count - windows
    _listed(kernel, slot, count, owner, first)
    kernel.vmevents["pswpin"] += count
    kernel.vmevents["swap_ra"] += count - windows
    return count


def _listed(kernel: "Kernel", slot: int, count: int, owner: "Owner", first: int) -> None:
    """Pages of an owner that come from slots are put on the LRU lists."""
    for part in refaults(kernel, kernel.swap.cache, slot, slot + count, file=False):
        flags = NEW._replace(workingset=part.workingset)
        low, high = part.low - slot + first, part.high - slot + first
        kernel.lruvec.add(INACTIVE_ANON + part.active, owner, low, high, flags)
