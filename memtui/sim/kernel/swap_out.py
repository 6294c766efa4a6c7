"""Models how pages go out to swap in shrink_folio_list() (mm/vmscan.c, 6.18): slot, swap entries, writing.

What a synchronous device holds is freed at once. What goes to a disk is under writeback when reclaim looks again, so it
stays in the swap cache, next in line; the writing itself takes no time here.
"""

from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ENTRIES
from memtui.sim.kernel.swap_slots import SlotMap, SlotRun
from memtui.sim.kernel.workingset import evicted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.file_rmap import Rmap
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_leaf import Leaf


class Out(NamedTuple):
    """What became of a range of pages."""

    behind: int
    """Pages below it are out; there was no slot for those from it on."""
    freed: int
    written: int


def swap_out(kernel: "Kernel", rmap: "Rmap", leaf: "Leaf", low: int, high: int, *, workingset: bool) -> Out:
    """Take the anonymous pages [low, high) of a page table, on no LRU list, out to swap as far as there are slots."""
    freed = written = 0
    huge = leaf.huge and high - low == ENTRIES
    for first, last, has in list(_segments(leaf, low, high)):
        runs = [(has.slot, last - first)] if has is not None else _slots(kernel, last - first, huge=huge)
        clean = has is not None and not has.dirty
        for slot, count in runs:
            if has is not None and leaf.slots:
                leaf.slots.cut(first, last)
            kernel.swap.kept.discard(slot, count)
            rmap.replace_anon(leaf, first, first + count, slot)
            if not clean:
                kernel.vmevents["pswpout"] += count
                written += count
            if clean or kernel.swap.synchronous:
                owner, at = (leaf, first) if kernel.swap.synchronous else (kernel.swap.cache, slot)
                evicted(kernel.lruvec, owner, at, at + count, workingset=workingset)
                freed += count
            else:
                kernel.swap.cache_written(slot, count, huge=huge and count == ENTRIES)
            first += count
        if first < last:
            return Out(first, freed, written)
    return Out(high, freed, written)


def shmem_writeout(kernel: "Kernel", inode: "Inode", first: int, slot: int, count: int, *, workingset: bool) -> int:
    """Pages of an object, unmapped and on no LRU list, go to slots from `slot` on; how many are free at once."""
    inode.pages.discard(first, count)
    inode.fresh.discard(first, count)
    inode.swapped.add(first, count)
    if inode.slots is None:
        inode.slots = SlotMap(kernel.swap)
    inode.slots.add(first, first + count, slot)
    kernel.vmevents["pswpout"] += count
    if not kernel.swap.synchronous:
        kernel.swap.cache_written(slot, count)
        return 0
    evicted(kernel.lruvec, inode, first, first + count, workingset=workingset)
    return count


def _slots(kernel: "Kernel", pages: int, *, huge: bool) -> list[tuple[int, int]]:
    """A folio of 2 MiB goes out whole if a cluster is empty (CONFIG_THP_SWAP), else it is split."""
    whole = kernel.swap.alloc_huge() if huge else None
    return kernel.swap.alloc(pages) if whole is None else [(whole, pages)]


def _segments(leaf: "Leaf", low: int, high: int) -> "Iterator[tuple[int, int, SlotRun | None]]":
    """The range, cut into stretches without slots and runs of pages that are in the swap cache with theirs."""
    known = leaf.slots.within(low, high) if leaf.slots else []
    for entry, frame in leaf.frames.items():
        if frame.slot is not None and low <= entry < high:
            known.append(SlotRun(entry, entry + 1, frame.slot.number, frame.slot.dirty))
    at = low
    for run in sorted(known):
        if at < run.low:
            yield at, run.low, None
        yield run.low, run.high, run
        at = run.high
    if at < high:
        yield at, high, None
