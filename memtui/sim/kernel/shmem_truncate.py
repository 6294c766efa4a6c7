"""Models shmem_undo_range() (mm/shmem.c, 6.18): pages of shared memory that go for good."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.overcommit import unacct_memory
from memtui.sim.kernel.workingset import forget

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel


def truncate_pages(kernel: "Kernel", inode: "Inode", first: int, count: int) -> None:
    """shmem_undo_range(): free pages of the object."""
    freed = inode.pages.discard(first, count) + inode.swapped.discard(first, count)
    if inode.slots:
        inode.slots.release(first, first + count)
    forget(inode, first, first + count)
    inode.fresh.discard(first, count)
    inode.clean.discard(first, count)
    if not inode.charged_whole:
        unacct_memory(kernel, freed)
