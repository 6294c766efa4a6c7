"""Models fs/drop_caches.c (6.18): what echo N > /proc/sys/vm/drop_caches frees, and what stays."""

import re
from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.page_writeback import EVERYTHING

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel

PAGE_CACHE: Final = 1
SLAB: Final = 2
_MAPPED: Final = 1
_WAITS: Final = 2
_REACHES_OUT: Final = 3
_FREE: Final = re.compile(b"\x00+")


def drop_caches(kernel: "Kernel", what: int) -> str:
    """Free what `what` asks for; a sentence about it.

    Bit 0: clean page cache that nobody maps. Bit 1: dentries and inodes, which are not simulated, but an inode that is
    freed takes its page cache along. Bit 2 keeps the log quiet.
    """
    lru_add_drain(kernel)
    freed = dirty = mapped = 0
    rmap = Rmap(kernel)
    shmem = sum(inode.pages.count for inode in kernel.inodes if inode.shmem)
    for inode in list(kernel.inodes):
        evictable = not inode.shmem and inode.fs_type != "ramfs"
        if what & PAGE_CACHE and evictable:
            done = invalidate(inode, rmap, 0, EVERYTHING)
            freed, dirty, mapped = freed + done[0], dirty + done[1], mapped + done[2]
    parts = [f"freed {freed:,} clean pages that nobody maps"] if what & PAGE_CACHE else []
    stays = [f"{dirty:,} dirty or under writeback"] if dirty else []
    stays += [f"{mapped:,} mapped"] if mapped else []
    stays += [f"{shmem:,} of tmpfs and shared memory, which have no other home"] if shmem else []
    if what & PAGE_CACHE and stays:
        parts.append(f"stay: {', '.join(stays)}")
    if what & SLAB:
        parts.append("dentries and inodes go too; they are not simulated")
    return "; ".join(parts)


def invalidate(inode: "Inode", rmap: Rmap, start: int, end: int) -> tuple[int, int, int]:
    """mapping_try_invalidate(): drop the folios of pages [start, end) of which no page is used or waits for the disk.

    Returns:
        Pages freed; pages that stay as dirty, and as mapped.
    """
    freed = dirty = mapped = 0
    for first, count in list(inode.pages.runs(start, end - start)):
        unwritten = zip(inode.dirty.mask(first, count), inode.writeback.mask(first, count), strict=True)
        waiting = [bool(a or b) for a, b in unwritten]
        used = rmap.mapped(inode, first, first + count)
        kinds = bytearray(_WAITS if wait else here for here, wait in zip(used, waiting, strict=True))
        for head, order in inode.pages.large.items():
            low, high = head - first, head - first + (1 << order)
            if head < start or head + (1 << order) > end:
                kinds[max(low, 0) : max(high, 0)] = bytes([_REACHES_OUT]) * len(kinds[max(low, 0) : max(high, 0)])
            elif 0 <= low < count and any(kinds[low:high]):
                kinds[low:high] = bytes([max(kinds[low:high])]) * (high - low)
        dirty, mapped = dirty + kinds.count(_WAITS), mapped + kinds.count(_MAPPED)
        for match in _FREE.finditer(kinds):
            freed += inode.pages.discard(first + match.start(), match.end() - match.start())
    return freed, dirty, mapped
