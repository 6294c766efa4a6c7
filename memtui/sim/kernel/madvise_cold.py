"""Models madvise_cold_or_pageout_pte_range() of mm/madvise.c (6.18): MADV_COLD and MADV_PAGEOUT.

Each takes the VMA and the part of it that is advised, addresses in bytes, and raises Errno.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import huge_folio, shmem
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.page_leaf import ABSENT, ANON, ENTRIES, FILE, FILE_DIRTY, LAZY, PMD_SHIFT, SHMEM
from memtui.sim.kernel.pageout import reclaim_pages
from memtui.sim.kernel.swap_out import shmem_writeout
from memtui.sim.kernel.truncate import unmap_everywhere
from memtui.sim.kernel.vm_flags import VM_DROPPABLE, VM_HUGETLB, VM_LOCKED, VM_PFNMAP
from memtui.sim.kernel.workingset import evicted

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_OF_FILE: Final = (FILE, FILE_DIRTY, SHMEM)


def cold(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Move the pages to the inactive list: visible only where a large folio of a file is split for it."""
    _check_lru(vma)
    if vma.file is None or vma.anonymous:
        _split_huge(task.mm, start, end, whole=False)
        return
    for index, low, high in list(task.mm.pages.pieces(start, end)):
        if high - low < ENTRIES:
            task.mm.pages.split_file(index)
        for _ in _folios(kernel, task.mm, vma, index, low, high):
            pass


def pageout(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Reclaim what nobody else maps: to swap if there is any; a file's clean pages and what was given up just go."""
    _check_lru(vma)
    recount(kernel)
    if vma.anonymous:
        _split_huge(task.mm, start, end, whole=kernel.swap.free <= 0)
    if not vma.flags & VM_DROPPABLE:
        reclaim_pages(kernel, task.mm, start, end)
    if vma.file is None or vma.anonymous:
        _drop_given_up(task, vma, start, end)
        return
    inode, pages = vma.file.inode, task.mm.pages
    for index, low, high in list(pages.pieces(start, end)):
        if pages.leaves[index].huge:
            first = vma.pgoff_at(index << PMD_SHIFT)
            alone = high - low == ENTRIES and set(_mapcounts(_mms(kernel), inode, first, ENTRIES)) == {1}
            pages.split_file(index)
            if alone:
                _drop_if_clean(kernel, inode, first, ENTRIES)
            continue
        for entry, page, count in _folios(kernel, task.mm, vma, index, low, high):
            if _evictable(inode, page, count) and set(_mapcounts(_mms(kernel), inode, page, count)) == {1}:
                pages.put(index, entry, bytes([ABSENT]) * count)
                for gone in range(page, page + count):
                    _drop_if_clean(kernel, inode, gone)


def _split_huge(mm: "Mm", start: int, end: int, *, whole: bool) -> None:
    """Split the 2 MiB folios that are advised in part; those advised whole too, if reclaim finds no swap for them."""
    pages = mm.pages
    for run in pages.runs_inside(start, end) if whole else ():
        if run.huge and run.state == ANON and len(run.spaces) == 1:
            pages.split_run(run)
    for index, low, high in list(pages.pieces(start, end, runs=False)):
        huge_folio.split_for(mm, index, low, high, whole=whole)


def _folios(kernel: "Kernel", mm: "Mm", vma: "Vma", index: int, low: int, high: int) -> Iterator[tuple[int, int, int]]:
    """The folios of a file that entries of a page table map whole: first entry, first page in the file, pages.

    One that they map only in part is split, and so unmapped, unless it is dirty or others map it too.
    """
    assert vma.file is not None
    inode, first, entry = vma.file.inode, vma.pgoff_at(index << PMD_SHIFT), low
    while entry < high and (leaf := mm.pages.leaves.get(index)) is not None:
        if leaf.state[entry] not in _OF_FILE:
            entry += 1
            continue
        page = first + entry
        head, pages = inode.pages.folio(page)
        end = min(high, entry + head + pages - page)
        stop = next((at for at in range(entry, end) if leaf.state[at] not in _OF_FILE), end)
        if stop - entry == pages:
            yield entry, page, pages
        else:
            _split_folio(kernel, mm, inode, head, pages)
        entry = stop


def _split_folio(kernel: "Kernel", mm: "Mm", inode: "Inode", head: int, pages: int) -> None:
    others = [other for other in _mms(kernel) if other is not mm]
    if any(_mapcounts(others, inode, head, pages)) or inode.buffers.missing(head, pages) != pages:
        return
    unmap_everywhere(kernel, inode, head, pages, even_copies=False)
    del inode.pages.large[head]


def _check_lru(vma: "Vma") -> None:
    if vma.flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB):
        raise Errno("EINVAL", "a locked or special mapping")


def _evictable(inode: "Inode", page: int, count: int) -> bool:
    """folio_evictable(): neither SHM_LOCK nor mlock(2) keeps it."""
    return not inode.unevictable and inode.mlocked.missing(page, count) == count


def _mms(kernel: "Kernel") -> Collection["Mm"]:
    """Every address space, once."""
    return {id(task.mm): task.mm for task in kernel.tasks.values()}.values()


def _drop_if_clean(kernel: "Kernel", inode: "Inode", page: int, count: int = 1) -> None:
    """__remove_mapping(): a folio that nobody maps any more, and that need not be written, leaves the page cache."""
    if inode.shmem:
        if page in inode.clean:
            shmem.truncate_pages(kernel, inode, page, 1)
            return
        for slot, _ in kernel.swap.alloc(1):
            kernel.lruvec.cut(inode, page, page + 1)
            shmem_writeout(kernel, inode, page, slot, 1, workingset=False)
    elif page not in inode.dirty and page not in inode.writeback and inode.fs_type != "ramfs":
        inode.pages.discard(page, count)
        evicted(kernel.lruvec, inode, page, page + count, workingset=False)


def _drop_given_up(task: "Task", vma: "Vma", start: int, end: int) -> None:
    """Free what MADV_FREE gave up and nobody wrote since, and all of a droppable VMA; what was written to is kept."""
    free = (ANON, LAZY) if vma.flags & VM_DROPPABLE else (LAZY,)
    for index, low, high in list(task.mm.pages.pieces(start, end)):
        leaf = task.mm.pages.leaves[index]
        states = bytearray(leaf.state[low:high])
        if not (leaf.frames or leaf.rewritten or any(map(states.count, free))):
            continue
        for entry in range(low, high):
            if states[entry - low] not in (ANON, LAZY) or leaf.is_shared(entry):
                continue
            if states[entry - low] in free:
                states[entry - low] = ABSENT
                task.mm.pages.drop_frames(leaf, entry, entry + 1)
            elif leaf.given_up(entry):
                leaf.keep(entry)
        task.mm.pages.put(index, low, states)


def _mapcounts(mms: Iterable["Mm"], inode: "Inode", first: int, count: int) -> list[int]:
    """How often each page of a file is mapped by these address spaces, by a walk over them."""
    found = [0] * count
    for mm in mms:
        for vma in mm.tree:
            if vma.file is not None and vma.file.inode is inode:
                low = max(first, vma.pgoff)
                for page in range(low, min(first + count, vma.pgoff + vma.pages)):
                    state = mm.pages.get(vma.start + ((page - vma.pgoff) << PAGE_SHIFT))
                    found[page - first] += state in (FILE, FILE_DIRTY, SHMEM)
    return found
