"""Models fs/file_table.c (6.18): references to open files, and what the last one takes along."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.fs import Inode, OpenFile
from memtui.sim.kernel.overcommit import unacct_memory
from memtui.sim.kernel.page_set import PageSet

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel


def open_inode(inode: Inode, *, readable: bool = True, writable: bool = True) -> OpenFile:
    """A new open file, without a user yet."""
    inode.users += 1
    return OpenFile(inode, readable, writable)


def fput(kernel: "Kernel", file: OpenFile) -> None:
    """One descriptor or VMA lets go of `file`."""
    file.users -= 1
    if file.shmid >= 0:
        kernel.shm_segments[file.shmid].detached(kernel, file)
    if file.users == 0:
        iput(kernel, file.inode)


def iput(kernel: "Kernel", inode: Inode) -> None:
    """One user of the inode is gone; without users and without a name its pages and its charge go."""
    inode.users -= 1
    forget_if_unused(kernel, inode)


def forget_if_unused(kernel: "Kernel", inode: Inode) -> None:
    """Free the pages of a file that has neither name nor user (shmem_evict_inode)."""
    if inode.users == 0 and inode.nlink == 0:
        if inode.shmem:
            unacct_memory(kernel, inode.charged_whole or inode.pages.count + inode.swapped.count)
        inode.charged_whole = 0
        for pages in (inode.pages, inode.swapped, inode.dirty, inode.buffers, inode.writeback, inode.blocks):
            pages.discard(0, 1 << 52)
        if inode.slots:
            inode.slots.release(0, 1 << 52)
        for run in inode.runs:
            run.unlink()
        inode.runs.clear()
        if inode in kernel.inodes:
            del kernel.inodes[inode]
            if kernel.file_totals is not None:
                kernel.file_totals.leave(inode)
        PageSet.changes += bool(inode.pages.count or inode.swapped.count)
