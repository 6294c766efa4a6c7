"""Models mm/page-writeback.c and fs/sync.c (6.18): dirty pages of files, and how they get to the disk.

There is no clock here. What a step begins to write is under writeback when it ends, and on the disk when the next one
begins; fsync() and sync() wait for it.
"""

from typing import TYPE_CHECKING

from memtui.sim.kernel.file_rmap import Rmap
from memtui.sim.kernel.lru import ACTIVE_FILE, INACTIVE_FILE
from memtui.sim.kernel.mmzone import totalreserve_pages
from memtui.sim.kernel.vmstat import file_totals

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel

EVERYTHING = 1 << 52
"""Pages: more than any file has."""


def nr_dirty(kernel: "Kernel") -> int:
    """NR_FILE_DIRTY."""
    return sum(inode.dirty.count for inode in kernel.inodes)


def nr_writeback(kernel: "Kernel") -> int:
    """NR_WRITEBACK."""
    return sum(inode.writeback.count for inode in kernel.inodes)


def dirtyable_memory(kernel: "Kernel") -> int:
    """global_dirtyable_memory(): free pages and the file lists, without the reserves."""
    free = sum(zone.free for zone in kernel.zones)
    free -= min(free, totalreserve_pages(kernel.zones))
    return free + kernel.lruvec.size(INACTIVE_FILE) + kernel.lruvec.size(ACTIVE_FILE) + 1


def limits(kernel: "Kernel") -> tuple[int, int]:
    """domain_dirty_limits(): background threshold and the one at which writers wait, pages."""
    dirtyable = dirtyable_memory(kernel)
    sysctl = kernel.sysctl
    threshold = sysctl["dirty_bytes"] + 4095 >> 12 or dirtyable * sysctl["dirty_ratio"] // 100
    background = sysctl["dirty_background_bytes"] + 4095 >> 12 or dirtyable * sysctl["dirty_background_ratio"] // 100
    if background >= threshold:
        background = threshold // 2
    return background, threshold


def mark_dirty(inode: "Inode", first: int, count: int) -> None:
    """folio_mark_dirty(): a disk's file has pages that the disk does not have."""
    inode.dirty.add(first, count)
    inode.buffers.add(first, count)
    inode.blocks.add(first, max(min(first + count, inode.size_pages) - first, 0))


def end_writeback(kernel: "Kernel") -> None:
    """folio_end_writeback() of all that is under way."""
    if not file_totals(kernel).writeback:
        return
    for inode in kernel.inodes:
        if inode.writeback.count:
            inode.writeback.discard(0, EVERYTHING)


def start_writeback(kernel: "Kernel", inode: "Inode", first: int, count: int, rmap: Rmap) -> int:
    """do_writepages(): dirty pages are on their way; mappings lose the right to write unnoticed. How many."""
    pages = list(inode.dirty.runs(first, count))
    for low, length in pages:
        rmap.clean(inode, low, low + length)
        inode.writeback.add(low, length)
        inode.dirty.discard(low, length)
        inode.buffers.discard(low, length)
    return sum(length for _, length in pages)


def write_now(kernel: "Kernel", inode: "Inode", first: int, count: int, rmap: Rmap | None = None) -> int:
    """filemap_write_and_wait_range(): the same, and wait."""
    written = start_writeback(kernel, inode, first, count, rmap or Rmap(kernel))
    inode.writeback.discard(first, count)
    kernel.vmevents["pgpgout"] += written * 4
    return written


def sync(kernel: "Kernel") -> int:
    """ksys_sync(): pages written."""
    rmap = Rmap(kernel)
    return sum(write_now(kernel, inode, 0, EVERYTHING, rmap) for inode in list(kernel.inodes))


def balance_dirty_pages(kernel: "Kernel") -> str:
    """After pages became dirty: wake the flusher above the background limit, and wait for it above the other.

    Returns:
        What happened, in a sentence, or "".
    """
    dirty = nr_dirty(kernel)
    if not dirty:
        return ""
    background, threshold = limits(kernel)
    if dirty <= background:
        return ""
    rmap = Rmap(kernel)
    written, left = 0, dirty - background
    for inode in list(kernel.inodes):
        if left > written:
            written += start_writeback(kernel, inode, 0, EVERYTHING, rmap)
    kernel.vmevents["pgpgout"] += written * 4
    who = "the flusher threads write"
    if dirty > threshold:
        end_writeback(kernel)
        who = f"above {threshold:,}, where writers wait: the flusher threads wrote"
    return f"{dirty:,} dirty pages, above the background limit of {background:,}: {who} {written:,} pages"
