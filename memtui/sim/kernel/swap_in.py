"""Models do_swap_page() (mm/memory.c, 6.18): a page comes back, through the swap cache or past it.

A synchronous device (zram) reads just the page, and frees the slot, where nobody else refers to it. All else goes
through the swap cache: with read-ahead, and the slot stays until the page is written to or swap is over half full.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import page_alloc
from memtui.sim.kernel.lru import INACTIVE_ANON, NEW
from memtui.sim.kernel.page_leaf import ANON, ENTRIES, PMD_SHIFT, SWAP, Frame, table_of
from memtui.sim.kernel.swap_slots import Slot
from memtui.sim.kernel.swap_state import VmaReadahead, vma_readahead
from memtui.sim.kernel.vm_flags import VM_LOCKED
from memtui.sim.kernel.workingset import refaults

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_leaf import Leaf
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_BACK: Final = table_of({SWAP: ANON})


def swapin(kernel: "Kernel", task: "Task", vma: "Vma", index: int, low: int, high: int, *, write: bool) -> None:
    """Bring back what entries [low, high) of page table `index`, all in `vma`, have out on swap."""
    if task.mm.pages.leaves[index].state.count(SWAP, low, high):
        _SwapIn(kernel, task, vma, index, write=write).run(low, high)


class _SwapIn:
    """The faults of one access in one page table."""

    def __init__(self, kernel: "Kernel", task: "Task", vma: "Vma", index: int, *, write: bool) -> None:
        self._kernel = kernel
        self._swap = kernel.swap
        self._task = task
        self._vma = vma
        self._index = index
        self._write = write
        self._pages: PageTable = task.mm.pages
        self._leaf: Leaf = self._pages.own(index)

    def run(self, low: int, high: int) -> None:
        """All of them, by ascending address."""
        told, why = self._swap.told, self._task.mm.why
        told.begin(why)
        for entry in range(low, high):
            if self._leaf.state[entry] == SWAP:
                self._fault(entry)
        told.end(why)

    def _fault(self, entry: int) -> None:
        run = self._leaf.slot_of(entry)
        assert run is not None
        slot, out, ahead = run.slot, self._leaf.frames.get(entry), 0
        found, kept = self._swap.has_folio(slot), False
        self._task.min_flt += found
        self._task.maj_flt += not found
        self._swap.waits += not found
        others = out is not None and (out.mapcount > 1 or (out.slot is not None and out.slot.mapped is not None))
        if not found and self._swap.synchronous and not others:
            self._kernel.vmevents["pswpin"] += 1
            self._free(entry)
        else:
            if found:
                self._hit(entry, slot)
            else:
                ahead = self._read_ahead(entry, slot)
            kept = self._through_cache(entry, slot, others=others)
        self._swap.told.slot(slot, found=found, kept=kept, ahead=ahead)

    def _through_cache(self, entry: int, slot: int, *, others: bool) -> bool:
        """The page is in the swap cache: map it, copy it, or take it out; whether the slot is still this entry's too.

        A copy is made for who writes what others refer to by the slot or map already; should_try_to_free_swap() tells
        when a page that is nobody else's leaves the cache.
        """
        if others and self._write:
            self._own(entry)
            return False
        if not others and (self._write or self._swap.full or self._vma.flags & VM_LOCKED):
            self._take_over(slot, entry)
            self._free(entry)
            return False
        self._map(entry, slot)
        return True

    def _free(self, entry: int) -> None:
        """A page of our own; the slot is free."""
        self._own(entry)
        if self._leaf.slots:
            self._leaf.slots.release(entry, entry + 1)

    def _own(self, entry: int) -> None:
        self._pages.drop_frames(self._leaf, entry, entry + 1)
        self._pages.translate(self._index, entry, entry + 1, _BACK)

    def _map(self, entry: int, slot: int) -> None:
        """The page in the swap cache is mapped, and keeps its slot."""
        swap, out = self._swap, self._leaf.frames.get(entry)
        known = None if out is None else out.slot
        if known is None or known.mapped is None:
            self._take_over(slot, entry)
            swap.kept.add(slot)
        if out is not None and known is not None:
            self._leaf.frames[entry] = self._resident(known, entry)
            self._pages.sharing.drop(out)
        self._pages.translate(self._index, entry, entry + 1, _BACK)

    def _resident(self, slot: Slot, entry: int) -> Frame:
        """The frame of those who map the page, with one mapping more."""
        frame = slot.mapped
        if frame is None:
            frame = Frame(1, self._leaf, entry, False)
            frame.join(slot)
        else:
            frame.mapcount += 1
            self._pages.sharing.add(1, swapped=False)
        return frame

    def _take_over(self, slot: int, entry: int) -> None:
        """The page in the swap cache, where it is on the LRU lists, is this entry's from now on."""
        lruvec = self._kernel.lruvec
        for piece in lruvec.pieces(self._swap.cache, slot, slot + 1):
            self._swap.cache.forget(lruvec, slot, 1)
            lruvec.cut(self._leaf, entry, entry + 1)
            lruvec.add(piece.number, self._leaf, entry, entry + 1, piece.flags)

    def _hit(self, entry: int, slot: int) -> None:
        """swap_update_readahead(): pages that were read ahead are asked for."""
        swap, hit = self._swap, slot in self._swap.cache.readahead
        swap.cache.readahead.discard(slot)
        if not swap.rotational:
            known = self._task.mm.swap_readahead.get(self._vma.start, VmaReadahead())
            self._task.mm.swap_readahead[self._vma.start] = VmaReadahead(
                self._address(entry), known.window, known.hits + hit
            )
        elif hit:
            swap.readahead.hits += 1

    def _read_ahead(self, entry: int, slot: int) -> int:
        """swapin_readahead(): how many others are read."""
        mm, cluster = self._task.mm, self._kernel.sysctl["page-cluster"]
        if self._swap.rotational:
            slots = list(self._swap.readahead.around(slot, cluster, self._swap.total))
        else:
            known = mm.swap_readahead.get(self._vma.start, VmaReadahead())
            mm.swap_readahead[self._vma.start], pages = vma_readahead(
                known, self._address(entry), cluster, self._vma.start, self._vma.end
            )
            slots = self._slots_of(pages)
        return read_slots(self._kernel, self._task, slot, slots)

    def _slots_of(self, pages: range) -> list[int]:
        """Of those of the pages that are out."""
        found = []
        for page in pages:
            entry = page % ENTRIES
            run = self._leaf.slot_of(entry) if self._leaf.state[entry] == SWAP else None
            if run is not None:
                found.append(run.slot)
        return found

    def _address(self, entry: int) -> int:
        return (self._index << PMD_SHIFT) + (entry << PAGE_SHIFT)


def read_slots(kernel: "Kernel", task: "Task", wanted: int, slots: list[int]) -> int:
    """read_swap_cache_async() of a slot, and of others if there is memory for them; how many others."""
    swap = kernel.swap
    others = [slot for slot in slots if slot != wanted and slot in swap.map and not swap.has_folio(slot)]
    if others and not page_alloc.fits(kernel, task, len(others)):
        others = []
    for slot in sorted((*others, wanted)):
        swap.cache.pages.add(slot)
        for part in refaults(kernel, swap.cache, slot, slot + 1, file=False):
            flags = NEW._replace(workingset=part.workingset)
            kernel.lruvec.add(INACTIVE_ANON + part.active, swap.cache, slot, slot + 1, flags)
    swap.cache.readahead.update(others)
    kernel.vmevents["pswpin"] += len(others) + 1
    kernel.vmevents["swap_ra"] += len(others)
    return len(others)
