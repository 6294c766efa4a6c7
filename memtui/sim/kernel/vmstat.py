"""Models global_page_state() (include/linux/vmstat.h): how many pages of the machine hold what. Cost: O(n)."""

from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ANON, LAZY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from memtui.sim.kernel.fs import Inode, OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm


class PageStates(NamedTuple):
    """Pages of the machine."""

    anon: int
    shmem: int
    file: int
    """NR_FILE_PAGES: the page cache, shmem with it."""
    tables: int
    swapped: int


def mapped_files(mm: "Mm") -> "Iterable[OpenFile]":
    """The open files that the VMAs of an address space refer to."""
    return {vma.file for vma in mm.tree if vma.file is not None}


def page_states(kernel: "Kernel", files_of: "Callable[[Mm], Iterable[OpenFile]]" = mapped_files) -> PageStates:
    """Count.

    Args:
        kernel: whose memory it is.
        files_of: tells the open files that an address space maps.
    """
    spaces = list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())
    shmem, cached = _cached_pages(_inodes(kernel, spaces, files_of))
    tables = sum(mm.pages.tables for mm in spaces)
    return PageStates(_anon_pages(spaces), shmem, cached, tables, sum(mm.swap_pages for mm in spaces))


def free_pages(kernel: "Kernel", states: PageStates) -> int:
    """NR_FREE_PAGES: RAM without what the simulation allocated; negative when that is more than there is.

    The kernel's own memory is not simulated, and neither is reclaim.
    """
    return kernel.totalram_pages - states.anon - states.file - states.tables


def _anon_pages(spaces: "list[Mm]") -> int:
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


def _cached_pages(inodes: "Iterable[Inode]") -> tuple[int, int]:
    """Pages of shmem objects, and of all files with them."""
    pages = {id(inode): (inode.shmem, inode.pages.count) for inode in inodes}
    return sum(count for shmem, count in pages.values() if shmem), sum(count for _, count in pages.values())


def _inodes(
    kernel: "Kernel", spaces: "Iterable[Mm]", files_of: "Callable[[Mm], Iterable[OpenFile]]"
) -> "Iterator[Inode]":
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
