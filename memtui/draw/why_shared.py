"""The why of memory that processes share: a segment, or a file system in memory."""

from collections.abc import Iterator
from typing import Final

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.sizes import human, of, plural
from memtui.model.sharing import Segment, SegmentKind, TmpfsMount

_MADE: Final = {
    SegmentKind.SYSV: "shmget made it. It belongs to no process: the last shmdt leaves it where it is. (ipc/shm.c)",
    SegmentKind.POSIX: "a file in /dev/shm, which shm_open makes: it stays as any file does. (mm/shmem.c)",
    SegmentKind.MEMFD: "memfd_create: a file without a name, known only by its descriptors. (mm/memfd.c)",
}
_ENDS: Final = {
    SegmentKind.SYSV: "ipcrm (IPC_RMID) and the last shmdt or exit",
    SegmentKind.POSIX: "rm (shm_unlink), then the last munmap and close, or exit",
    SegmentKind.MEMFD: "the last close and munmap, at the latest the exit of whoever has it open",
}


def shared_answer(shared: Segment | TmpfsMount) -> Answer:
    """Why it takes memory, who keeps it, and what would free it."""
    if isinstance(shared, Segment):
        return Answer(safe(shared.name), tuple(_of_segment(shared)))
    return Answer(safe(shared.point), tuple(_of_mount(shared)))


def _of_segment(segment: Segment) -> Iterator[tuple[str, str]]:
    yield "here", _MADE[segment.kind]
    touched = "a page takes memory from its first touch"
    share = f"{human(segment.resident)} in RAM and {human(segment.swapped)} on swap"
    yield "takes", f"{share} of {human(segment.size)}: {touched}"
    if segment.attached is None:
        yield "used by", f"not known: {segment.why or 'not told'}"
    elif segment.orphaned:
        yield "used by", "nobody, and no exit will free it: somebody has to remove it"
    else:
        if segment.kind is SegmentKind.SYSV:
            users = plural(segment.attached, "attachment")
        else:
            users = "1 process" if segment.attached == 1 else f"{segment.attached:,} processes"
        yield "used by", f"{users}; a page counts as shmem (RssShmem) in each process that touched it"
    if segment.removed:
        yield "removed", "it has no name any more, and goes with its last user"
    yield "frees", f"{_ENDS[segment.kind]}. Reclaim can only swap it; drop_caches never takes it"


def _of_mount(mount: TmpfsMount) -> Iterator[tuple[str, str]]:
    yield "here", f"{mount.fs_type}: its files are page cache without a disk behind them. (mm/shmem.c)"
    if mount.used is None:
        yield "takes", f"not known: {mount.why or 'not told'}"
    else:
        yield "takes", f"{human(mount.used)}, in RAM or on swap, whether a process maps it or not"
        if mount.why:
            yield "place", mount.why
    if mount.size is None:
        yield "limit", "none: its files can fill RAM and swap"
    else:
        yield "limit", f"{human(mount.size)} ({of(mount.used, mount.size)} used), by its option size=; then ENOSPC"
    reclaim = "never takes" if mount.fs_type == "ramfs" else "can only swap"
    yield "frees", f"rm, truncate or umount. Reclaim {reclaim} its pages; drop_caches leaves them"
