"""What the kernel knows of single pages: the exclusive bit of pagemap, and kpageflags (fs/proc/page.c)."""

import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import AccessDenied, ProcessGone, SourceError
from memtui.model.pages import Examined, PageRun, Residence
from memtui.model.vma import Vma

MOST: Final = 1 << 15
"""Pages that are looked at in one go: scattered frames cost a read each, about a microsecond."""
RIGHT: Final = "active, referenced and dirty need CAP_SYS_ADMIN: pagemap and kpageflags show frames to nobody else"

_ENTRY: Final = 8
_PFN: Final = (1 << 55) - 1
_EXCLUSIVE, _PRESENT = 1 << 56, 1 << 63
# Bits of kpageflags (include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h).
_REFERENCED, _DIRTY, _ACTIVE, _SWAPCACHE, _SWAPBACKED, _MLOCKED = 1 << 2, 1 << 4, 1 << 6, 1 << 13, 1 << 14, 1 << 33
_IN_MEMORY: Final = frozenset({Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM})

_Facts = tuple[bool | None, bool | None, bool | None, bool | None, bool | None]
"""Dirty, shared, locked, active, referenced."""
_NOTHING: Final[_Facts] = (None, None, None, None, None)


def examine(procfs: Procfs, folder: str, vma: Vma, address: int) -> Examined:
    """The pages of a VMA with what is known of each; of a large one those around an address.

    Args:
        procfs: the tree to read.
        folder: of the process: "4242".
        vma: with its runs.
        address: a byte inside.

    Raises:
        ProcessGone: the process exited.
    """
    start = max(vma.start, min(address & -(1 << PAGE_SHIFT), vma.end) - (MOST << PAGE_SHIFT >> 1))
    end = min(start + (MOST << PAGE_SHIFT), vma.end)
    try:
        entries, flags, why = _read(procfs, folder, start, end)
    except ProcessGone:
        raise
    except SourceError as error:
        return Examined(start, end, (), str(error))
    locked = None if vma.vm_flags is None else "lo" in vma.vm_flags
    runs = tuple(_cut(vma.runs or (), start, end, entries, flags, locked=locked))
    return Examined(start, end, runs, why)


def _read(procfs: Procfs, folder: str, start: int, end: int) -> "tuple[array[int], dict[int, int], str]":
    """Entries of pagemap, flags by frame, and why there are none. What changed meanwhile has the entry 0."""
    with procfs.opened(f"{folder}/pagemap") as fd:
        entries = _entries(fd, start, end)
        frames = sorted({entry & _PFN for entry in entries if entry & _PRESENT} - {0})
        if not frames:
            return entries, {}, RIGHT if any(entry & _PRESENT for entry in entries) else ""
        try:
            with procfs.opened("kpageflags") as flags_fd:
                flags = _flags(flags_fd, frames)
        except AccessDenied:
            return entries, {}, RIGHT
        except SourceError as error:
            return entries, {}, str(error)
        again = _entries(fd, start, end)
    steady = array("Q", (entry if entry == then else 0 for entry, then in zip(entries, again, strict=False)))
    return steady, flags, ""


def _entries(fd: int, start: int, end: int) -> "array[int]":
    pages = (end - start) >> PAGE_SHIFT
    text = os.pread(fd, pages * _ENTRY, (start >> PAGE_SHIFT) * _ENTRY)
    return array("Q", text.ljust(pages * _ENTRY, b"\0"))


def _flags(fd: int, frames: Sequence[int]) -> dict[int, int]:
    """By frame; neighbours are read together."""
    found: dict[int, int] = {}
    for _, group in groupby(enumerate(frames), key=lambda pair: pair[1] - pair[0]):
        run = [frame for _, frame in group]
        found.update(zip(run, array("Q", os.pread(fd, len(run) * _ENTRY, run[0] * _ENTRY)), strict=False))
    return found


def _cut(
    runs: Sequence[PageRun], start: int, end: int, entries: "array[int]", flags: dict[int, int], *, locked: bool | None
) -> Iterator[PageRun]:
    """The runs cut where the facts change."""
    for run in runs:
        first, last = max(run.start, start), min(run.end, end)
        if first >= last:
            continue
        if run.residence not in _IN_MEMORY:
            yield run._replace(start=first, pages=(last - first) >> PAGE_SHIFT)
            continue
        part = entries[(first - start) >> PAGE_SHIFT : (last - start) >> PAGE_SHIFT]
        for facts, group in groupby(_facts(entry, flags, run.residence, locked=locked) for entry in part):
            pages = sum(1 for _ in group)
            dirty, shared, is_locked, active, referenced = facts
            yield PageRun(first, pages, run.residence, dirty, shared, run.huge, is_locked, active, referenced)
            first += pages << PAGE_SHIFT


def _facts(entry: int, flags: dict[int, int], residence: Residence, *, locked: bool | None) -> _Facts:
    if not entry & _PRESENT:
        return _NOTHING
    shared = not entry & _EXCLUSIVE
    known = flags.get(entry & _PFN)
    if known is None:
        return None, shared, locked, None, None
    return (
        _dirty(known, residence),
        shared,
        bool(known & _MLOCKED),
        bool(known & _ACTIVE),
        bool(known & _REFERENCED),
    )


def _dirty(flags: int, residence: Residence) -> bool | None:
    """Whether it would have to be written before its frame is free.

    An anonymous page has no copy, unless it is on swap too, or it was given up by MADV_FREE (no longer swap-backed).
    What a process writes to shmem through its mapping is not in the page's flags before it is unmapped.
    """
    if residence is Residence.ANON:
        return bool(flags & _SWAPBACKED) and not (flags & _SWAPCACHE and not flags & _DIRTY)
    if residence is Residence.SHMEM and not flags & _DIRTY:
        return None
    return bool(flags & _DIRTY)
