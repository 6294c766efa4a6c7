"""Models mm/madvise.c (6.18): the walk over the VMAs, and the advices that change flags of a VMA."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SIZE, TASK_SIZE, page_up
from memtui.sim.kernel import madvise_cold
from memtui.sim.kernel import madvise_pages as pages
from memtui.sim.kernel.mman import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MADV_HWPOISON,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_SOFT_OFFLINE,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
)
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.vm_flags import (
    NOT_COMPATIBLE_WITH_KSM,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_HUGEPAGE,
    VM_HUGETLB,
    VM_IO,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_RAND_READ,
    VM_SEALED,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
)
from memtui.sim.kernel.vma_merge import modify

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.profile import Profile
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

_Handler = Callable[["Kernel", "Task", "Vma", int, int], None]
_PAGES: Final[Mapping[int, _Handler]] = {
    MADV_WILLNEED: pages.willneed,
    MADV_DONTNEED: pages.dontneed,
    MADV_DONTNEED_LOCKED: pages.dontneed_locked,
    MADV_FREE: pages.free,
    MADV_REMOVE: pages.remove,
    MADV_COLD: madvise_cold.cold,
    MADV_PAGEOUT: madvise_cold.pageout,
    MADV_COLLAPSE: pages.collapse,
    MADV_GUARD_INSTALL: pages.guard_install,
    MADV_GUARD_REMOVE: pages.guard_remove,
}
"""Advices that leave the flags of the VMA alone."""
_DONE: Final[Mapping[int, str]] = {
    MADV_WILLNEED: "the file is read ahead; nothing is mapped by that",
    MADV_REMOVE: "a hole in the file: its pages are gone for everybody",
    MADV_COLD: "the pages stay, at the end of the inactive list",
    MADV_PAGEOUT: "what could be reclaimed at once was",
    MADV_COLLAPSE: "each 2 MiB is one huge page now",
    MADV_GUARD_INSTALL: "an access is SIGSEGV now; the VMA stays whole",
    MADV_GUARD_REMOVE: "the guard markers are gone; other pages stay",
}
"""What such an advice did; the others say it themselves."""
_CHANGES: Final[Mapping[int, tuple[int, int]]] = {
    MADV_NORMAL: (VM_RAND_READ | VM_SEQ_READ, 0),
    MADV_SEQUENTIAL: (VM_RAND_READ, VM_SEQ_READ),
    MADV_RANDOM: (VM_SEQ_READ, VM_RAND_READ),
    MADV_DONTFORK: (0, VM_DONTCOPY),
    MADV_DOFORK: (VM_DONTCOPY, 0),
    MADV_WIPEONFORK: (0, VM_WIPEONFORK),
    MADV_KEEPONFORK: (VM_WIPEONFORK, 0),
    MADV_DONTDUMP: (0, VM_DONTDUMP),
    MADV_DODUMP: (VM_DONTDUMP, 0),
    MADV_HUGEPAGE: (VM_NOHUGEPAGE, VM_HUGEPAGE),
    MADV_NOHUGEPAGE: (VM_HUGEPAGE, VM_NOHUGEPAGE),
    MADV_MERGEABLE: (0, VM_MERGEABLE),
    MADV_UNMERGEABLE: (VM_MERGEABLE, 0),
}
"""Advice -> flags that go, flags that come."""
_DISCARDS: Final = frozenset(
    {
        MADV_FREE,
        MADV_DONTNEED,
        MADV_DONTNEED_LOCKED,
        MADV_REMOVE,
        MADV_DONTFORK,
        MADV_WIPEONFORK,
        MADV_GUARD_INSTALL,
    }
)
_POPULATES: Final = frozenset({MADV_POPULATE_READ, MADV_POPULATE_WRITE})
_REMOTE: Final = frozenset({MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE})
_WORD: Final = (1 << 64) - 1
_UIO_MAXIOV: Final = 1024
_MAX_RW_COUNT: Final = 0x7FFF_F000
"""Bytes that one call may name."""


@system_call
def sys_madvise(kernel: "Kernel", task: "Task", start: int, length: int, advice: int) -> int:
    """madvise(2): address and length in bytes."""
    do_madvise(kernel, task, start, length, advice)
    return 0


@system_call
def sys_process_madvise(
    kernel: "Kernel", task: "Task", pid: int, ranges: Iterable[tuple[int, int]], advice: int, flags: int = 0
) -> int:
    """process_madvise(2): `pid` is the process of the pidfd, `ranges` the iovecs; bytes advised."""
    if flags:
        raise Errno("EINVAL", "an unknown flag")
    ranges = _import_iovec(list(ranges))
    target = task if pid in (0, task.pid) else kernel.tasks.get(pid)
    if target is None:
        raise Errno("ESRCH", f"there is no process {pid}")
    if target.mm is not task.mm and advice not in _REMOTE:
        raise Errno("EINVAL", "this advice cannot be given for another process")
    done, left = 0, sum(length for _, length in ranges)
    for at, (start, length) in enumerate(ranges):
        if not left or (at and not length):
            continue  # iov_iter_count(), iov_iter_advance(): empty ones but the first are not even looked at
        try:
            do_madvise(kernel, target, start, length, advice)
        except Errno:
            if not done:
                raise
            break
        done, left = done + length, left - length
    task.mm.note(f"{done:,} bytes of process {target.pid} were advised")
    return done


def _import_iovec(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """import_iovec() (lib/iov_iter.c): the ranges, cut where they make more than MAX_RW_COUNT bytes.

    Raises:
        Errno: EINVAL, EFAULT.
    """
    if len(ranges) > _UIO_MAXIOV:
        raise Errno("EINVAL", "too many ranges")
    if any(length >> 63 for _, length in ranges):
        raise Errno("EINVAL", "a negative length")
    left, found = _MAX_RW_COUNT, []
    for start, length in ranges:
        taken = min(length, left)
        if start + (taken if len(ranges) == 1 else length) > TASK_SIZE:
            raise Errno("EFAULT", "a range leaves the user address space")
        found.append((start, taken))
        left -= taken
    return found


def do_madvise(kernel: "Kernel", task: "Task", start: int, length: int, advice: int) -> None:
    """Check the arguments, then advise VMA by VMA.

    Raises:
        Errno: by the rules of the advice; ENOMEM also at the end if there was a hole in the range.
    """
    if not _is_known(kernel.profile, advice):
        raise Errno("EINVAL", "an unknown advice")
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    size = page_up(length) & _WORD
    if (length and not size) or start + size > _WORD:
        raise Errno("EINVAL", "the range overflows")
    if not size:
        task.mm.note("the length is 0")
        return
    if advice in _POPULATES:
        pages.populate(kernel, task, start, start + size, write=advice == MADV_POPULATE_WRITE)
        task.mm.note("every page was faulted in")
        return
    if advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE):
        raise Errno("EPERM", "memory failures are not injected here")
    _walk(kernel, task, start, start + size, advice)


def _is_known(profile: "Profile", advice: int) -> bool:
    since = {
        MADV_FREE: profile.madv_free,
        MADV_WIPEONFORK: profile.wipe_on_fork,
        MADV_KEEPONFORK: profile.wipe_on_fork,
        MADV_COLD: profile.cold_advice,
        MADV_PAGEOUT: profile.cold_advice,
        MADV_POPULATE_READ: profile.populate_advice,
        MADV_POPULATE_WRITE: profile.populate_advice,
        MADV_COLLAPSE: profile.collapse_advice,
        MADV_GUARD_INSTALL: profile.guard_regions,
        MADV_GUARD_REMOVE: profile.guard_regions,
    }
    always = advice in _CHANGES or advice in _PAGES or advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE)
    return since.get(advice, always)


def _walk(kernel: "Kernel", task: "Task", start: int, end: int, advice: int) -> None:
    """madvise_walk_vmas(): holes are skipped, but remembered."""
    mm, at, hole = task.mm, start, None
    while at < end:
        vma = mm.tree.find(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x} and above")
        if vma.start > at:
            hole = at if hole is None else hole
            at = vma.start
            if at >= end:
                break
        stop = min(vma.end, end)
        _check_seal(vma, advice)
        handler = _PAGES.get(advice)
        if handler is not None:
            handler(kernel, task, vma, at, stop)
            mm.note(_DONE.get(advice, ""))
            at = stop
        else:
            at = max(stop, _change_flags(kernel, task, vma, at, stop, advice).end)
    if hole is not None:
        raise Errno("ENOMEM", f"nothing is mapped at {hole:#x}; the rest was advised")


def _check_seal(vma: "Vma", advice: int) -> None:
    """can_madvise_modify()."""
    if vma.flags & VM_SEALED and advice in _DISCARDS and vma.anonymous and not vma.flags & VM_WRITE:
        raise Errno("EPERM", "the range is sealed and read-only, and the advice would discard it")


def _change_flags(kernel: "Kernel", task: "Task", vma: "Vma", start: int, end: int, advice: int) -> "Vma":
    _check_flags(vma, advice)
    if advice == MADV_MERGEABLE and vma.flags & NOT_COMPATIBLE_WITH_KSM:
        task.mm.note("KSM cannot merge pages of such a mapping: nothing changes")
        return vma
    gone, come = _CHANGES[advice]
    flags = vma.flags & ~gone | come
    if flags == vma.flags:
        task.mm.note("nothing changes, so nothing merges")
        return vma
    try:
        return modify(kernel, task.mm, vma, start, end, flags)
    except Errno as failure:
        if failure.name == "ENOMEM":
            raise Errno("EAGAIN", failure.why) from None
        raise


def _check_flags(vma: "Vma", advice: int) -> None:
    """The advices that some VMAs refuse."""
    flags = vma.flags
    refused = {
        MADV_DOFORK: flags & VM_IO,
        MADV_WIPEONFORK: vma.file is not None or flags & VM_SHARED,
        MADV_KEEPONFORK: flags & VM_DROPPABLE,
        MADV_DODUMP: flags & (VM_DROPPABLE | (0 if flags & VM_HUGETLB else VM_SPECIAL)),
    }
    if refused.get(advice):
        raise Errno("EINVAL", "this kind of mapping refuses the advice")
