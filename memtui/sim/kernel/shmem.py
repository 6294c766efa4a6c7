"""Models mm/shmem.c (6.18): memory that is a file without a disk."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import SHMEM_DEV, Inode, OpenFile
from memtui.sim.kernel.outcome import Fault
from memtui.sim.kernel.overcommit import acct_memory, unacct_memory
from memtui.sim.kernel.pagemap import add_in_parts
from memtui.sim.kernel.shmem_swap import swapin
from memtui.sim.kernel.shmem_truncate import truncate_pages as truncate_pages

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

ZERO_LABEL: Final = "/dev/zero"


def kernel_inode(kernel: "Kernel", task: "Task", label: str, size: int, *, noreserve: bool) -> Inode:
    """__shmem_file_setup(): an object without a name on the kernel's own tmpfs.

    Args:
        kernel: charges it.
        task: asks.
        label: what maps prints before " (deleted)".
        size: bytes.
        noreserve: charge its pages one by one instead of all now.

    Raises:
        Errno: ENOMEM by the overcommit rules.
    """
    pages = (size + PAGE_SIZE - 1) // PAGE_SIZE
    if not noreserve:
        acct_memory(kernel, task, task.mm, pages)
    return kernel.add_inode(
        Inode(
            number=kernel.new_inode_number(),
            dev=SHMEM_DEV,
            fs_type="tmpfs",
            label=label,
            size=size,
            nlink=0,
            shmem=True,
            charged_whole=0 if noreserve else pages,
            noreserve=noreserve,
        )
    )


def zero_setup(kernel: "Kernel", task: "Task", pages: int, *, noreserve: bool) -> OpenFile:
    """shmem_zero_setup(): the object behind MAP_SHARED | MAP_ANONYMOUS.

    Raises:
        Errno: ENOMEM by the overcommit rules.
    """
    return open_inode(kernel_inode(kernel, task, ZERO_LABEL, pages << PAGE_SHIFT, noreserve=noreserve))


def allocate(kernel: "Kernel", task: "Task", inode: Inode, first: int, count: int, *, write: bool = True) -> None:
    """Make pages of the object exist, and uptodate; those that were not charged with it are charged now.

    Args:
        kernel: charges them.
        task: asks.
        inode: the object.
        first: page number in it.
        count: pages.
        write: whether they are needed for writing.

    Raises:
        Errno: ENOMEM by the overcommit rules; nothing was allocated then.
    """
    new = _absent(inode, first, count)
    if new and not inode.charged_whole:
        acct_memory(kernel, task, task.mm, sum(length for _, length in new))
    if write:
        inode.clean.discard(first, count)
    else:
        for at, length in new:
            inode.clean.add(at, length)
    try:
        _fill(kernel, task, inode, first, first + count)
    except Fault:
        if not inode.charged_whole:
            made = zip(inode.pages.mask(first, count), inode.swapped.mask(first, count), strict=True)
            unacct_memory(kernel, sum(not (here or out) for here, out in made))
        raise
    inode.fresh.discard(first, count)
    inode.mlocked.discard(first, count)


def preallocate(kernel: "Kernel", task: "Task", inode: Inode, first: int, count: int) -> None:
    """shmem_fallocate(): pages that exist, but are cleared only when somebody needs them or asks again.

    Raises:
        Errno: as `allocate`.
    """
    new = _absent(inode, first, count)
    allocate(kernel, task, inode, first, count)
    for at, length in new:
        for low, here in inode.pages.runs(at, length):
            inode.fresh.add(low, here)


def _fill(kernel: "Kernel", task: "Task", inode: Inode, at: int, end: int) -> None:
    """Pages [at, end) come into memory by ascending number; reclaim may take some that come later meanwhile.

    Raises:
        Fault: SIGKILL, the OOM killer took the task.
    """
    while at < end:
        out, length = next(inode.swapped.runs(at, end - at), (end, 0)) if inode.swapped.count else (end, 0)
        if out == at:
            swapin(kernel, task, inode, at, length)
            at += length
            continue
        for low, made in add_in_parts(kernel, task, inode, at, out - at):
            at = low + made
            if inode.swapped.missing(at, out - at) < out - at:
                break


def _absent(inode: Inode, first: int, count: int) -> list[tuple[int, int]]:
    """What of a range does not exist, in memory or on swap: first page and length of each run."""
    at, gaps = first, []
    for low, length in sorted((*inode.pages.runs(first, count), *inode.swapped.runs(first, count))):
        gaps.append((at, low - at))
        at = low + length
    gaps.append((at, first + count - at))
    return [gap for gap in gaps if gap[1]]
