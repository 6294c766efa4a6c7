"""Models the advices of mm/madvise.c (6.18) that act on pages, and madvise_collapse() of mm/khugepaged.c.

Each takes the VMA and the part of it that is advised, addresses in bytes, and raises Errno.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE
from memtui.sim.kernel import huge_folio, hugetlb
from memtui.sim.kernel.memory import fault_range
from memtui.sim.kernel.outcome import Errno, Fault
from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    ENTRIES,
    GUARD,
    LAZY,
    PMD_SHIFT,
    PUD_SHIFT,
    SWAP,
    Frame,
    Leaf,
    table_of,
)
from memtui.sim.kernel.page_table import entry_range
from memtui.sim.kernel.pkeys import denied, permitted
from memtui.sim.kernel.prctl import THP_DISABLED
from memtui.sim.kernel.rmap import anon_vma_prepare, locked_elsewhere
from memtui.sim.kernel.truncate import punch_hole
from memtui.sim.kernel.vm_flags import (
    VM_HUGETLB,
    VM_IO,
    VM_LOCKED,
    VM_MAYBE_GUARD,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WRITE,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_DROP_GUARDS: Final = table_of({GUARD: ABSENT})
_LAZY: Final = table_of({ANON: LAZY, SWAP: ABSENT})


def willneed(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Bring pages of a file into memory; nothing is mapped."""
    file = vma.file
    if file is None or file.inode.shmem or file.inode.zero_device or file.inode.huge_shift:
        return
    first = vma.pgoff_at(start)
    count = min((end - start) >> PAGE_SHIFT, file.inode.size_pages - first)
    if count > 0:
        file.inode.pages.add(first, count)


def dontneed(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Drop the pages; anonymous memory reads as zero next."""
    if vma.flags & (VM_LOCKED | VM_PFNMAP):
        raise Errno("EINVAL", "MADV_DONTNEED on a locked or special mapping")
    _discard(kernel, task, vma, start, end)


def dontneed_locked(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """The same, locked or not."""
    if vma.flags & VM_PFNMAP:
        raise Errno("EINVAL", "MADV_DONTNEED_LOCKED on a special mapping")
    _discard(kernel, task, vma, start, end)


def _discard(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    mm = task.mm
    if hugetlb.inside_page(vma, start):
        raise Errno("EINVAL", "not at the start of a huge page")
    mm.note_peaks()
    if kernel.profile.pt_reclaim:
        mm.pages.reclaim_runs(start, end)
    else:
        mm.pages.zap_runs(start, end)
    for index, low, high in list(mm.pages.pieces(start, end)):
        mm.pages.zap_entries(index, low, high)
        if index not in mm.pages.leaves:  # 2 MiB of a file, without a table
            continue
        empty = not mm.pages.leaves[index].state.count(GUARD)
        if kernel.profile.pt_reclaim and high - low == ENTRIES and empty:
            mm.pages.reclaim_table(index)
    mm.note("the pages were dropped")


def free(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Let reclaim take the pages without writing them out, until they are written to again."""
    if vma.flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB):
        raise Errno("EINVAL", "MADV_FREE on a locked or special mapping")
    if not vma.anonymous:
        raise Errno("EINVAL", "MADV_FREE needs private anonymous memory")
    for index, low, high in list(task.mm.pages.pieces(start, end)):
        _free_table(kernel, task.mm, index, low, high)
    task.mm.note("the pages may go when memory is short")


def _free_table(kernel: "Kernel", mm: "Mm", index: int, low: int, high: int) -> None:
    """madvise_free_pte_range(): a 2 MiB folio is split for a part of it, and left alone if others map it.

    So are pages that are dirty or in the swap cache; others are given up whoever maps them, but for locked ones.
    """
    pages = mm.pages
    kept = huge_folio.split_for(mm, index, low, high)
    leaf = pages.leaves[index]
    if leaf.owners == 1 and not leaf.frames and not leaf.mlocked and not kept:
        pages.translate(index, low, high, _LAZY)
        return
    leaf = pages.own(index)
    states = bytearray(leaf.state[low:high])
    locked = locked_elsewhere(kernel, mm) if leaf.frames else set()
    for entry in range(low, high):
        if entry in kept or entry in leaf.mlocked:
            continue
        if states[entry - low] == ANON and _give_up(mm, leaf, entry, locked):
            states[entry - low] = LAZY
        elif states[entry - low] == SWAP:
            states[entry - low] = ABSENT
            pages.drop_frames(leaf, entry, entry + 1)
    pages.put(index, low, states)


def _give_up(mm: "Mm", leaf: Leaf, entry: int, locked: "set[Frame]") -> bool:
    """folio_mark_lazyfree() of a page of its own, unless the advice passes over it."""
    frame = leaf.frames.get(entry)
    if frame is None:
        return True
    if frame.mapcount == 1:
        frame.dirty = False
        if frame.slot is not None:
            mm.pages.drop_frames(leaf, entry, entry + 1)
    elif frame.slot is not None or frame.dirty or frame in locked:
        return False
    frame.given_up = mm.pages.sharing.stale = True
    return True


def remove(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Punch a hole into the shared file."""
    if vma.flags & VM_LOCKED:
        raise Errno("EINVAL", "MADV_REMOVE on locked memory")
    if vma.file is None:
        raise Errno("EINVAL", "MADV_REMOVE needs a file")
    if vma.flags & (VM_SHARED | VM_MAYWRITE) != VM_SHARED | VM_MAYWRITE:
        raise Errno("EACCES", "MADV_REMOVE needs a shared mapping that may be written")
    punch_hole(kernel, vma.file.inode, vma.pgoff_at(start) << PAGE_SHIFT, end - start)


def collapse(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Make huge pages of the whole 2 MiB blocks in the range."""
    first, last = (start + PMD_SIZE - 1) & -PMD_SIZE, end & -PMD_SIZE
    lowest = (vma.start + PMD_SIZE - 1) & -PMD_SIZE
    too_small = lowest + PMD_SIZE > vma.end and vma.end >= PMD_SIZE  # below 2 MiB the kernel's sum wraps around
    disabled = vma.flags & (VM_NOHUGEPAGE | VM_SPECIAL) or task.mm.thp_disable == THP_DISABLED
    if too_small or disabled or not _may_be_huge(vma):
        raise Errno("EINVAL", "such a mapping cannot have huge pages")
    done = 0
    for address in range(first, last, PMD_SIZE):
        if not vma.anonymous:
            raise Errno("EINVAL", "huge pages of shared memory are not simulated")
        if _collapse_block(task, address >> PMD_SHIFT):
            done += 1
        elif address >> PUD_SHIFT in task.mm.pages.pmds:
            break  # only where not even the table above is there does the kernel go on with the next block
    if first > last or done != (last - first) // PMD_SIZE:
        raise Errno("EINVAL", "not every block could be made a huge page")


def _may_be_huge(vma: "Vma") -> bool:
    """Touched anonymous memory; shmem where 2 MiB of the object meet 2 MiB of addresses. No other file here."""
    if vma.anonymous:
        return vma.anon_vma != 0
    aligned = ((vma.start >> PAGE_SHIFT) - vma.pgoff) % ENTRIES == 0
    return vma.file is not None and vma.file.inode.shmem and aligned


def _collapse_block(task: "Task", index: int) -> bool:
    """hpage_collapse_scan_pmd(): absent and zero pages do not matter, once there is a table."""
    pages = task.mm.pages
    leaf = pages.leaves.get(index)
    if leaf is None or leaf.state.count(GUARD):
        return False
    if not leaf.huge:
        before, known = bytes(leaf.state), None if leaf.folio is None else bytes(leaf.folio)
        leaf = pages.refill(index, ANON)
        huge_folio.collapsed(leaf, before, known)
        leaf.huge = True
    return True


def guard_install(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Make every access to the pages SIGSEGV, without a VMA of its own."""
    mm = task.mm
    if vma.flags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED):
        raise Errno("EINVAL", "guard regions cannot be in locked or special mappings")
    if not vma.anonymous and not kernel.profile.guard_regions_on_files:
        raise Errno("EINVAL", f"Linux {kernel.profile.name} has guard regions only in anonymous memory")
    if kernel.profile.sticky_guard_flag:
        vma = mm.update(vma, vma.flagged(vma.flags | VM_MAYBE_GUARD))
    if vma.anonymous or not kernel.profile.sticky_guard_flag:
        anon_vma_prepare(kernel, mm, vma)
    for index in range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1):
        low, high = entry_range(index, start, end)
        leaf = mm.pages.alloc(index)
        if leaf.huge or leaf.state.count(ABSENT, low, high) != high - low:
            base = index << PMD_SHIFT
            mm.pages.zap(base + (low << PAGE_SHIFT), base + (high << PAGE_SHIFT))
            mm.pages.alloc(index)
        mm.pages.put(index, low, bytes([GUARD]) * (high - low))


def guard_remove(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Take guard markers away; other pages stay."""
    if vma.flags & (VM_SPECIAL | VM_HUGETLB):
        raise Errno("EINVAL", "guard regions cannot be in special mappings")
    if not vma.anonymous and not kernel.profile.guard_regions_on_files:
        raise Errno("EINVAL", f"Linux {kernel.profile.name} has guard regions only in anonymous memory")
    for index, low, high in list(task.mm.pages.pieces(start, end)):
        task.mm.pages.translate(index, low, high, _DROP_GUARDS)


def populate(kernel: "Kernel", task: "Task", start: int, end: int, *, write: bool) -> None:
    """MADV_POPULATE_READ, MADV_POPULATE_WRITE: fault the pages in, with an error where that fails."""
    at = start
    while at < end:
        vma = task.mm.tree.at(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x}")
        if vma.flags & (VM_IO | VM_PFNMAP) or not vma.flags & (VM_WRITE if write else VM_READ):
            raise Errno("EINVAL", "the mapping does not allow it")
        if not permitted(task, vma.flags, write=write):
            raise Errno("EINVAL", denied(task, vma, at).why)
        task.populates = task.fills = True
        try:
            at = fault_range(kernel, task, vma, at, min(vma.end, end), write=write)
        except Fault as fault:
            raise Errno("EFAULT", fault.why) from None
        finally:
            task.populates = task.fills = False
