"""The invariants of reclaim: every frame is free or in exactly one place, and the lists know every page once."""

from collections import Counter
from typing import TYPE_CHECKING

from memtui.sim.kernel.check_slots import check_slots
from memtui.sim.kernel.lru import LISTS
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.page_leaf import ANON, FILE, FILE_DIRTY, LAZY, SHMEM
from memtui.sim.kernel.rmap import spaces_of
from memtui.sim.kernel.vmstat import page_states

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_leaf import Frame, Leaf


def check_frames(kernel: "Kernel") -> list[str]:
    """What is wrong, a line each. Looks at every page table and every file."""
    free = recount(kernel)
    lru_add_drain(kernel)
    states = page_states(kernel)
    found = []
    resident = _anonymous(kernel)
    if resident != states.anon:
        found.append(f"{resident} anonymous pages, but {states.anon} are counted")
    if free < 0 or free + states.used != kernel.totalram_pages:
        found.append(f"{free} pages are free and {states.used} used of {kernel.totalram_pages}")
    if sum(zone.free for zone in kernel.zones) != free:
        found.append(f"the zones have {sum(zone.free for zone in kernel.zones)} free pages, not {free}")
    listed = sum(lru.size for lru in kernel.lruvec.lists)
    if listed != states.used - states.tables:
        exist = f"{states.anon} anonymous, {states.file} file and {states.swap_cache} swap cache pages exist"
        found.append(f"{listed} pages are on the lists, but {exist}")
    return [*found, *_lists(kernel), *_files(kernel), *_mapped(kernel), *check_slots(kernel)]


def _anonymous(kernel: "Kernel") -> int:
    """Frames of anonymous memory, each once."""
    leaves: dict[Leaf, None] = {leaf: None for mm in spaces_of(kernel) for leaf in mm.pages.leaves.values()}
    frames: set[Frame] = set()
    runs = {run for mm in spaces_of(kernel) for run in mm.pages.leaves.table_runs}
    resident = sum(run.anonymous for run in runs)
    for leaf in leaves:
        resident += leaf.state.count(ANON) + leaf.state.count(LAZY)
        for entry, frame in leaf.frames.items():
            if leaf.state[entry] in (ANON, LAZY):
                resident -= 1
                frames.add(frame)
    return resident + len(frames)


def _lists(kernel: "Kernel") -> list[str]:
    """Each list counts its runs, and each run is known to its owner."""
    found = []
    for lru in kernel.lruvec.lists:
        runs = list(lru)
        if sum(run.pages for run in runs) != lru.size:
            found.append(f"{LISTS[lru.number]} has {sum(run.pages for run in runs)} pages, not {lru.size}")
        lost = [run for run in runs if run not in run.owner.runs]
        found += [f"a run of {LISTS[lru.number]} is unknown to its owner: {run.low} to {run.high}" for run in lost]
    return found


def _files(kernel: "Kernel") -> list[str]:
    """What is dirty, under writeback, or on swap."""
    found = []
    for inode in kernel.inodes:
        for name, part in (("dirty", inode.dirty), ("under writeback", inode.writeback)):
            lost = sum(inode.pages.missing(first, count) for first, count in part.runs(0, 1 << 52))
            if lost:
                found.append(f"{inode.label} has {lost} {name} pages that are not in memory")
        twice = sum(count - inode.pages.missing(first, count) for first, count in inode.swapped.runs(0, 1 << 52))
        if twice:
            found.append(f"{inode.label} has {twice} pages both in memory and on swap")
    return found


def _mapped(kernel: "Kernel") -> list[str]:
    """A page of a file that somebody maps is in memory."""
    lost: Counter[str] = Counter()
    for mm in spaces_of(kernel):
        for vma in mm.tree:
            if vma.file is None or vma.file.inode.zero_device or vma.name:
                continue
            for mark in mm.pages.marks(vma.start, vma.end):
                if mark.state in (FILE, FILE_DIRTY, SHMEM):
                    lost[vma.file.label] += vma.file.inode.pages.missing(vma.pgoff_at(mark.start), mark.pages)
    return [f"{count} mapped pages of {label} are not in memory" for label, count in lost.items() if count]
