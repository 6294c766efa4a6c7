"""Models mm/readahead.c and do_sync_mmap_readahead() of mm/filemap.c (6.18): what a miss reads besides the page.

A window belongs to the open file; the mark whose use makes the kernel read the next one lies on a folio.
"""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel import memcontrol
from memtui.sim.kernel.lru import ACTIVE_FILE, INACTIVE_FILE
from memtui.sim.kernel.mmzone import room
from memtui.sim.kernel.page_set import MAX_ORDER
from memtui.sim.kernel.pagemap import add_pages, get_folio, max_order
from memtui.sim.kernel.vm_flags import VM_EXEC, VM_HUGEPAGE, VM_RAND_READ, VM_SEQ_READ
from memtui.sim.kernel.xarray import ULONG_MAX, page_cache_next_miss, page_cache_prev_miss

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

MMAP_LOTSAMISS: Final = 100
"""Net misses after which a mapping is read page by page."""


def read_pages(kernel: "Kernel", task: "Task", file: "OpenFile", first: int, count: int) -> None:
    """filemap_get_pages() for read(2): pages [first, first + count) come in, and those behind them.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    pages, end = file.inode.pages, first + count
    at = first
    while at < end:
        if at not in pages:
            _sync(kernel, task, file, at, end - at)
            if at not in pages:
                add_pages(kernel, task, file.inode, at, 1)
        missing = pages.mask(at, end - at).find(0)
        stop = end if missing < 0 else at + max(missing, 1)
        low = pages.folio(at)[0]
        marked = min((head for head in pages.readahead if low <= head < stop), default=None)
        if marked is not None:
            stop = sum(pages.folio(marked))
            _async(kernel, task, file, marked, marked, end - marked)
        at = stop


def fault_pages(kernel: "Kernel", task: "Task", vma: "Vma", page: int) -> None:
    """do_sync_mmap_readahead(): a fault misses page `page` of the file.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    file = vma.file
    assert file is not None
    most = _ra_pages(kernel)
    if vma.flags & VM_HUGEPAGE and kernel.profile.thp:
        _read_huge(kernel, task, vma, page)
    elif vma.flags & VM_SEQ_READ and most:
        _sync(kernel, task, file, page, most)
    elif (not vma.flags & VM_RAND_READ or vma.flags & VM_EXEC) and most:
        file.mmap_miss = min(file.mmap_miss + 1, 10 * MMAP_LOTSAMISS)
        if file.mmap_miss <= MMAP_LOTSAMISS:
            file.ra_order = 0
            if vma.flags & VM_EXEC:
                end = min(page + most, vma.pgoff + vma.pages)
                file.ra_start, file.ra_size, file.ra_async_size = page, end - page, 0
            else:
                file.ra_start, file.ra_size, file.ra_async_size = max(0, page - most // 2), most, most // 4
            _submit_window(kernel, task, file)
    add_pages(kernel, task, file.inode, page, 1)


def fault_found(kernel: "Kernel", task: "Task", vma: "Vma", page: int) -> bool:
    """do_async_mmap_readahead(): a fault that no page table could answer found the page in memory.

    What it finds is uptodate from now on.

    Returns:
        Whether it lets go of its locks to read on, so that the fault begins anew.
    """
    file, most = vma.file, _ra_pages(kernel)
    assert file is not None
    file.inode.fresh.discard(page, 1)
    if vma.flags & VM_RAND_READ or not most:
        return False
    file.mmap_miss = max(file.mmap_miss - 1, 0)
    head = file.inode.pages.folio(page)[0]
    if head not in file.inode.pages.readahead:
        return False
    _async(kernel, task, file, head, page, most)
    return True


def _read_huge(kernel: "Kernel", task: "Task", vma: "Vma", page: int) -> None:
    """MADV_HUGEPAGE: folios of 2 MiB where the file system makes them, two at a time."""
    file = vma.file
    assert file is not None
    pages = 1 << MAX_ORDER
    file.ra_start = page & -pages
    file.ra_size = pages if vma.flags & VM_RAND_READ else 2 * pages
    file.ra_async_size, file.ra_order = pages, MAX_ORDER
    _submit_window(kernel, task, file)


def _sync(kernel: "Kernel", task: "Task", file: "OpenFile", index: int, wanted: int) -> None:
    """page_cache_sync_ra(): a reader found page `index` missing."""
    most = _ra_pages(kernel)
    if not most:
        _submit(kernel, task, file, index, wanted, 0)
        return
    previous = file.prev_pos >> 12 if file.prev_pos >= 0 else None
    if not index or wanted > most or (previous is not None and 0 <= index - previous <= 1):
        file.ra_start, file.ra_size = index, _init_size(wanted, most)
        file.ra_async_size = file.ra_size - wanted if file.ra_size > wanted else file.ra_size >> 1
    else:
        miss = page_cache_prev_miss(file.inode, index - 1, most)
        run = index - 1 - miss & ULONG_MAX
        if run <= wanted:
            _submit(kernel, task, file, index, wanted, 0)
            return
        if miss == ULONG_MAX:  # cached from the start of the file
            run *= 2
        file.ra_start, file.ra_size, file.ra_async_size = index, min(run + wanted, most), 1
    file.ra_order = 0
    _submit_window(kernel, task, file)


def _async(kernel: "Kernel", task: "Task", file: "OpenFile", head: int, index: int, wanted: int) -> None:
    """page_cache_async_ra(): page `index` is in the marked folio `head`, so the next window is read meanwhile."""
    inode, most = file.inode, _ra_pages(kernel)
    if not most or head in inode.writeback:
        return
    inode.pages.readahead.discard(head)
    count = inode.pages.folio(head)[1]
    expected = (file.ra_start + file.ra_size - file.ra_async_size) & -count
    if index == expected:
        file.ra_start += file.ra_size
        file.ra_size = max(file.ra_size, _next_size(file.ra_size, most))
    else:
        miss = page_cache_next_miss(inode, index + 1, most)
        if miss - index > most:
            return
        file.ra_start = miss
        file.ra_size = _next_size(miss - index + wanted, most)
    file.ra_order = min(file.ra_order + 2, (most & -most).bit_length() - 1)
    end = file.ra_start + file.ra_size
    aligned = end & -(1 << file.ra_order)
    if aligned > file.ra_start:
        file.ra_size -= end - aligned
    file.ra_async_size = file.ra_size
    _submit_window(kernel, task, file)


def _submit_window(kernel: "Kernel", task: "Task", file: "OpenFile") -> None:
    """page_cache_ra_order(): read the window in folios of its order, smaller ones where they do not fit."""
    inode, index, size = file.inode, file.ra_start, file.ra_size
    if not max_order(kernel, inode):
        file.ra_order = 0
        _submit(kernel, task, file, index, size, file.ra_async_size)
        return
    limit = min(inode.size_pages, index + min(size, _obtainable(kernel, task))) - 1
    mark = index + size - file.ra_async_size
    most = file.ra_order = min(MAX_ORDER, file.ra_order, max(size, 1).bit_length() - 1)
    while index <= limit:
        order = min(most, (index & -index).bit_length() - 1) if index else most
        while order and index + (1 << order) - 1 > limit:
            order -= 1
        if index in inode.pages or (order and inode.pages.missing(index, 1 << order) < 1 << order):
            _submit(kernel, task, file, index, size - (index - file.ra_start), file.ra_async_size)
            return
        mark = mark & -(1 << order)
        if order == 0:  # all that follows is single pages, up to the next one that is there
            run = min(limit + 1 - index, size) if not most else 1
            found = inode.pages.mask(index, run).find(1)
            run = run if found < 0 else found
            _read_in(kernel, task, file, index, run)
            if index <= mark < index + run and file.ra_async_size:
                inode.pages.readahead.add(mark)
            index += run
            continue
        first, count = get_folio(kernel, task, inode, index, order)
        kernel.vmevents["pgpgin"] += 4 * count
        if index == mark and file.ra_async_size:
            inode.pages.readahead.add(first)
        index += count


def _submit(kernel: "Kernel", task: "Task", file: "OpenFile", first: int, count: int, ahead: int) -> None:
    """do_page_cache_ra(): read single pages up to the end of the file, with a mark `ahead` pages before the end.

    Pages that are there are skipped.
    """
    count = min(count, file.inode.size_pages - first)
    if count <= 0:
        return
    mark = first + count - ahead
    new = mark not in file.inode.pages
    read = min(count, _obtainable(kernel, task))
    _read_in(kernel, task, file, first, read)
    if ahead and ahead <= count and new and mark < first + read:
        file.inode.pages.readahead.add(mark)


def _read_in(kernel: "Kernel", task: "Task", file: "OpenFile", first: int, count: int) -> None:
    kernel.vmevents["pgpgin"] += 4 * add_pages(kernel, task, file.inode, first, count)


def _obtainable(kernel: "Kernel", task: "Task") -> int:
    """Pages that can be had for a window: its own are locked until they are read, so reclaim takes others only.

    Where there is no page, page_cache_ra_unbounded() stops.
    """
    lruvec = kernel.lruvec
    pages = room(kernel, "high") + lruvec.size(INACTIVE_FILE) + lruvec.size(ACTIVE_FILE)
    charged = memcontrol.file_room(kernel, task)
    return pages if charged is None else min(pages, charged)


def _init_size(wanted: int, most: int) -> int:
    """get_init_ra_size()."""
    size = 1 << (wanted - 1).bit_length()
    if size <= most // 32:
        return size * 4
    return size * 2 if size <= most // 4 else most


def _next_size(size: int, most: int) -> int:
    """get_next_ra_size()."""
    if size < most // 16:
        return 4 * size
    return 2 * size if size <= most // 2 else most


def _ra_pages(kernel: "Kernel") -> int:
    return kernel.facts.read_ahead_kb // 4
