"""Models copy_page_range() (mm/memory.c, 6.18): what a child gets of its parent's page tables."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.page_leaf import ABSENT, ENTRIES, PGDIR_SHIFT, PUD_SHIFT
from memtui.sim.kernel.page_table import present

if TYPE_CHECKING:
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.table_run import TableRun


def copy_page_range(parent: "PageTable", child: "PageTable", start: int, end: int) -> None:
    """Give the child what the parent maps in [start, end), and the tables above it; bytes."""
    child.puds.update(present(parent.puds, start >> PGDIR_SHIFT, (end - 1) >> PGDIR_SHIFT))
    child.pmds.update(present(parent.pmds, start >> PUD_SHIFT, (end - 1) >> PUD_SHIFT))
    child.sharing = parent.sharing
    for run in parent.runs_inside(start, end):
        _copy_run(child, run)
    for index, low, high in parent.pieces(start, end, runs=False):
        _copy_table(parent, child, index, low, high)


def _copy_run(child: "PageTable", run: "TableRun") -> None:
    if run.state == ABSENT:
        child.fill(run.first, run.count, ABSENT)
        return
    child.sharing.add(run.anonymous, swapped=False)
    child.adopt(run)


def _copy_table(parent: "PageTable", child: "PageTable", index: int, low: int, high: int) -> None:
    leaf = parent.leaves[index]
    if parent.is_file_pmd(index):
        return
    inside = (high - low) - leaf.state.count(ABSENT, low, high)
    if not inside:
        child.alloc(index)
        return
    whole = ENTRIES - leaf.state.count(ABSENT) == inside
    if whole and index not in child.leaves:
        child.alloc(index)
        child.leaves[index] = leaf
        leaf.owners += 1
        resident, swapped = leaf.anonymous()
        child.sharing.add(resident, swapped=False)
        child.sharing.add(swapped, swapped=True)
        for frame in leaf.frames.values():
            frame.mapcount += 1
    else:
        _copy_part(parent, child, index, low, high)
    child.tally(leaf.state[low:high], 1)


def _copy_part(parent: "PageTable", child: "PageTable", index: int, low: int, high: int) -> None:
    leaf = parent.leaves[index]
    leaf.identify(low, high)
    child.alloc(index)
    copy = child.own(index)
    copy.state[low:high] = leaf.state[low:high]
    if leaf.folio is not None:
        parts = {entry: folio for entry, folio in leaf.parts.items() if low <= entry < high}
        copy.add_parts(leaf.folio[low:high], parts, low)
    for entry in range(low, high):
        frame = leaf.frames.get(entry)
        if frame is not None:
            frame.mapcount += 1
            copy.frames[entry] = frame
            child.sharing.add(1, swapped=frame.swapped)
