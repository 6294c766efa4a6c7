"""Models mm/truncate.c and fs/open.c (6.18): files that change size, and what that does to mappings."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_down, page_up
from memtui.sim.kernel import shmem
from memtui.sim.kernel.fs import F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE, MAX_LFS_FILESIZE, Inode
from memtui.sim.kernel.hugetlb import check_size
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_leaf import ABSENT, FILE, FILE_DIRTY, SHMEM, table_of
from memtui.sim.kernel.page_writeback import EVERYTHING
from memtui.sim.kernel.workingset import forget

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_UNMAP_FILE: Final = table_of(dict.fromkeys((FILE, FILE_DIRTY, SHMEM), ABSENT))


@system_call
def sys_ftruncate(kernel: "Kernel", task: "Task", fd: int, length: int) -> int:
    """ftruncate(2): `length` in bytes."""
    if length < 0 or length > MAX_LFS_FILESIZE:
        raise Errno("EINVAL", "a negative length")
    file = task.files.get(fd)
    if not file.writable or file.inode.is_dir or not file.inode.mappable or file.inode.zero_device:
        raise Errno("EINVAL", "not a regular file that is open for writing")
    if length > file.inode.max_bytes:
        raise Errno("EFBIG", "beyond the largest size of a file on this file system")
    check_size(file.inode, length)
    _check_seals(file.inode, length)
    resize(kernel, file.inode, length)
    task.mm.note(f"the file has {length:,} bytes; pages wholly behind them are unmapped everywhere")
    return 0


def _check_seals(inode: Inode, length: int) -> None:
    if length < inode.size and inode.seals & F_SEAL_SHRINK:
        raise Errno("EPERM", "the memfd is sealed against shrinking")
    if length > inode.size and inode.seals & F_SEAL_GROW:
        raise Errno("EPERM", "the memfd is sealed against growing")


def resize(kernel: "Kernel", inode: Inode, length: int) -> None:
    """truncate_setsize(): pages wholly behind the new end are gone from memory and from every mapping."""
    drops = length <= inode.size or not inode.shmem  # a folio that was dirty may still reach behind the old end
    grows = length > inode.size
    if grows:
        zero_tail(inode)
    inode.size = length
    if drops:
        truncate_pagecache(kernel, inode, length)
    if not grows:
        zero_tail(inode)


def truncate_pagecache(kernel: "Kernel", inode: Inode, length: int) -> None:
    """Pages wholly behind byte `length` are gone, private copies of them too."""
    first = page_up(length) >> PAGE_SHIFT
    whole = inode.shmem or _cut(kernel, inode, length >> PAGE_SHIFT, first, EVERYTHING)
    kept = first if whole else sum(inode.pages.folio(length >> PAGE_SHIFT))
    inode.free_blocks(first, EVERYTHING - first)
    drop_pages(kernel, inode, first, EVERYTHING - first, (kept, EVERYTHING), even_copies=True)


def zero_tail(inode: Inode) -> None:
    """ext4_block_truncate_page(): what is behind the end of the file in its last block is cleared."""
    zero_part(inode, inode.size)


def zero_part(inode: Inode, at: int) -> None:
    """ext4_block_zero_page_range() in the page that byte `at` cuts in two, if there is one.

    If it is not in memory it comes in, and is not uptodate: nobody needed more of it than the place of a block. If
    there is a block, the zeros make it dirty.
    """
    page, inside = divmod(at, PAGE_SIZE)
    if not inside or inode.fs_type != "ext4":
        return
    if page not in inode.pages:
        inode.pages.add(page)
        inode.fresh.add(page)
    if page in inode.blocks or page < inode.blocks_below:
        inode.dirty.add(*inode.pages.folio(page))
        inode.buffers.add(page)


def _cut(kernel: "Kernel", inode: Inode, page: int, first: int, end: int) -> bool:
    """truncate_inode_partial_folio(): split the folio of `page` at the ends of the pages [first, end) that go.

    It stays whole if a block of what it keeps is dirty: its buffers cannot be released then.

    Returns:
        Whether the pages may go.
    """
    if page not in inode.pages:
        return True
    head, count = inode.pages.folio(page)
    behind = head + count
    if count == 1 or (first <= head and behind <= end):
        return True
    unmap_everywhere(kernel, inode, head, count, even_copies=False)  # whatever comes of it, a split begins with this
    low, high = max(first, head), min(end, behind)
    inode.buffers.discard(low, max(high - low, 0))  # block_invalidate_folio()
    for low, high in ((head, min(first, behind)), (max(end, head), behind)):
        if low < high and inode.buffers.missing(low, high - low) < high - low:
            return False
    inode.pages.split(max(page, head))
    if head < end < behind:
        inode.pages.split(end)
    lost = max(inode.size_pages, head)  # __folio_split() keeps no folio that lies whole behind the end of the file
    if lost in inode.pages and inode.pages.folio(lost)[0] < lost:
        lost = sum(inode.pages.folio(lost))
    for pages in (inode.pages, inode.dirty, inode.buffers, inode.writeback, inode.fresh, inode.mlocked):
        pages.discard(lost, max(behind - lost, 0))
    return True


def drop_pages(
    kernel: "Kernel", inode: Inode, first: int, count: int, gone: tuple[int, int], *, even_copies: bool = False
) -> None:
    """Unmap pages of a file everywhere, private copies too if `even_copies`; of a disk's file those in `gone` go.

    Costs a walk over the VMAs of every address space that maps files.
    """
    unmap_everywhere(kernel, inode, first, count, even_copies=even_copies)
    if inode.shmem:
        shmem.truncate_pages(kernel, inode, first, count)
    else:
        low, high = gone
        for pages in (inode.pages, inode.dirty, inode.buffers, inode.writeback, inode.fresh, inode.mlocked):
            pages.discard(low, max(high - low, 0))
        forget(inode, first, first + count)


def unmap_everywhere(kernel: "Kernel", inode: Inode, first: int, count: int, *, even_copies: bool) -> None:
    """unmap_mapping_pages(): no address space maps these pages of a file any more."""
    for mm in {id(task.mm): task.mm for task in kernel.tasks.values()}.values():
        for vma in mm.tree:
            if vma.file is not None and vma.file.inode is inode:
                unmap_file_pages(mm, vma, first, count, even_copies=even_copies)


def unmap_file_pages(mm: "Mm", vma: "Vma", first: int, count: int, *, even_copies: bool) -> None:
    """unmap_mapping_pages() in one VMA."""
    start = max(vma.start, vma.start + ((first - vma.pgoff) << PAGE_SHIFT))
    end = min(vma.end, vma.start + ((first + count - vma.pgoff) << PAGE_SHIFT))
    if start >= end:
        return
    for index, low, high in list(mm.pages.pieces(start, end)):
        mm.pages.split_file(index)
        if index not in mm.pages.leaves:
            continue
        if even_copies:
            mm.pages.zap_entries(index, low, high)
        else:
            mm.pages.translate(index, low, high, _UNMAP_FILE)


def check_end(inode: Inode, end: int) -> None:
    """Refuse what ends beyond the largest size of a file.

    Raises:
        Errno: EFBIG.
    """
    if end > inode.max_bytes:
        raise Errno("EFBIG", "beyond the largest file size")


def punch_hole(kernel: "Kernel", inode: Inode, offset: int, length: int) -> None:
    """Free the whole pages of [offset, offset + length), bytes; parts of pages are zeroed where they are.

    Raises:
        Errno: EFBIG, EPERM (a sealed memfd).
    """
    check_end(inode, offset + length)
    if inode.shmem and inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise Errno("EPERM", "the memfd is sealed against writing")
    if inode.shmem:
        first, end = page_up(offset) >> PAGE_SHIFT, page_down(offset + length) >> PAGE_SHIFT
        _drop_hole(kernel, inode, first, end, (first, end))
    elif offset < inode.size:
        end = offset + length
        punch_disk(kernel, inode, offset, end if end < inode.size else page_up(inode.size))


def _drop_hole(kernel: "Kernel", inode: Inode, first: int, behind: int, gone: tuple[int, int]) -> None:
    """Drop the whole pages [first, behind) of a hole: truncate_pagecache_range(), shmem_fallocate().

    Before a hole that ends inside the first page lies page -1, which both take for the last one there is.
    """
    if behind > first:
        inode.free_blocks(first, behind - first)
        drop_pages(kernel, inode, first, behind - first, gone)
    elif not behind:
        unmap_everywhere(kernel, inode, first, EVERYTHING - first, even_copies=False)


def punch_disk(kernel: "Kernel", inode: Inode, offset: int, end: int) -> None:
    """ext4_truncate_page_cache_block_range() of bytes [offset, end), and ext4_zero_partial_blocks().

    The folios of the first and of the last byte are split, even if no whole page of them goes.
    """
    first, behind = page_up(offset) >> PAGE_SHIFT, page_down(end) >> PAGE_SHIFT
    low, high = first, behind
    start, last = offset >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT
    next_index, same_folio = sum(inode.pages.folio(start)), last < sum(inode.pages.folio(start))
    if not _cut(kernel, inode, start, first, behind):
        low = next_index
        high = inode.pages.folio(start)[0] if same_folio else high
    if not same_folio:
        head = inode.pages.folio(last)[0]
        if not _cut(kernel, inode, head, first, behind):
            high = head
    _drop_hole(kernel, inode, first, behind, (low, high))
    zero_part(inode, offset)
    zero_part(inode, end)
