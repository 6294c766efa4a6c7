"""Models fs/read_write.c, mm/filemap.c and fs/sync.c (6.18): what reading and writing does to the page cache."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.kernel import shmem
from memtui.sim.kernel.fs import F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, Inode, OpenFile
from memtui.sim.kernel.lru_add import mark_accessed
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_set import MAX_ORDER
from memtui.sim.kernel.page_writeback import EVERYTHING, balance_dirty_pages, sync, write_now
from memtui.sim.kernel.pagemap import add_in_parts, get_folio, max_order
from memtui.sim.kernel.readahead import read_pages
from memtui.sim.kernel.truncate import zero_tail

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

MAX_RW_COUNT: Final = 0x7FFF_F000
_CHUNK: Final = PAGE_SIZE << MAX_ORDER
"""mapping_max_folio_size(), bytes."""
SEEK_SET: Final = 0
SEEK_CUR: Final = 1
SEEK_END: Final = 2


@system_call
def sys_read(kernel: "Kernel", task: "Task", fd: int, count: int) -> int:
    """read(2) without its buffer: bytes read."""
    file = _readable(task, fd)
    done = _read(kernel, task, file, file.position, count)
    file.position += done
    return done


@system_call
def sys_pread64(kernel: "Kernel", task: "Task", fd: int, count: int, offset: int) -> int:
    """pread64(2) without its buffer: bytes read."""
    if offset < 0:
        raise Errno("EINVAL", "a negative offset")
    return _read(kernel, task, _readable(task, fd), offset, count)


@system_call
def sys_write(kernel: "Kernel", task: "Task", fd: int, count: int) -> int:
    """write(2) without its buffer: bytes written."""
    file = _writable(task, fd)
    at = file.inode.size if file.append else file.position
    done = _write(kernel, task, file.inode, at, count)
    file.position = at + done
    return done


@system_call
def sys_pwrite64(kernel: "Kernel", task: "Task", fd: int, count: int, offset: int) -> int:
    """pwrite64(2) without its buffer: bytes written."""
    if offset < 0:
        raise Errno("EINVAL", "a negative offset")
    file = _writable(task, fd)
    return _write(kernel, task, file.inode, file.inode.size if file.append else offset, count)


@system_call
def sys_lseek(kernel: "Kernel", task: "Task", fd: int, offset: int, whence: int) -> int:
    """lseek(2): the new position, bytes."""
    file = task.files.get(fd)
    base = {SEEK_SET: 0, SEEK_CUR: file.position, SEEK_END: file.inode.size}.get(whence)
    if base is None or base + offset < 0:
        raise Errno("EINVAL", "a position before the start, or an unknown whence")
    file.position = base + offset
    task.mm.note("only the position moves")
    return file.position


@system_call
def sys_fsync(kernel: "Kernel", task: "Task", fd: int) -> int:
    """fsync(2), fdatasync(2): the file's dirty pages are on the disk."""
    file = task.files.get(fd)
    inode = file.inode
    if file.path_only:
        raise Errno("EBADF", "the descriptor only stands for a path")
    if not inode.regular and not inode.is_dir:
        raise Errno("EINVAL", "a device without fsync")
    written = write_now(kernel, inode, 0, EVERYTHING)
    told = f"{written:,} dirty pages were written; they are clean cache now"
    task.mm.note("nothing to do: the pages have no disk behind them" if inode.shmem else told)
    return 0


@system_call
def sys_sync(kernel: "Kernel", task: "Task") -> int:
    """sync(2): every file's dirty pages are on the disk."""
    task.mm.note(f"{sync(kernel):,} dirty pages were written; they are clean cache now")
    return 0


def _readable(task: "Task", fd: int) -> OpenFile:
    file = task.files.get(fd)
    if not file.readable or file.path_only:
        raise Errno("EBADF", "the descriptor is not open for reading")
    if file.inode.is_dir:
        raise Errno("EISDIR", "a directory")
    return file


def _writable(task: "Task", fd: int) -> OpenFile:
    file = task.files.get(fd)
    if not file.writable or file.path_only:
        raise Errno("EBADF", "the descriptor is not open for writing")
    return file


def _read(kernel: "Kernel", task: "Task", file: OpenFile, at: int, count: int) -> int:
    """filemap_read(): bytes that can be read at byte `at`; a disk's file has their pages in memory afterwards."""
    inode = file.inode
    if not inode.regular:
        task.mm.note("no file with pages")
        return min(count, MAX_RW_COUNT) if inode.zero_device else 0
    done = max(min(count, MAX_RW_COUNT, inode.size - at), 0)
    if inode.shmem or inode.huge_shift or not done:
        task.mm.note("copied from the object's pages" if done else "at the end of the file")
    if done and not inode.shmem and not inode.huge_shift:
        first = at // PAGE_SIZE
        end = (at + done + PAGE_SIZE - 1) // PAGE_SIZE
        missing, cached = inode.pages.missing(first, end - first), inode.pages.count
        read_pages(kernel, task, file, first, end - first)
        ahead = max(inode.pages.count - cached - missing, 0)
        task.mm.note(_read_told(end - first, missing, ahead))
        low, count = inode.pages.whole(first, end - first)
        if file.prev_pos > 0 and (last := (file.prev_pos - 1) // PAGE_SIZE) in inode.pages:
            folio, pages = inode.pages.folio(last)
            if folio <= first < folio + pages:  # the folio that the last read ended in is not used anew
                low, count = folio + pages, count - pages
        mark_accessed(kernel, inode, low, low + count)
        file.prev_pos = at + done
    return done


def _read_told(pages: int, missing: int, ahead: int) -> str:
    if not missing and not ahead:
        return f"all in the page cache (pages {pages:,}): nothing is read from the disk"
    more = f", and {ahead:,} ahead" if ahead else ""
    return f"pages {pages:,}: read from the disk {missing:,}{more}"


def _write(kernel: "Kernel", task: "Task", inode: Inode, at: int, count: int) -> int:
    done = min(count, MAX_RW_COUNT)
    if inode.huge_shift:
        raise Errno("EINVAL", "hugetlbfs has no write(2)")
    if not inode.regular or not done:
        task.mm.note("nothing is kept of it")
        return done
    if inode.shmem and inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise Errno("EPERM", "the memfd is sealed against writing")
    if inode.shmem and inode.seals & F_SEAL_GROW and at + done > inode.size:
        # shmem_write_begin() looks at each page's part: whole parts inside the size are still written.
        done = max(inode.size // PAGE_SIZE * PAGE_SIZE - at, 0)
        if not done:
            raise Errno("EPERM", "the memfd is sealed against growing")
    task.mm.note("in the object's pages" if inode.shmem else "dirty in the page cache; the disk gets it later")
    first = at // PAGE_SIZE
    pages = (at + done + PAGE_SIZE - 1) // PAGE_SIZE - first
    if inode.shmem:
        shmem.allocate(kernel, task, inode, first, pages)
    elif max_order(kernel, inode):
        if at > inode.size:
            zero_tail(inode)
        _copy_in(kernel, task, inode, at, at + done)
    else:
        _copy_in_pages(kernel, task, inode, first, pages)
    if not inode.shmem:
        inode.blocks.add(first, pages)
    inode.size = max(inode.size, at + done)
    return done


def _copy_in(kernel: "Kernel", task: "Task", inode: Inode, at: int, end: int) -> None:
    """generic_perform_write(): a folio at a time, each as large as alignment and what is left to write allow."""
    while at < end:
        length = min(_CHUNK - at % _CHUNK, end - at)
        order = max(length.bit_length() - 1 - PAGE_SHIFT, 0)
        first, count = get_folio(kernel, task, inode, at // PAGE_SIZE, order)
        inode.fresh.discard(first, count)
        inode.buffers.add(
            at // PAGE_SIZE, (min(at + length, (first + count) * PAGE_SIZE) - 1) // PAGE_SIZE - at // PAGE_SIZE + 1
        )
        _dirty(kernel, task, inode, first, count)
        at = min(at + length, (first + count) * PAGE_SIZE)


def _copy_in_pages(kernel: "Kernel", task: "Task", inode: Inode, first: int, pages: int) -> None:
    """The same with folios of one page."""
    for low, count in add_in_parts(kernel, task, inode, first, pages):
        _dirty(kernel, task, inode, low, count)


def _dirty(kernel: "Kernel", task: "Task", inode: Inode, first: int, count: int) -> None:
    """Pages that the disk does not have yet; a writer of many waits for the flusher now and then."""
    if inode.regular and inode.fs_type != "ramfs":
        inode.dirty.add(first, count)
        happened = balance_dirty_pages(kernel)
        if happened:
            task.mm.note(happened)
