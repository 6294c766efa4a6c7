"""The faults of file mappings, private and shared.

Models do_read_fault(), do_cow_fault(), do_shared_fault() (mm/memory.c), filemap_fault() and filemap_map_pages()
(mm/filemap.c), shmem_fault() (mm/shmem.c), 6.18. A file that exists when the simulation starts is taken to be in
the page cache, in pages of 4 KiB.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import page_alloc, shmem
from memtui.sim.kernel.outcome import Errno, Fault
from memtui.sim.kernel.page_leaf import ABSENT, ANON, ENTRIES, FILE, FILE_DIRTY, LAZY, PMD_SHIFT, SHMEM, SWAP, table_of
from memtui.sim.kernel.pagemap import add_pages
from memtui.sim.kernel.readahead import fault_pages
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

BUS_ADRERR: Final = "SIGBUS BUS_ADRERR"
FAULT_AROUND: Final = 16
"""Pages that one read fault maps at most: fault_around_bytes is 64 KiB. System V segments have no map_pages hook."""
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
    if not write:
        _read(kernel, task, vma, index, low, reach, high)
    elif reach > low:
        pages.alloc(index)
        missing = inode.pages.missing(vma.pgoff_at(index << PMD_SHIFT) + low, reach - low)
        step = reach - low if page_alloc.fits(kernel, missing) else 1
        for start in range(low, reach, step):
            _share(kernel, task, vma, index, start, start + step)
    _check_reach(vma, index, reach, high)


def _share(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int) -> None:
    """do_shared_fault(): pages of the file itself, writable, and dirty from now on."""
    inode, pages = _inode(vma), task.mm.pages
    first = vma.pgoff_at(index << PMD_SHIFT) + low
    if inode.shmem:
        _allocate(kernel, task, inode, first - low, index, low, high, write=True)
    else:
        for page in range(first, first + high - low) if inode.pages.missing(first, high - low) else ():
            if page not in inode.pages:
                fault_pages(kernel, task, vma, page)
                task.maj_flt += 1
                task.min_flt -= 1
    task.min_flt += (high - low) - pages.leaves[index].state.count(FILE_DIRTY, low, high)
    pages.translate(index, low, high, _SHMEM if inode.shmem else _WRITE_FILE)
    if not inode.shmem and inode.regular:
        inode.dirty.add(first, high - low)


def cow_fault(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, high: int) -> None:
    """Bring in what a write to a private mapping copies; the caller makes the copies.

    Raises:
        Fault: as `shared_fault`; the pages before it have become anonymous.
    """
    inode = _inode(vma)
    reach = _up_to_eof(vma, inode, index, low, high)
    pages = task.mm.pages
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
        pages.put(index, low, bytes([ANON]) * (high - low))
        pages.drop_frames(pages.leaves[index], low, high)


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
        for entry in range(low, high) if inode.pages.missing(base + low, high - low) else ():
            if state[entry] == ABSENT and base + entry not in inode.pages:
                fault_pages(kernel, task, vma, base + entry)
                task.maj_flt += 1
        return
    if state.count(ABSENT, low, high) == high - low:
        _allocate(kernel, task, inode, base, index, low, high)
        return
    for entry in range(low, high):
        if state[entry] == ABSENT:
            _allocate(kernel, task, inode, base, index, entry, entry + 1)


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


def _is_last_folio(inode: "Inode", first: int, count: int) -> bool:
    """Whether the first page in memory of a window is the file's last one.

    filemap_map_pages() then neither tries a PMD nor installs the page table that is missing, so that it maps nothing
    (can_map_large, 6.18.y). Folios are of one page here: a larger one that reaches the end does the same.
    """
    return count > 0 and first + inode.pages.mask(first, count).find(1) == inode.size_pages - 1


def _read(kernel: "Kernel", task: "Task", vma: Vma, index: int, low: int, reach: int, high: int) -> None:
    """Read faults one after the other, each with do_fault_around() first; also the one behind `reach` that fails."""
    pages, inode = task.mm.pages, _inode(vma)
    base = vma.pgoff_at(index << PMD_SHIFT)
    first = max((vma.start - (index << PMD_SHIFT)) >> PAGE_SHIFT, 0)
    last = min((vma.end - (index << PMD_SHIFT)) >> PAGE_SHIFT, ENTRIES, inode.size_pages - base)
    around = 0 if vma.has_close else FAULT_AROUND
    kind = SHMEM if inode.shmem else FILE
    leaf = pages.leaves.get(index)
    state = bytearray(ENTRIES) if leaf is None else bytearray(leaf.state)
    entry = low
    while (entry := state.find(ABSENT, entry, min(reach + 1, high))) >= 0:
        start = max(entry - entry % FAULT_AROUND, first)
        window = base + start, max(min(start + around, last) - start, 0)
        if not inode.shmem and leaf is None and not any(state) and _is_last_folio(inode, *window):
            window = window[0], 0
        _map_around(inode, state, start, window, kind)
        if entry == reach:
            break
        if state[entry] == ABSENT:
            if any(state):
                pages.alloc(index)
                pages.put(index, 0, state)
            waited = _miss(kernel, task, vma, index, entry)
            if index in pages.leaves:  # reclaim may have unmapped some of them
                state = bytearray(pages.leaves[index].state)
            if waited:  # the fault starts anew once the disk has answered, and finds what was read with the page
                _map_around(inode, state, start, window, kind)
            state[entry] = kind
        else:
            task.min_flt += 1
    if any(state):
        pages.alloc(index)
        pages.put(index, 0, state)


def _map_around(inode: "Inode", state: bytearray, start: int, window: tuple[int, int], kind: int) -> None:
    """do_fault_around(): map what is in memory of a window of file pages, from entry `start` on."""
    cached, fresh = inode.pages.mask(*window), inode.fresh.mask(*window)
    for near, (present, new) in enumerate(zip(cached, fresh, strict=True), start):
        if present and not new and state[near] == ABSENT:
            state[near] = kind


def _miss(kernel: "Kernel", task: "Task", vma: Vma, index: int, entry: int) -> bool:
    """A read fault on a page that no window could map; whether it had to wait for the disk."""
    inode, base = _inode(vma), vma.pgoff_at(index << PMD_SHIFT)
    major = task.maj_flt
    if inode.shmem or base + entry in inode.pages:
        _allocate(kernel, task, inode, base, index, entry, entry + 1)
        task.min_flt += task.maj_flt == major
        return False
    fault_pages(kernel, task, vma, base + entry)
    task.maj_flt += 1
    return True
