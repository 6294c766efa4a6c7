"""Models the fault path: mm/memory.c (6.18), from handle_mm_fault() on.

Ranges are handled a page table at a time, with the outcome that page by page would have had.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE
from memtui.sim.kernel import filemap, huge_folio, hugetlb, page_alloc
from memtui.sim.kernel.fault_tables import fault_tables, thp_allowed
from memtui.sim.kernel.outcome import Fault
from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    DEVICE,
    ENTRIES,
    FILE,
    FILE_DIRTY,
    GUARD,
    HUGE_ZERO,
    LAZY,
    PMD_SHIFT,
    SHMEM,
    SWAP,
    VDSO,
    ZERO,
    Frame,
    Leaf,
    table_of,
)
from memtui.sim.kernel.page_table import entry_range
from memtui.sim.kernel.rmap import anon_vma_prepare
from memtui.sim.kernel.swap_in import swapin
from memtui.sim.kernel.vm_flags import (
    VM_HUGETLB,
    VM_MAYSHARE,
    VM_SHARED,
)
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MAPERR: Final = "SIGSEGV SEGV_MAPERR"
READ_ANON: Final = table_of({ABSENT: ZERO})
WRITE_ANON: Final = table_of(
    dict.fromkeys((ABSENT, ZERO, HUGE_ZERO, LAZY, SWAP, FILE, FILE_DIRTY, SHMEM, DEVICE, VDSO), ANON)
)
_WRITE_NEEDS: Final = bytes(state not in (ANON, LAZY) for state in range(256))
_READ_NEEDS: Final = bytes(state == SWAP for state in range(256))
_FAULTS: Final = bytes(state not in (ANON, LAZY, SWAP) for state in range(256))
"""Entries that a write faults on, without those that wait for swap."""
READ_DEVICE: Final = table_of({ABSENT: DEVICE})
READ_VDSO: Final = table_of({ABSENT: VDSO})
MISSING_PAGES: Final = {"[vvar]": (1, 3), "[vvar_vclock]": (1,)}
"""Pages of special mappings that are SIGBUS: of a time namespace, of the architecture, of Hyper-V's clock; seen on a
6.18 guest of KVM, whose own clock is there."""


def fault_range(kernel: "Kernel", task: "Task", vma: Vma, start: int, end: int, *, write: bool) -> int:
    """handle_mm_fault() for every page of [start, end), which lies in `vma`; gives `end`.

    Raises:
        Fault: at the first page that cannot be had; those before it are.
    """
    if vma.flags & VM_HUGETLB:
        if not vma.flags & VM_MAYSHARE and hugetlb.inside_file(vma, start):
            vma = anon_vma_prepare(kernel, task.mm, vma)
        hugetlb.fault(task, vma, start)
    index, last = start >> PMD_SHIFT, (end - 1) >> PMD_SHIFT
    while index <= last:
        low, high = entry_range(index, start, end)
        count = 0
        if high - low == ENTRIES and vma.anonymous and not vma.name:
            vma, count = fault_tables(kernel, task, vma, index, end >> PMD_SHIFT, write=write)
        if not count:
            vma = _fault_table(kernel, task, vma, index, low, high, write=write)
        index += count or 1
    return end


def _fault_table(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool) -> Vma:
    """The entries [low, high) of page table `index`; gives the VMA, which may have got an anon_vma."""
    guard = _guard(task, index, low, high)
    if guard is not None:
        high = guard
    if high > low:
        if write and not vma.flags & VM_SHARED:
            vma = anon_vma_prepare(kernel, task.mm, vma)
        for part_low, part_high in _parts(kernel, task, vma, index, low, high, write=write):
            vma = _fault_entries(kernel, task, vma, index, part_low, part_high, write=write)
            leaf = task.mm.pages.leaves.get(index)
            if leaf is not None:
                leaf.touch(part_low, part_high)
                if write and leaf.slots:
                    leaf.slots.dirtied(part_low, part_high)
    if guard is not None:
        raise Fault(MAPERR, (index << PMD_SHIFT) + (guard << PAGE_SHIFT), "a guard region (MADV_GUARD_INSTALL)")
    return vma


def _parts(
    kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool
) -> "Iterator[tuple[int, int]]":
    """Cut entries [low, high) where the page allocator has to stop for reclaim: each part may be faulted in at once.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    private = vma.anonymous or (write and not vma.flags & VM_SHARED)
    needs = _needs(task, index, low, high, write=write) if private else b""
    want = needs.count(1)
    if not want and index not in task.mm.pages.leaves and not page_alloc.fits(kernel, task, 1):
        page_alloc.grant(kernel, task, 1)  # the page table itself; beside new pages the next recount tells of it
    if not want or page_alloc.fits(kernel, task, want):
        yield low, high
        return
    at = low
    while want:
        part = page_alloc.grant(kernel, task, want)
        needs = _needs(task, index, at, high, write=write)  # reclaim may have taken some that were there
        want, end = needs.count(1), at
        while part and want:
            taken = needs[end - at]
            part, want, end = part - taken, want - taken, end + 1
        yield at, (end if want else high)
        at = end


def _needs(task: "Task", index: int, low: int, high: int, *, write: bool) -> bytes:
    """One byte an entry: 1 where a fault takes a page of anonymous memory."""
    leaf = task.mm.pages.leaves.get(index)
    if leaf is None:
        return (b"\1" if write else b"\0") * (high - low)
    needs = leaf.state[low:high].translate(_WRITE_NEEDS if write else _READ_NEEDS)
    if write and leaf.owners > 1:
        return b"\1" * (high - low)
    for entry, frame in leaf.frames.items() if write else ():
        if low <= entry < high and frame.mapcount > 1:
            needs[entry - low] = 1
    return bytes(needs)


def _guard(task: "Task", index: int, low: int, high: int) -> int | None:
    leaf = task.mm.pages.leaves.get(index)
    found = leaf.state.find(GUARD, low, high) if leaf is not None else -1
    return None if found < 0 else found


def _fault_entries(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool) -> Vma:
    """Fault in the entries [low, high) of page table `index`; gives the VMA, which may have got an anon_vma."""
    if vma.name:
        _fault_special(task, vma, index, low, high, write=write)
    elif vma.anonymous:
        return _fault_anonymous(kernel, task, vma, index, low, high, write=write)
    elif write and not vma.flags & VM_SHARED:
        filemap.cow_fault(kernel, task, vma, index, low, high)
        swapin(kernel, task, vma, index, low, high, write=True)
        _write_anon(task, index, low, high)
    else:
        if index in task.mm.pages.leaves:  # copies that a private mapping has out on swap
            swapin(kernel, task, vma, index, low, high, write=write)
        filemap.shared_fault(kernel, task, vma, index, low, high, write=write)
    return vma


def _fault_special(task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool) -> None:
    """special_mapping_fault(): some pages of [vvar] do not exist on every machine."""
    pages = task.mm.pages
    base = vma.pgoff_at(index << PMD_SHIFT)
    missing = [page - base for page in MISSING_PAGES.get(vma.name, ()) if low <= page - base < high]
    end = min(missing, default=high)
    pages.alloc_upper(index)
    if end > low:
        pages.alloc(index)
        if write:
            _write_anon(task, index, low, end)
        else:
            task.min_flt += pages.leaves[index].state.count(ABSENT, low, end)
            pages.translate(index, low, end, READ_VDSO if vma.name == "[vdso]" else READ_DEVICE)
    if missing:
        raise Fault(filemap.BUS_ADRERR, (index << PMD_SHIFT) + (end << PAGE_SHIFT), f"{vma.name} has no such page here")


def _fault_anonymous(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool) -> Vma:
    """do_anonymous_page(), do_wp_page(), do_huge_pmd_anonymous_page()."""
    pages = task.mm.pages
    leaf = pages.leaves.get(index)
    if _huge_fits(kernel, task, vma, index, leaf, write=write):
        vma = anon_vma_prepare(kernel, task.mm, vma)
        leaf = pages.refill(index, ANON if write else HUGE_ZERO)
        leaf.huge = True
        if write:
            huge_folio.made(leaf)
        if write and not task.fills:
            huge_folio.written(leaf, low, high)
        task.min_flt += 1
        return vma
    if high - low == ENTRIES and (leaf is None or (write and leaf.owners > 1 and not leaf.state.count(SWAP))):
        before = bytes(ENTRIES) if leaf is None else bytes(leaf.state)
        known = None if leaf is None else leaf.folio
        leaf = pages.refill(index, ANON if write else ZERO)
        if write:
            leaf.folio = None if known is None else bytearray(known)
            huge_folio.faulted(leaf, 0, before, set(range(ENTRIES)), fills=task.fills)
        task.min_flt += ENTRIES
        return vma
    pages.alloc(index)
    swapin(kernel, task, vma, index, low, high, write=write)
    if write:
        _write_anon(task, index, low, high)
    else:
        task.min_flt += pages.leaves[index].state.count(ABSENT, low, high)
        pages.translate(index, low, high, READ_ANON)
    return vma


def _huge_fits(kernel: "Kernel", task: "Task", vma: Vma, index: int, leaf: Leaf | None, *, write: bool) -> bool:
    """Whether the fault is served by a 2 MiB page: nothing below it yet, or the huge zero page written to.

    For that one do_huge_zero_wp_pmd() does not ask whether the VMA may have huge pages still.
    """
    if leaf is None:
        base = index << PMD_SHIFT
        if not thp_allowed(kernel, task.mm, vma) or vma.start > base or base + PMD_SIZE > vma.end:
            return False
    elif not (write and leaf.huge and leaf.state[0] == HUGE_ZERO):
        return False
    return not write or page_alloc.fits(kernel, task, ENTRIES)


def _write_anon(task: "Task", index: int, low: int, high: int) -> None:
    """Make the entries writable pages of our own: copied where they are shared."""
    pages = task.mm.pages
    leaf = pages.leaves[index]
    before, copied, reused = bytes(leaf.state[low:high]), set[int](), dict[int, Frame]()
    task.min_flt += before.translate(_FAULTS).count(1)
    if leaf.huge and leaf.state[0] == HUGE_ZERO:  # no 2 MiB page in its place: __split_huge_zero_page_pmd()
        leaf = pages.own(index)
        leaf.huge = False
    if leaf.owners > 1 or leaf.frames:
        leaf = pages.own(index)
        copied = huge_folio.copied(pages, index, low, high)
        task.min_flt += sum(low <= entry < high and leaf.state[entry] in (ANON, LAZY) for entry in leaf.frames)
        leaf.huge = leaf.huge and not copied
        reused = {entry: leaf.frames[entry] for entry in leaf.frames if low <= entry < high and entry not in copied}
        pages.drop_frames(leaf, low, high)
        pages.changed.add(index)
    first, behind = (0, ENTRIES) if leaf.huge else (low, high)  # 2 MiB have one dirty bit
    lazy = range(first, behind) if leaf.state.count(LAZY, first, behind) else ()
    given_up = [entry for entry in lazy if leaf.state[entry] == LAZY and not (entry in copied or entry in leaf.frames)]
    pages.translate(index, first, behind, WRITE_ANON)
    huge_folio.faulted(pages.leaves[index], low, before, copied, fills=task.fills)
    leaf = pages.leaves[index]
    leaf.rewritten.update(given_up, (entry for entry, frame in reused.items() if frame.given_up))
    leaf.set_dirty(entry for entry, frame in reused.items() if frame.dirty)
