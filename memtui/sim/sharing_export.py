"""What simulated processes share, as a picture shows it: segments with who uses them, and file systems in memory."""

import posixpath
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from memtui.model.address import PAGE_SIZE, TASK_SIZE
from memtui.model.sharing import FileId, Segment, SegmentKind, Sharing, TmpfsMount
from memtui.sim.kernel.fs import SHMEM_DEV, Inode
from memtui.sim.kernel.kernel import Kernel

_MEMFD: Final = "/memfd:"
_COMMON: Final = "mounts are not simulated: this is the folder that the trace's files on the device have in common"
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def sharing(kernel: Kernel) -> Sharing:
    """Segments of System V, files of tmpfs and ramfs that the trace met, and memfds. O(VMAs of all processes)."""
    mapped, opened = _users(kernel)
    files = {*mapped, *opened, *(inode for inode in kernel.paths.values() if inode.nlink)}
    kept = [inode for inode in files if inode.fs_type in _IN_MEMORY and inode.regular and not inode.is_dir]
    named = sorted((inode for inode in kept if inode.dev != SHMEM_DEV), key=lambda inode: inode.label)
    memfds = sorted((inode for inode in kept if inode.label.startswith(_MEMFD)), key=lambda inode: inode.number)
    segments = [
        *_sysv(kernel),
        *(_file(SegmentKind.POSIX, inode, len(mapped[inode] | opened[inode])) for inode in named),
        *(_file(SegmentKind.MEMFD, inode, len(mapped[inode] | opened[inode])) for inode in memfds),
    ]
    mappers: dict[FileId, tuple[int, ...]] = {
        (inode.dev, inode.number): tuple(sorted(pids)) for inode, pids in mapped.items() if inode.dev != SHMEM_DEV
    }
    return Sharing(tuple(sorted(segments, key=_order)), tuple(_mounts(named)), mappers)


Users = defaultdict[Inode, set[int]]


def _users(kernel: Kernel) -> tuple[Users, Users]:
    """Which processes map an inode, and which have it open, by pid."""
    mapped, opened = Users(set), Users(set)
    for task in kernel.tasks.values():
        for file in task.files.open.values():
            opened[file.inode].add(task.tgid)
        if task.pid == task.tgid:
            for vma in task.mm.tree.span(0, TASK_SIZE):
                if vma.file is not None:
                    mapped[vma.file.inode].add(task.tgid)
    return mapped, opened


def _order(segment: Segment) -> tuple[bool, int]:
    return not segment.orphaned, -segment.size


def _sysv(kernel: Kernel) -> Iterator[Segment]:
    for segment in kernel.shm_segments.values():
        yield Segment(
            SegmentKind.SYSV,
            f"id {segment.shmid}, key {segment.key:#x}",
            segment.size,
            segment.inode.pages.count * PAGE_SIZE,
            segment.inode.swapped.count * PAGE_SIZE,
            segment.nattch,
            removed=segment.removed,
        )


def _file(kind: SegmentKind, inode: Inode, users: int) -> Segment:
    return Segment(
        kind,
        inode.label.removeprefix("/") if kind is SegmentKind.MEMFD else inode.label,
        inode.size,
        inode.pages.count * PAGE_SIZE,
        inode.swapped.count * PAGE_SIZE,
        users,
        removed=not inode.nlink,
    )


def _mounts(named: list[Inode]) -> Iterator[TmpfsMount]:
    """By device; where it is mounted is the folder that all its files have in common."""
    by_device = defaultdict[tuple[int, int], list[Inode]](list)
    for inode in named:
        by_device[inode.dev].append(inode)
    for inodes in by_device.values():
        point = posixpath.commonpath([posixpath.dirname(inode.label) for inode in inodes])
        pages = sum(inode.pages.count + inode.swapped.count for inode in inodes)
        yield TmpfsMount(point, inodes[0].fs_type, None, pages * PAGE_SIZE, len(inodes), _COMMON)
