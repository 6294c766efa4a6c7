"""The fault path of mm/memory.c (6.18) for anonymous memory, many whole page tables at once.

The outcome is that of one table after the other: a run ends where the page allocator has to be asked anew.
"""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    BLANK,
    ENTRIES,
    HUGE_ZERO,
    SMALL,
    SMALL_BLANK,
    WRITTEN,
    ZERO,
)
from memtui.sim.kernel.prctl import vma_thp_disabled
from memtui.sim.kernel.rmap import anon_vma_prepare
from memtui.sim.kernel.vm_flags import VM_HUGEPAGE

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

FEWEST: Final = 2
"""Tables that are worth a run."""


def fault_tables(
    kernel: "Kernel", task: "Task", vma: "Vma", index: int, behind: int, *, write: bool
) -> "tuple[Vma, int]":
    """Fault in tables from `index` on, at most up to `behind`; all lie whole in the VMA.

    Returns:
        The VMA, which may have got an anon_vma, and how many tables are done: 0 where the first one is not like the
        next, or not simple.
    """
    leaves = task.mm.pages.leaves
    run = leaves.run_at(index)
    if run is not None:
        count, huge = min(behind, run.behind) - index, False
        if (run.state == ANON and len(run.spaces) == 1) if write else run.state != ABSENT:
            if run.folio in (BLANK, SMALL_BLANK) and write and not task.fills:
                for part in leaves.runs_in(index, index + count):
                    part.folio = WRITTEN if part.huge else SMALL
            return vma, count
        if run.state == HUGE_ZERO:
            return vma, 0
    else:
        count, huge = leaves.next_there(index, behind) - index, thp_allowed(kernel, task.mm, vma)
    each = (2 * ENTRIES if huge else ENTRIES) if write else 1  # a huge page is asked for twice; a table, for zeros
    count = 0 if kernel.memcgs else min(count, kernel.cushion // each)
    if count < FEWEST:
        return vma, 0
    kernel.cushion -= count * each
    if write or huge:
        vma = anon_vma_prepare(kernel, task.mm, vma)
    state = ANON if write else HUGE_ZERO if huge else ZERO
    kinds = (BLANK, WRITTEN) if huge else (SMALL_BLANK, SMALL)
    task.mm.pages.fill(index, count, state, huge=huge, folio=kinds[not task.fills] if write else SMALL)
    task.min_flt += count if huge else count * ENTRIES
    return vma, count


def thp_allowed(kernel: "Kernel", mm: "Mm", vma: "Vma") -> bool:
    """thp_vma_allowable_order(): whether anonymous memory of the VMA gets 2 MiB pages."""
    enabled = kernel.facts.thp_enabled
    return not vma_thp_disabled(mm, vma.flags) and (
        enabled == "always" or (enabled == "madvise" and bool(vma.flags & VM_HUGEPAGE))
    )
