"""Models do_swap_page() (mm/memory.c, 6.18): pages come back, through the swap cache or past it.

A synchronous device (zram) reads just the page, and frees the slot, where nobody else refers to it. All else goes
through the swap cache: with read-ahead, and the slot stays until the page is written to or swap is over half full.
Pages whose slots follow one another come back together, with the outcome that one after the other would have.
"""

import re
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE
from memtui.sim.kernel.page_leaf import ANON, ENTRIES, PMD_SHIFT, SWAP, Frame, table_of
from memtui.sim.kernel.swap_read import read_slots, read_windows
from memtui.sim.kernel.swap_state import VmaReadahead, vma_readahead, vma_window
from memtui.sim.kernel.vm_flags import VM_LOCKED

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_leaf import Leaf
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.swap_slots import Slot
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

MOST = ENTRIES
"""Pages that come back together, at most."""
_BACK: Final = table_of({SWAP: ANON})
_OUT: Final = re.compile(bytes([SWAP]) + b"+")


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
        for out in _OUT.finditer(bytes(self._leaf.state), low, high):
            entry, behind = out.span()
            while entry < behind:
                entry += self._fault(entry, min(behind, entry + MOST))
        told.end(why)

    def _fault(self, entry: int, high: int) -> int:
        """The page at `entry`, and those below `high` that come back in the same way; how many."""
        frame = self._leaf.frames.get(entry)
        if frame is not None:
            self._fault_shared(entry, frame)
            return 1
        run = self._leaf.slots.at(entry, high) if self._leaf.slots else None
        assert run is not None
        slot, count = run.slot, run.high - entry
        if self._swap.synchronous:
            self._read_alone(entry, slot, count)
            return count
        if self._map_folio(slot - entry):
            return ENTRIES
        cached = self._swap.cache.pages.mask(slot, self._alike(count))
        end = cached.find(1 - cached[0])
        count = len(cached) if end < 0 else end
        if cached[0]:
            self._hit(entry, slot, count)
            self._through_cache(entry, slot, count, found=count)
            return count
        return self._windows(entry, slot, count) or self._window(entry, slot)

    def _alike(self, count: int) -> int:
        """How many of so many pages all keep their slots, or all leave them: swap gets emptier with each that does."""
        swap = self._swap
        return min(count, (swap.total - 2 * swap.free + 1) // 2) if not self._frees and swap.full else count

    @property
    def _frees(self) -> bool:
        """Whether pages that are nobody else's leave the swap cache, however much of swap is taken."""
        return self._write or bool(self._vma.flags & VM_LOCKED)

    def _map_folio(self, slot: int) -> bool:
        """A folio of 2 MiB in the swap cache, from `slot` on, is mapped by one fault if the whole table lacks it.

        It is no page of read-ahead, so that of it nothing is noted.
        """
        start = self._index << PMD_SHIFT
        if (
            self._swap.cache.folio(slot) != (slot, ENTRIES)
            or not self._vma.start <= start <= self._vma.end - PMD_SIZE
            or self._leaf.state.count(SWAP) < ENTRIES
            or self._leaf.slots is None
            or self._leaf.slots.at(0, ENTRIES) != (0, ENTRIES, slot, False)
        ):
            return False
        self._count(found=1)
        self._take_over(slot, 0, ENTRIES)
        kept = self._keep_or_free(0, slot, ENTRIES)
        self._swap.told.run(slot, ENTRIES, found=ENTRIES, kept=kept)
        return True

    def _read_alone(self, entry: int, slot: int, count: int) -> None:
        """Past the swap cache: SWP_SYNCHRONOUS_IO, and nobody else refers to the slots."""
        self._count(read=count)
        self._kernel.vmevents["pswpin"] += count
        self._free(entry, count)
        self._swap.told.run(slot, count)

    def _count(self, *, read: int = 0, found: int = 0) -> None:
        self._task.min_flt += found
        self._task.maj_flt += read
        self._swap.waits += read

    def _windows(self, entry: int, slot: int, count: int) -> int:
        """As many whole windows of read-ahead as fill up with pages of the run, one behind the other; pages."""
        size, swap = self._next_window(entry, slot), self._swap
        if not size or count < size or swap.free <= 0:
            return 0
        pages = read_windows(self._kernel, slot, count, size, self._leaf, entry)
        if pages:
            self._count(read=pages // size, found=pages - pages // size)
            if swap.rotational:
                swap.readahead.around(slot, self._kernel.sysctl["page-cluster"], swap.total)
                swap.readahead.hits += size - 1
            elif size > 1:
                last = VmaReadahead(self._address(entry + pages - 1), size, size - 1)
                self._task.mm.swap_readahead[self._vma.start] = last
            kept = self._keep_or_free(entry, slot, pages)
            swap.told.run(slot, pages, found=pages - pages // size, kept=kept, ahead=pages - pages // size)
        return pages

    def _next_window(self, entry: int, slot: int) -> int:
        """The pages of the window of read-ahead that begins here, if it is as large as can be; else 0.

        The next one is as large again when all of its pages are asked for.
        """
        cluster = self._kernel.sysctl["page-cluster"]
        if self._swap.rotational:
            return self._swap.readahead.largest_at(slot, cluster)
        known = self._task.mm.swap_readahead.get(self._vma.start, VmaReadahead())
        return vma_window(known, self._address(entry), cluster)

    def _window(self, entry: int, slot: int) -> int:
        """The page, and around it what read-ahead brings along; 1."""
        self._count(read=1)
        ahead = self._read_ahead(entry, slot)
        self._through_cache(entry, slot, 1, ahead=ahead)
        return 1

    def _through_cache(self, entry: int, slot: int, count: int, *, found: int = 0, ahead: int = 0) -> None:
        """Pages in the swap cache that are nobody else's are mapped."""
        self._count(found=found)
        self._take_over(slot, entry, count)
        kept = self._keep_or_free(entry, slot, count)
        self._swap.told.run(slot, count, found=found, kept=kept, ahead=ahead)

    def _keep_or_free(self, entry: int, slot: int, count: int) -> int:
        """should_try_to_free_swap(): whether pages leave the cache when they are mapped; how many keep their slots."""
        if self._frees or self._swap.full:
            self._free(entry, count)
            return 0
        self._swap.kept.add(slot, count)
        self._own(entry, count)
        return count

    def _free(self, entry: int, count: int) -> None:
        """Pages of our own; the slots are free."""
        self._own(entry, count)
        if not self._swap.synchronous:
            self._leaf.set_dirty(range(entry, entry + count))
        if self._leaf.slots:
            self._leaf.slots.release(entry, entry + count)

    def _own(self, entry: int, count: int = 1) -> None:
        self._pages.drop_frames(self._leaf, entry, entry + count)
        self._pages.translate(self._index, entry, entry + count, _BACK)

    def _fault_shared(self, entry: int, out: Frame) -> None:
        """The page at `entry`, which other page tables know, or knew."""
        assert out.slot is not None
        slot, ahead = out.slot.number, 0
        found = self._swap.has_folio(slot)
        self._count(read=not found, found=found)
        others = out.mapcount > 1 or out.slot.mapped is not None
        if not found and self._swap.synchronous and not others:
            self._kernel.vmevents["pswpin"] += 1
            self._free(entry, 1)
            self._swap.told.run(slot, 1)
            return
        if found:
            self._hit(entry, slot, 1)
        else:
            ahead = self._read_ahead(entry, slot)
        kept = not self._write if others else not self._frees and not self._swap.full
        if others and self._write:
            self._own(entry)  # a copy
        elif not kept:
            self._take_over(slot, entry, 1)
            self._free(entry, 1)
        else:
            self._map(entry, out, out.slot)
        self._swap.told.run(slot, 1, found=found, kept=kept, ahead=ahead)

    def _map(self, entry: int, out: Frame, slot: "Slot") -> None:
        """The page in the swap cache is mapped, and keeps its slot."""
        if slot.mapped is None:
            self._take_over(slot.number, entry, 1)
            self._swap.kept.add(slot.number)
        self._leaf.frames[entry] = self._resident(slot, entry)
        self._pages.sharing.drop(out)
        self._pages.translate(self._index, entry, entry + 1, _BACK)

    def _resident(self, slot: "Slot", entry: int) -> Frame:
        """The frame of those who map the page, with one mapping more."""
        frame = slot.mapped
        if frame is None:
            frame = Frame(1, self._leaf, entry, False)
            frame.join(slot)
        else:
            frame.mapcount += 1
            self._pages.sharing.add(1, swapped=False)
        return frame

    def _take_over(self, slot: int, entry: int, count: int) -> None:
        """Pages in the swap cache, where they are on the LRU lists, are of this page table from now on."""
        lruvec, ahead = self._kernel.lruvec, entry - slot
        pieces = lruvec.pieces(self._swap.cache, slot, slot + count)
        self._swap.cache.forget(lruvec, slot, count)
        lruvec.cut(self._leaf, entry, entry + count)
        for piece in pieces:
            lruvec.add(piece.number, self._leaf, piece.low + ahead, piece.high + ahead, piece.flags)

    def _hit(self, entry: int, slot: int, count: int) -> None:
        """swap_update_readahead(): pages in the cache are asked for, some of which were read ahead."""
        swap = self._swap
        hits = swap.cache.asked_for(slot, count)
        if swap.rotational:
            swap.readahead.hits += hits
        else:
            known = self._task.mm.swap_readahead.get(self._vma.start, VmaReadahead())
            self._task.mm.swap_readahead[self._vma.start] = VmaReadahead(
                self._address(entry + count - 1), known.window, known.hits + hits
            )

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
