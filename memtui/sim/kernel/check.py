"""Every invariant of the simulated kernel, in one place: an empty list means that all hold."""

from collections import Counter
from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SIZE, TASK_SIZE
from memtui.sim.kernel.check_frames import check_frames
from memtui.sim.kernel.page_leaf import ANON, GUARD, LAZY, PGDIR_SHIFT, PMD_SHIFT, PUD_SHIFT, STATES, SWAP
from memtui.sim.kernel.vm_flags import (
    VM_ACCOUNT,
    VM_LOCKED,
    VM_SHARED,
    VM_WRITE,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtui.sim.kernel.fs import Inode, OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.page_leaf import Frame, Leaf
    from memtui.sim.kernel.table_run import TableRun


def check(kernel: "Kernel") -> list[str]:
    """What is wrong, a line each."""
    found: list[str] = []
    mms = {id(task.mm): task.mm for task in kernel.tasks.values()}
    for mm in mms.values():
        users = sum(task.mm is mm for task in kernel.tasks.values())
        name = f"mm of {[task.pid for task in kernel.tasks.values() if task.mm is mm]}"
        problems = [*mm.tree.problems(), *_vmas(mm), *_counters(mm), *_page_table(mm)]
        if users != mm.users:
            problems.append(f"{users} tasks, but mm_users is {mm.users}")
        found += [f"{name}: {problem}" for problem in problems]
    found += [*_frames(mms.values()), *_files(kernel, mms.values()), *_charge(kernel, mms.values())]
    return [*found, *check_frames(kernel)]


def _vmas(mm: "Mm") -> list[str]:
    found = []
    for vma in mm.tree:
        place = f"{vma.start:#x}-{vma.end:#x}"
        if vma.start % PAGE_SIZE or vma.end % PAGE_SIZE or vma.end > TASK_SIZE:
            found.append(f"{place} is not page aligned, or leaves the address space")
        if bool(vma.anon_vma) != bool(vma.chain):
            found.append(f"{place} has anon_vma {vma.anon_vma} with a chain of {vma.chain}")
        if vma.flags & VM_ACCOUNT and vma.flags & VM_SHARED:
            found.append(f"{place} is shared and accounted")
        if vma.pgoff < 0:
            found.append(f"{place} has a negative offset")
    return found


def _counters(mm: "Mm") -> list[str]:
    vmas = list(mm.tree)
    sums = {
        "total_vm": sum(vma.pages for vma in vmas),
        "exec_vm": sum(vma.pages for vma in vmas if is_exec_mapping(vma.flags)),
        "stack_vm": sum(vma.pages for vma in vmas if is_stack_mapping(vma.flags)),
        "data_vm": sum(vma.pages for vma in vmas if is_data_mapping(vma.flags) and not is_stack_mapping(vma.flags)),
    }
    found = [
        f"{name} is {getattr(mm, name)}, not {value}" for name, value in sums.items() if getattr(mm, name) != value
    ]
    locked = sum(vma.pages for vma in vmas if vma.flags & VM_LOCKED)
    # Modulo 2^32, because mlock_fixup() counts in an int; it may be more, where mremap counted twice.
    if (mm.locked_vm - locked) % (1 << 32) >= 1 << 31:
        found.append(f"locked_vm is {mm.locked_vm}, but {locked} pages are locked")
    return found


def _page_table(mm: "Mm") -> list[str]:
    found = []
    counts = Counter[int]()
    for index, leaf in mm.pages.leaves.items():
        counts.update(leaf.state)
        if mm.pages.leaves.run_at(index) is not None:
            found.append(f"table {index << PMD_SHIFT:#x} is alone and in a run")
        if index >> (PUD_SHIFT - PMD_SHIFT) not in mm.pages.pmds:
            found.append(f"table {index << PMD_SHIFT:#x} has no PMD table")
        if leaf.huge and len(set(leaf.state)) != 1:
            found.append(f"table {index << PMD_SHIFT:#x} is huge with several states")
    found += _table_runs(mm, counts)
    orphans = [pmd for pmd in mm.pages.pmds if pmd >> (PGDIR_SHIFT - PUD_SHIFT) not in mm.pages.puds]
    found += [f"PMD table {pmd << PUD_SHIFT:#x} has no PUD table" for pmd in orphans]
    wrong = [state for state in range(1, STATES) if counts[state] != mm.pages.counts[state]]
    found += [f"{counts[state]} pages in state {state}, but {mm.pages.counts[state]} counted" for state in wrong]
    return found + _outside(mm)


def _table_runs(mm: "Mm", counts: "Counter[int]") -> list[str]:
    """Runs of tables ascend without overlapping, below PMD tables, and know who has them."""
    found, behind = [], 0
    for run in mm.pages.leaves.table_runs:
        counts[run.state] += run.pages
        place = f"the run of {run.count} tables at {run.first << PMD_SHIFT:#x}"
        if run.first < behind or run.count < 1:
            found.append(f"{place} overlaps the one below")
        behind = run.behind
        if any(index >> (PUD_SHIFT - PMD_SHIFT) not in mm.pages.pmds for index in (run.first, run.behind - 1)):
            found.append(f"{place} has no PMD table")
        if mm.pages not in run.spaces:
            found.append(f"{place} does not know its address space")
    return found


def _outside(mm: "Mm") -> list[str]:
    """Pages that no VMA covers, or that their VMA cannot have."""
    found = []
    for mark in mm.pages.marks(0, TASK_SIZE):
        end = mark.start + mark.pages * PAGE_SIZE
        at = mark.start
        for vma in mm.tree.span(mark.start, end):
            if vma.start > at:
                break
            at = vma.end
            anonymous = mark.state & 0x3F in (ANON, LAZY)
            if anonymous and (not vma.anon_vma or (vma.flags & VM_SHARED and vma.flags & VM_WRITE)):
                found.append(f"anonymous pages at {mark.start:#x} in a VMA without an anon_vma")
        if at < end:
            found.append(f"pages at {at:#x} are in no VMA (state {mark.state & 0x3F})")
        if mark.state & 0x3F == GUARD and mark.huge:
            found.append(f"a huge guard at {mark.start:#x}")
    return found


def _frames(mms: "Iterable[Mm]") -> list[str]:
    """Each frame's mapcount equals its mappings, each leaf's owners the tables that have it."""
    frames: Counter[Frame] = Counter()
    leaves: Counter[Leaf] = Counter()
    runs: Counter[TableRun] = Counter()
    for mm in mms:
        runs.update(mm.pages.leaves.table_runs)
        for leaf in mm.pages.leaves.values():
            leaves[leaf] += 1
            frames.update(leaf.frames.values())
    found = [f"{len(run.spaces)} have a run of tables, not {n}" for run, n in runs.items() if len(run.spaces) != n]
    found += [f"a leaf has {leaf.owners} owners, not {count}" for leaf, count in leaves.items() if leaf.owners != count]
    found += [
        f"table {leaf.index << PMD_SHIFT:#x} has a frame at entry {entry}, whose state is {leaf.state[entry]}"
        for leaf in leaves
        for entry in leaf.frames
        if leaf.state[entry] not in (ANON, LAZY, SWAP)
    ]
    return found + [
        f"a frame's mapcount is {frame.mapcount}, not {count}"
        for frame, count in frames.items()
        if frame.mapcount != count
    ]


def _open_files(kernel: "Kernel", mms: "Iterable[Mm]") -> "Counter[OpenFile]":
    users: Counter[OpenFile] = Counter()
    for mm in mms:
        users.update(vma.file for vma in mm.tree if vma.file is not None)
    for table in {id(task.files): task.files for task in kernel.tasks.values()}.values():
        users.update(table.open.values())
    return users


def _files(kernel: "Kernel", mms: "Iterable[Mm]") -> list[str]:
    users = _open_files(kernel, mms)
    return [f"{file.label} has {file.users} users, not {count}" for file, count in users.items() if file.users != count]


def _charge(kernel: "Kernel", mms: "Iterable[Mm]") -> list[str]:
    """Committed_AS equals the accountable VMAs and the shared objects."""
    mms = list(mms)
    private = sum(vma.pages for mm in mms for vma in mm.tree if vma.flags & VM_ACCOUNT)
    inodes: dict[int, Inode] = {id(inode): inode for inode in kernel.paths.values()}
    inodes |= {id(segment.inode): segment.inode for segment in kernel.shm_segments.values()}
    inodes |= {id(file.inode): file.inode for file in _open_files(kernel, mms)}
    shared = sum(
        inode.charged_whole or inode.pages.count + inode.swapped.count for inode in inodes.values() if inode.shmem
    )
    if kernel.committed == private + shared + kernel.never_uncharged:
        return []
    return [f"Committed_AS is {kernel.committed}, but {private} private and {shared} shared pages are charged"]
