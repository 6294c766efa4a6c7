"""Models anon_vma_prepare() (mm/rmap.c) and find_mergeable_anon_vma() (mm/vma.c), 6.18."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.page_leaf import Frame
from memtui.sim.kernel.vm_flags import VM_LOCKED
from memtui.sim.kernel.vma import Vma, anon_vma_compatible

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm


def spaces_of(kernel: "Kernel") -> "list[Mm]":
    """Every address space once, in the order of the tasks."""
    spaces = [task.mm for task in kernel.tasks.values()]
    return spaces if len(spaces) < 2 else list(dict.fromkeys(spaces))


def locked_elsewhere(kernel: "Kernel", mm: "Mm") -> "set[Frame]":
    """The shared pages that VM_LOCKED VMAs of other address spaces map: they are on the unevictable list."""
    found = set[Frame]()
    for other in spaces_of(kernel):
        if other is mm or not other.locked_vm or other.pages.sharing is not mm.pages.sharing:
            continue
        for vma in other.tree:
            if not vma.flags & VM_LOCKED:
                continue
            for index, low, high in other.pages.pieces(vma.start, vma.end, runs=False):
                frames = other.pages.leaves[index].frames
                found.update(frame for entry, frame in frames.items() if low <= entry < high)
    return found


def anon_vma_prepare(kernel: "Kernel", mm: "Mm", vma: Vma) -> Vma:
    """Give a VMA an anon_vma before its first anonymous page: a neighbour's if it fits, else a new one."""
    if vma.anon_vma:
        return vma
    number = _mergeable(mm, vma)
    if number:
        mm.note("shares its neighbour's anon_vma")
    return mm.update(vma, vma.with_anon(number or kernel.new_anon_vma(), 1))


def _mergeable(mm: "Mm", vma: Vma) -> int:
    following = mm.tree.find(vma.end)
    if following is not None and following.chain == 1 and anon_vma_compatible(vma, following):
        return following.anon_vma
    prev = mm.tree.before(vma.start)
    if prev is not None and prev.chain == 1 and anon_vma_compatible(prev, vma):
        return prev.anon_vma
    return 0
