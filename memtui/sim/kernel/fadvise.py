"""Models mm/fadvise.c (6.18): posix_fadvise(2), as far as it reads or drops page cache."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.kernel.drop_caches import invalidate
from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.page_writeback import start_writeback
from memtui.sim.kernel.pagemap import add_pages

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

POSIX_FADV_WILLNEED: Final = 3
POSIX_FADV_DONTNEED: Final = 4
_LAST_ADVICE: Final = 5


@system_call
def sys_fadvise64(kernel: "Kernel", task: "Task", fd: int, offset: int, length: int, advice: int) -> int:
    """posix_fadvise(2): offset and length in bytes; a length of 0 means up to the end."""
    file = task.files.get(fd)
    inode = file.inode
    if not 0 <= advice <= _LAST_ADVICE or length < 0:
        raise Errno("EINVAL", "an unknown advice, or a negative length")
    if inode.shmem or not inode.regular:
        task.mm.note("nothing to do: the pages have no disk behind them")
        return 0
    end = offset + length if length else 1 << 62
    if advice == POSIX_FADV_WILLNEED:
        first = offset >> PAGE_SHIFT
        last = min((end + PAGE_SIZE - 1) >> PAGE_SHIFT, inode.size_pages)
        if last > first:
            add_pages(kernel, task, inode, first, last - first)
        task.mm.note("the file is read ahead")
    elif advice == POSIX_FADV_DONTNEED:
        task.mm.note(_dont_need(kernel, inode, offset, end))
    else:
        task.mm.note("how the file is read ahead; no page comes or goes")
    return 0


def _dont_need(kernel: "Kernel", inode: "Inode", offset: int, end: int) -> str:
    """Start to write what is dirty, and drop the rest: folios that lie in the range whole."""
    rmap = Rmap(kernel)
    low, high = offset >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT
    start_writeback(kernel, inode, *inode.pages.whole(low, high - low), rmap)
    first = (offset + PAGE_SIZE - 1) >> PAGE_SHIFT
    last = high if end >= inode.size else end >> PAGE_SHIFT
    freed, dirty, mapped = invalidate(inode, rmap, first, last)
    return f"{freed:,} clean pages were dropped; {dirty:,} under writeback and {mapped:,} mapped ones stay"
