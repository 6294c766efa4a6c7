"""Models vfs_fallocate() (fs/open.c), ext4_fallocate() (fs/ext4/extents.c) and shmem_fallocate() (mm/shmem.c), 6.18."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.kernel import hugetlb, shmem
from memtui.sim.kernel.fs import F_SEAL_GROW, Inode
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_writeback import EVERYTHING, write_now
from memtui.sim.kernel.truncate import check_end, punch_disk, punch_hole, truncate_pagecache, zero_part

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

KEEP_SIZE: Final = 1
PUNCH_HOLE: Final = 2
COLLAPSE_RANGE: Final = 8
ZERO_RANGE: Final = 0x10
INSERT_RANGE: Final = 0x20
UNSHARE_RANGE: Final = 0x40
WRITE_ZEROES: Final = 0x80
_MODES: Final = {
    0: None,
    UNSHARE_RANGE: None,
    ZERO_RANGE: None,
    PUNCH_HOLE: True,
    COLLAPSE_RANGE: False,
    INSERT_RANGE: False,
    WRITE_ZEROES: False,
}
"""Mode -> whether it must come with KEEP_SIZE, must not, or may."""


@system_call
def sys_fallocate(kernel: "Kernel", task: "Task", fd: int, mode: int, offset: int, length: int) -> int:
    """fallocate(2): offset and length in bytes."""
    if offset < 0 or length <= 0:
        raise Errno("EINVAL", "a negative offset, or a length that is not positive")
    file = task.files.get(fd)
    _check(file, mode, offset + length)
    inode, keep = file.inode, bool(mode & KEEP_SIZE)
    kind = mode & ~KEEP_SIZE
    if inode.huge_shift:
        _only(kind, 0, PUNCH_HOLE)
        hugetlb.fallocate(inode, offset, length, hole=kind == PUNCH_HOLE)
        task.mm.note("there is no page to free")
    elif kind == PUNCH_HOLE:
        punch_hole(kernel, inode, offset, length)
        task.mm.note("the pages of the hole are unmapped everywhere, and freed")
    elif kind == 0:
        _allocate(kernel, task, inode, offset, length, keep_size=keep)
        task.mm.note("memory for it is taken now" if inode.shmem else "blocks of the disk are taken, no memory")
    else:
        _only(kind, *(() if inode.shmem or inode.fs_type != "ext4" else (ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE)))
        _move_blocks(kernel, inode, kind, offset, length, keep_size=keep)
        task.mm.note("the pages from there on are unmapped everywhere, and freed")
    return 0


def _check(file: "OpenFile", mode: int, end: int) -> None:
    """The checks before the file system is asked."""
    kept = _MODES.get(mode & ~KEEP_SIZE, not mode & KEEP_SIZE)
    if kept is not None and kept != bool(mode & KEEP_SIZE):
        raise Errno("EOPNOTSUPP", "no such mode, or not with FALLOC_FL_KEEP_SIZE, or only with it")
    if not file.writable:
        raise Errno("EBADF", "the descriptor is not open for writing")
    if file.inode.is_dir:
        raise Errno("EISDIR", "a directory")
    if not file.inode.mappable or file.inode.zero_device:
        raise Errno("ENODEV", "not a regular file")
    check_end(file.inode, end)


def _only(kind: int, *known: int) -> None:
    if kind not in known:
        raise Errno("EOPNOTSUPP", "the file system does not know this mode")


def _move_blocks(kernel: "Kernel", inode: Inode, kind: int, offset: int, length: int, *, keep_size: bool) -> None:
    """ext4_zero_range(), ext4_collapse_range(), ext4_insert_range().

    Raises:
        Errno: EINVAL (not whole blocks, or at the end of the file), EFBIG.
    """
    end = offset + length
    if kind == ZERO_RANGE:
        if (offset | end) % PAGE_SIZE and not keep_size:
            _extend(inode, end)
        punch_disk(kernel, inode, offset, end)
        if not keep_size:
            _extend(inode, end)
        return
    if (offset | length) % PAGE_SIZE:
        raise Errno("EINVAL", "not in whole blocks")
    if (end if kind == COLLAPSE_RANGE else offset) >= inode.size:
        raise Errno("EINVAL", "it reaches the end of the file")
    if kind == INSERT_RANGE and length > inode.max_bytes - inode.size:
        raise Errno("EFBIG", "beyond the largest file size")
    source = (end if kind == COLLAPSE_RANGE else offset) >> PAGE_SHIFT
    moved = list(inode.blocks.runs(source, EVERYTHING))
    _write_from(kernel, inode, source)
    truncate_pagecache(kernel, inode, offset)
    by = length if kind == INSERT_RANGE else -length
    inode.size += by
    for first, count in moved:
        inode.blocks.add(first + by // PAGE_SIZE, count)


def _write_from(kernel: "Kernel", inode: Inode, page: int) -> None:
    """filemap_write_and_wait_range() up to the end: a folio that begins before is written whole."""
    first = inode.pages.folio(page)[0] if page in inode.pages else page
    write_now(kernel, inode, first, EVERYTHING - first)


def _allocate(kernel: "Kernel", task: "Task", inode: Inode, offset: int, length: int, *, keep_size: bool) -> None:
    end = offset + length
    # Also with FALLOC_FL_KEEP_SIZE, which would not change the size.
    if end > inode.size and inode.shmem and inode.seals & F_SEAL_GROW:
        raise Errno("EPERM", "the memfd is sealed against growing")
    if inode.shmem:
        first = offset // PAGE_SIZE
        shmem.preallocate(kernel, task, inode, first, (end + PAGE_SIZE - 1) // PAGE_SIZE - first)
    if not keep_size:
        _extend(inode, end)


def _extend(inode: Inode, end: int) -> None:
    """ext4_alloc_file_blocks(): the file reaches to byte `end`; blocks cut by its old and new end are cleared."""
    if end > inode.size:
        zero_part(inode, inode.size)
        zero_part(inode, end)
        inode.size = end
