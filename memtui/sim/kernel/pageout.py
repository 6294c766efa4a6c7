"""Models reclaim_pages() (mm/vmscan.c, 6.18) for MADV_PAGEOUT: anonymous pages of one address space, out to swap."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.page_leaf import ANON
from memtui.sim.kernel.swap_out import swap_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.page_leaf import Leaf


def reclaim_pages(kernel: "Kernel", mm: "Mm", start: int, end: int) -> None:
    """Write the pages of [start, end) to swap that no other address space maps, as far as there are slots."""
    if not kernel.swap.total:
        return
    lru_add_drain(kernel)
    rmap = Rmap(kernel)
    for index, low, high in list(mm.pages.pieces(start, end)):
        leaf = mm.pages.leaves[index]
        if leaf.owners > 1:
            continue
        for first, behind in _alone(leaf, low, high):
            kernel.lruvec.cut(leaf, first, behind)
            mm.pages.changed.add(index)
            if swap_out(kernel, rmap, leaf, first, behind, workingset=False).behind < behind:
                return


def _alone(leaf: "Leaf", low: int, high: int) -> "Iterator[tuple[int, int]]":
    """Runs of anonymous pages that no other address space maps."""
    if not leaf.frames and not leaf.rewritten and leaf.state.count(ANON, low, high) == high - low:
        yield low, high
        return
    for entry in range(low, high):
        if leaf.state[entry] == ANON and not leaf.is_shared(entry) and not leaf.given_up(entry):
            yield entry, entry + 1
