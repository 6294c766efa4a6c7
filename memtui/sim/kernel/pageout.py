"""Models reclaim_pages() (mm/vmscan.c, 6.18) for MADV_PAGEOUT: anonymous pages of one address space, out to swap."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.page_leaf import ANON
from memtui.sim.kernel.workingset import evicted

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm


def swap_out(kernel: "Kernel", mm: "Mm", start: int, end: int) -> None:
    """Write the pages of [start, end) to swap that no other address space maps, as far as there are slots."""
    if kernel.swap.free <= 0:
        return
    lru_add_drain(kernel)
    rmap = Rmap(kernel)
    for index, low, high in list(mm.pages.pieces(start, end)):
        leaf = mm.pages.leaves[index]
        if leaf.owners > 1:
            continue
        for entry in range(low, high):
            if leaf.state[entry] != ANON or leaf.is_shared(entry):
                continue
            if not kernel.swap.take(1):
                return
            kernel.lruvec.cut(leaf, entry, entry + 1)
            rmap.replace_anon(leaf, entry, entry + 1, swap=True)
            mm.pages.changed.add(index)
            evicted(kernel.lruvec, leaf, entry, entry + 1, workingset=False)
            kernel.vmevents["pswpout"] += 1
