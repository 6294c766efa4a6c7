"""The faults of file mappings, private and shared.

Models do_read_fault(), do_cow_fault(), do_shared_fault() (mm/memory.c), filemap_fault() and filemap_map_pages()
(mm/filemap.c), shmem_fault() (mm/shmem.c), 6.18. A file that exists when the simulation starts is taken to be in
the page cache, in folios of one page.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import page_alloc, shmem
from memtui.sim.kernel.map_pages import FAULT_AROUND, Window
from memtui.sim.kernel.outcome import Errno, Fault
from memtui.sim.kernel.overcommit import OVERCOMMIT_NEVER
from memtui.sim.kernel.page_leaf import ABSENT, ANON, ENTRIES, FILE, FILE_DIRTY, LAZY, PMD_SHIFT, SHMEM, SWAP, table_of
from memtui.sim.kernel.page_writeback import mark_dirty
from memtui.sim.kernel.pagemap import add_pages
from memtui.sim.kernel.readahead import fault_found, fault_pages
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.task import Task

BUS_ADRERR: Final = "SIGBUS BUS_ADRERR"
_WRITE_FILE: Final = table_of({ABSENT: FILE_DIRTY, FILE: FILE_DIRTY})
_SHMEM: Final = table_of({ABSENT: SHMEM})


def shared_fault(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int, *, write: bool) -> None:
    """Map pages of the file itself: entries [low, high) of page table `index`.

    Raises:
        Fault: SIGBUS at the first page behind the end of the file, or that may not be allocated.
    """
    inode = _inode(vma)
    reach = _up_to_eof(vma, inode, index, low, high)
    pages = task.mm.pages
    pages.alloc_upper(index)
    if write and pages.get(index << PMD_SHIFT) != FILE_DIRTY:
        pages.split_file(index)
    if not write:
        _read(kernel, task, vma, index, low, reach, high)
    elif reach > low:
        missing = inode.pages.missing(vma.pgoff_at(index << PMD_SHIFT) + low, reach - low)
        step = reach - low if page_alloc.fits(kernel, task, missing) else 1
        for start in range(low, reach, step):
            _share(kernel, task, vma, index, start, start + step)
    _check_reach(vma, index, reach, high)


def _share(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int) -> None:
    """do_shared_fault(): pages of the file itself, writable, and dirty from now on."""
    inode, pages = _inode(vma), task.mm.pages
    first = vma.pgoff_at(index << PMD_SHIFT) + low
    if inode.shmem:
        major = task.maj_flt
        _allocate(kernel, task, inode, first - low, index, low, high, write=True)
        task.min_flt -= task.maj_flt - major  # what comes from swap is counted below as well, but is no minor fault
    elif inode.pages.large or _faults_tell(vma, first, high - low):
        _share_folios(kernel, task, vma, index, low, high)
        return
    pages.alloc(index)
    # What a read mapped of shared memory may be written without a fault: there is no disk to be told of it.
    mapped = pages.leaves[index].state.count(SHMEM if inode.shmem else FILE_DIRTY, low, high)
    task.min_flt += (high - low) - mapped
    pages.translate(index, low, high, _SHMEM if inode.shmem else _WRITE_FILE)
    if not inode.shmem and inode.regular:
        mark_dirty(inode, first, high - low)


def _share_folios(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int) -> None:
    """The same page by page: a fault maps and dirties the folio, if nothing of it is mapped."""
    inode, pages, window = _inode(vma), task.mm.pages, Window(vma, index)
    for entry in range(low, high):
        leaf, page = pages.leaves.get(index), window.base + entry
        before = ABSENT if leaf is None else leaf.state[entry]
        if before == FILE_DIRTY:
            continue
        if page not in inode.pages:
            fault_pages(kernel, task, vma, page)
            task.maj_flt += 1
        else:
            task.min_flt += 1
            if before == ABSENT:
                _found(kernel, task, vma, page)
        if inode.regular:
            mark_dirty(inode, *inode.pages.folio(page))
        state = _states(pages, index)
        if before == ABSENT and window.finish(state, entry, FILE_DIRTY, table=index in pages.leaves):
            pages.refill_huge(index, FILE_DIRTY)
            continue
        state[entry] = FILE_DIRTY
        _put(pages, index, state)


def cow_fault(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int) -> None:
    """Bring in what a write to a private mapping copies; the caller makes the copies.

    Raises:
        Fault: as `shared_fault`; the pages before it have become anonymous.
    """
    inode = _inode(vma)
    reach = _up_to_eof(vma, inode, index, low, high)
    pages = task.mm.pages
    pages.split_file(index)
    pages.alloc_upper(index)
    if reach > low:
        pages.alloc(index)
        _bring_in(kernel, task, vma, inode, index, low, reach)
    if reach < high:
        if index not in pages.leaves:
            _check_reach(vma, index, reach, high)
        state = pages.leaves[index].state
        for entry in range(reach, high):
            if state[entry] not in (ANON, LAZY, SWAP):
                _make_anon(task, index, low, entry)
                _check_reach(vma, index, entry, high)


def _make_anon(task: "Task", index: int, low: int, high: int) -> None:
    pages = task.mm.pages
    if high > low:
        task.min_flt += (high - low) - sum(pages.leaves[index].state.count(own, low, high) for own in (ANON, LAZY))
        pages.put(index, low, bytes([ANON]) * (high - low))
        pages.drop_frames(pages.leaves[index], low, high)


def _faults_tell(vma: Vma, first: int, count: int) -> bool:
    """Whether faults on these pages do more than to find them: read them, make them uptodate, move a window."""
    assert vma.file is not None
    pages, fresh = vma.file.inode.pages, vma.file.inode.fresh
    return bool(vma.file.mmap_miss or fresh.count or pages.readahead or pages.missing(first, count))


def _inode(vma: Vma) -> "Inode":
    assert vma.file is not None
    return vma.file.inode


def _up_to_eof(vma: Vma, inode: "Inode", index: int, low: int, high: int) -> int:
    """The entry at which the file ends, at most `high`."""
    entries = inode.size_pages - vma.pgoff_at(index << PMD_SHIFT)
    return max(min(high, entries), low)


def _check_reach(vma: Vma, index: int, reach: int, high: int) -> None:
    if reach < high:
        address = (index << PMD_SHIFT) + (reach << PAGE_SHIFT)
        raise Fault(BUS_ADRERR, address, "behind the end of the file")


def _bring_in(
    kernel: "Kernel",
    task: "Task",
    vma: Vma,
    inode: "Inode",
    index: int,
    low: int,
    high: int,
) -> None:
    """Have the file's pages in memory that are not yet copied."""
    state = task.mm.pages.leaves[index].state
    base = vma.pgoff_at(index << PMD_SHIFT)
    if not inode.shmem:
        for entry in range(low, high) if _faults_tell(vma, base + low, high - low) else ():
            if state[entry] != ABSENT:
                continue
            if base + entry in inode.pages:
                _found(kernel, task, vma, base + entry)
            else:
                fault_pages(kernel, task, vma, base + entry)
                task.maj_flt += 1
                task.min_flt -= 1  # the copy is counted as a minor fault, but it is this one
        return
    major = task.maj_flt
    if state.count(ABSENT, low, high) == high - low:
        _allocate(kernel, task, inode, base, index, low, high)
    else:
        for entry in range(low, high):
            if state[entry] == ABSENT:
                _allocate(kernel, task, inode, base, index, entry, entry + 1)
    task.min_flt -= task.maj_flt - major


def _allocate(
    kernel: "Kernel", task: "Task", inode: "Inode", base: int, index: int, low: int, high: int, *, write: bool = False
) -> None:
    if not inode.shmem:
        add_pages(kernel, task, inode, base + low, high - low)
        return
    try:
        shmem.allocate(kernel, task, inode, base + low, high - low, write=write)
    except Errno as failure:
        raise Fault(BUS_ADRERR, (index << PMD_SHIFT) + (low << PAGE_SHIFT), failure.why) from None


def _read(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, reach: int, high: int) -> None:
    """Read faults one after the other, each with do_fault_around() first; also the one behind `reach` that fails."""
    pages, window = task.mm.pages, Window(vma, index)
    state = _states(pages, index)
    entry = low
    while (entry := state.find(ABSENT, entry, min(reach + 1, high))) >= 0:
        around = window.around(entry) if kernel.profile.fault_around else (entry, entry)
        if window.map_around(state, *around, table=index in pages.leaves):
            task.min_flt += 1
            pages.refill_huge(index, window.kind)
            return
        if entry == reach:
            break
        if state[entry] != ABSENT:
            task.min_flt += 1
            pages.alloc(index)
            continue
        made = _make_shared(kernel, task, vma, window, state, index, entry, reach)
        if made > entry:
            pages.alloc(index)
            entry = made
            continue
        _put(pages, index, state)
        waited = _miss(kernel, task, vma, index, entry)
        state = _states(pages, index)  # reclaim may have unmapped some of them
        # Whoever waited for the disk begins anew, and finds what was read with the page.
        huge = waited and window.map_around(state, *around, table=index in pages.leaves)
        if not huge and state[entry] == ABSENT:
            huge = window.finish(state, entry, window.kind, table=index in pages.leaves)
        if huge:
            pages.refill_huge(index, window.kind)
            return
        pages.alloc(index)
    _put(pages, index, state)


def _make_shared(
    kernel: "Kernel", task: "Task", vma: Vma, window: Window, state: bytearray, index: int, entry: int, reach: int
) -> int:
    """Read faults on shared memory that nobody made yet, as many as are alike: each makes a page and maps it alone.

    The windows of do_fault_around() that they reach lie whole among them, and memory is plenty.

    Returns:
        The entry behind them; `entry` if the first is to be looked at by itself.
    """
    inode = _inode(vma)
    if (
        not inode.shmem
        or inode.swapped.count
        or kernel.memcgs
        or kernel.sysctl["overcommit_memory"] == OVERCOMMIT_NEVER
    ):
        return entry
    end = reach - len(state[entry:reach].lstrip(b"\0"))
    present = inode.pages.mask(window.base + entry, end - entry).find(1)
    end = entry + present if present >= 0 else end
    end -= 0 if vma.has_close else end % FAULT_AROUND
    if end <= entry or end - entry > kernel.cushion:
        return entry
    _allocate(kernel, task, inode, window.base, index, entry, end)
    task.min_flt += end - entry
    state[entry:end] = bytes([window.kind]) * (end - entry)
    return end


def _states(pages: "PageTable", index: int) -> bytearray:
    """A copy of a page table's entries; all absent if there is none."""
    leaf = pages.leaves.get(index)
    return bytearray(ENTRIES) if leaf is None else bytearray(leaf.state)


def _put(pages: "PageTable", index: int, state: bytearray) -> None:
    """Write them back; a table comes into being only if something is mapped."""
    if any(state):
        pages.alloc(index)
        pages.put(index, 0, state)


def _miss(kernel: "Kernel", task: "Task", vma: Vma, index: int, entry: int) -> bool:
    """A read fault on a page that no window could map; whether it had to wait for the disk."""
    inode, page = _inode(vma), vma.pgoff_at(index << PMD_SHIFT) + entry
    if inode.shmem:
        major = task.maj_flt
        _allocate(kernel, task, inode, page - entry, index, entry, entry + 1)
        task.min_flt += task.maj_flt == major
        return False
    if page in inode.pages:
        task.min_flt += 1
        return _found(kernel, task, vma, page)
    fault_pages(kernel, task, vma, page)
    task.maj_flt += 1
    return True


def _found(kernel: "Kernel", task: "Task", vma: Vma, page: int) -> bool:
    """A fault finds its page in memory; whether it begins anew because the kernel reads on first.

    Then it counts as major where the second attempt is marked as one (FAULT_FLAG_TRIED): for MADV_POPULATE_*.
    """
    again = fault_found(kernel, task, vma, page)
    add_pages(kernel, task, _inode(vma), page, 1)  # what is read ahead cannot push it out: the fault holds it
    if again and task.populates:
        task.min_flt -= 1
        task.maj_flt += 1
    return again
