"""Models mm/readahead.c and do_sync_mmap_readahead() of mm/filemap.c (6.18): what a miss reads besides the page.

Folios are of one page here. A window belongs to the open file, as in the kernel; its marker too, which the kernel
keeps on the page.
"""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.pagemap import add_pages
from memtui.sim.kernel.vm_flags import VM_EXEC, VM_RAND_READ, VM_SEQ_READ

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
    inode, end = file.inode, first + count
    at = first
    while at < end:
        if at == file.ra_marker:
            _async(kernel, task, file, at, end - at)
        if at not in inode.pages:
            _sync(kernel, task, file, at, end - at)
            if at not in inode.pages:
                add_pages(kernel, task, inode, at, 1)
        cached = inode.pages.mask(at, end - at).find(0)
        stop = end if cached < 0 else at + max(cached, 1)
        at = file.ra_marker if at < file.ra_marker < stop else stop


def fault_pages(kernel: "Kernel", task: "Task", vma: "Vma", page: int) -> None:
    """do_sync_mmap_readahead(): a fault misses page `page` of the file.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    file = vma.file
    assert file is not None
    most = _ra_pages(kernel)
    if vma.flags & VM_SEQ_READ:
        _sync(kernel, task, file, page, 1)
    elif not vma.flags & VM_RAND_READ and most:
        file.mmap_miss = min(file.mmap_miss + 1, 10 * MMAP_LOTSAMISS)
        if file.mmap_miss <= MMAP_LOTSAMISS:
            if vma.flags & VM_EXEC:
                start, end = page, min(page + most, vma.pgoff + vma.pages)
            else:
                start = max(0, page - most // 2)
                end = start + most
            _submit(kernel, task, file, start, end - start)
    add_pages(kernel, task, file.inode, page, 1)


def _sync(kernel: "Kernel", task: "Task", file: "OpenFile", index: int, wanted: int) -> None:
    """page_cache_sync_ra(): a reader found page `index` missing."""
    most = max(_ra_pages(kernel), 1)
    previous = file.prev_page
    if not index or wanted > most or 0 <= index - previous <= 1:
        file.ra_start, file.ra_size = index, _init_size(wanted, most)
        rest = file.ra_size - wanted if file.ra_size > wanted else file.ra_size >> 1
    else:
        run = _cached_before(file, index, most)
        if run <= wanted:
            _submit(kernel, task, file, index, wanted)
            return
        if run == index:  # cached from the start of the file
            run *= 2
        file.ra_start, file.ra_size = index, min(run + wanted, most)
        rest = 1
    _submit_window(kernel, task, file, rest)


def _async(kernel: "Kernel", task: "Task", file: "OpenFile", index: int, wanted: int) -> None:
    """page_cache_async_ra(): the reader reached the marker, so the next window is read meanwhile."""
    most = max(_ra_pages(kernel), 1)
    file.ra_start += file.ra_size
    file.ra_size = _next_size(file.ra_size, most)
    _submit_window(kernel, task, file, file.ra_size)


def _submit_window(kernel: "Kernel", task: "Task", file: "OpenFile", rest: int) -> None:
    file.ra_marker = file.ra_start + file.ra_size - rest
    _submit(kernel, task, file, file.ra_start, file.ra_size)


def _submit(kernel: "Kernel", task: "Task", file: "OpenFile", first: int, count: int) -> None:
    """do_page_cache_ra(): read up to the end of the file; pages that are there are skipped."""
    count = min(count, file.inode.size_pages - first)
    if count > 0:
        kernel.vmevents["pgpgin"] += 4 * add_pages(kernel, task, file.inode, first, count)


def _cached_before(file: "OpenFile", index: int, most: int) -> int:
    """How many pages directly before `index` are in memory, at most `most`."""
    first = max(index - most, 0)
    return index - first - 1 - file.inode.pages.mask(first, index - first).rfind(0)


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
