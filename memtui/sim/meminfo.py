"""Models fs/proc/meminfo.c (6.18), as far as a simulated machine has what is counted there."""

from collections.abc import Callable, Iterable, Iterator

from memtui.sim.kernel.fs import Inode, OpenFile
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.overcommit import commit_limit
from memtui.sim.kernel.page_leaf import ANON, LAZY


def mapped_files(mm: Mm) -> Iterable[OpenFile]:
    """The open files that the VMAs of an address space refer to. Cost: O(n)."""
    return {vma.file for vma in mm.tree if vma.file is not None}


def meminfo(kernel: Kernel, files_of: Callable[[Mm], Iterable[OpenFile]] = mapped_files) -> dict[str, int]:
    """The kernel's spelling -> KiB; what is not simulated is not there.

    MemFree is RAM without what the simulation allocated: the kernel's own memory is not simulated. It is missing
    when more is allocated than there is: reclaim is not simulated either.

    Args:
        kernel: whose memory it is.
        files_of: tells the open files that an address space maps.
    """
    spaces = _spaces(kernel)
    anon = _anon_pages(spaces)
    shmem, cached = _cached_pages(_inodes(kernel, spaces, files_of))
    tables = sum(mm.pages.tables for mm in spaces)
    swapped = sum(mm.swap_pages for mm in spaces)
    pages = {
        "MemTotal": kernel.totalram_pages,
        "MemFree": kernel.totalram_pages - anon - cached - tables,
        "Buffers": 0,
        "Cached": cached,
        "SwapTotal": kernel.total_swap_pages,
        "SwapFree": kernel.total_swap_pages - swapped,
        "AnonPages": anon,
        "Shmem": shmem,
        "PageTables": tables,
        "CommitLimit": commit_limit(kernel),
        "Committed_AS": kernel.committed,
    }
    if pages["MemFree"] < 0:
        del pages["MemFree"]
    return {name: count * 4 for name, count in pages.items()}


def _spaces(kernel: Kernel) -> list[Mm]:
    """Every address space, once."""
    return list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())


def _anon_pages(spaces: list[Mm]) -> int:
    """Anonymous pages in RAM, those that fork shares counted once."""
    if len(spaces) == 1:
        return spaces[0].rss_anon
    leaves = {id(leaf): leaf for mm in spaces for leaf in mm.pages.leaves.values()}
    alone = 0
    frames: set[int] = set()
    for leaf in leaves.values():
        alone += leaf.state.count(ANON) + leaf.state.count(LAZY) - len(leaf.frames)
        frames.update(map(id, leaf.frames.values()))
    return alone + len(frames)


def _cached_pages(inodes: Iterable[Inode]) -> tuple[int, int]:
    """Pages of shmem objects, and of all files with them."""
    pages = {id(inode): (inode.shmem, inode.pages.count) for inode in inodes}
    return sum(count for shmem, count in pages.values() if shmem), sum(count for _, count in pages.values())


def _inodes(kernel: Kernel, spaces: Iterable[Mm], files_of: Callable[[Mm], Iterable[OpenFile]]) -> Iterator[Inode]:
    """Every file that can have pages; some more than once."""
    yield from kernel.paths.values()
    for segment in kernel.shm_segments.values():
        yield segment.inode
    for task in kernel.tasks.values():
        for file in task.files.open.values():
            yield file.inode
    for mm in spaces:
        for file in files_of(mm):
            yield file.inode
