"""What differs between two looks at an address space."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun
from memtui.model.vma import Vma

_MAPPED: Final = Vma._fields.index("vm_flags")
"""The fields of a VMA that maps tells are those before this one."""


def changed(before: MmSnapshot | None, after: MmSnapshot) -> tuple[Range, ...]:
    """Where the address space changed: ranges by ascending address, none touching another.

    A range came, went, or changed its permissions, label, flags or the state of its pages. Parts that are the same
    object in both are not looked at. Pages that were not measured on either side have not changed.

    Args:
        before: the earlier look; None, another process's or one that did not see all: nothing is known to have
            changed.
        after: the later look.
    """
    if before is None or before is after or before.vmas is after.vmas:
        return ()
    if before.pid != after.pid or before.read_to is not None:
        return ()
    return tuple(_joined(_vma_changes(before.vmas, after.vmas)))


def _vma_changes(old: Sequence[Vma], new: Sequence[Vma]) -> Iterator[Range]:
    """One pass over both lists: pieces of address space that one or both of them have, and differ in."""
    i = j = at = 0
    while i < len(old) and j < len(new):
        was, now = old[i], new[j]
        if was is now or _same(was, now):
            i, j, at = i + 1, j + 1, was.end
            continue
        start = max(min(was.start, now.start), at)
        if was.start > start or now.start > start:
            # Only one of them covers this piece: it ends where that one ends or the other begins.
            mine, other = (now, was) if was.start > start else (was, now)
            end = min(mine.end, other.start)
            yield Range(start, end)
        else:
            end = min(was.end, now.end)
            yield from _differences(was, now, start, end)
        at = max(at, end)
        i, j = i + (was.end <= at), j + (now.end <= at)
    for vma in (*old[i:], *new[j:]):
        yield Range(max(vma.start, at), vma.end)


def _same(was: Vma, now: Vma) -> bool:
    """Whether nothing that is told of has changed, seen at once: smaps may come and go with the figures alone."""
    if was.runs is not now.runs or was[:_MAPPED] != now[:_MAPPED]:
        return False
    return was.vm_flags is None or now.vm_flags is None or was.vm_flags == now.vm_flags


def _differences(was: Vma, now: Vma, start: int, end: int) -> Iterator[Range]:
    """What changed in a piece that both cover."""
    if _identity(was) != _identity(now) or (None not in (was.vm_flags, now.vm_flags) and was.vm_flags != now.vm_flags):
        yield Range(start, end)
    elif was.runs is not now.runs and was.runs is not None and now.runs is not None and was.runs != now.runs:
        yield from _page_changes(was.runs, now.runs, start, end)


def _identity(vma: Vma) -> tuple[Any, ...]:
    """Splitting or growing a VMA changes none of this; anonymous memory has no offset to compare.

    Flags, which are not always measured, are compared apart.
    """
    origin = vma.offset - vma.start if vma.inode else 0
    return (vma.perms, origin, vma.dev, vma.inode, vma.name, vma.kind)


def _page_changes(old: Sequence[PageRun], new: Sequence[PageRun], start: int, end: int) -> Iterator[Range]:
    """The same pass over page runs; between runs pages are absent."""
    edges = sorted({start, end, *_edges(old, start, end), *_edges(new, start, end)})
    states = zip(_states(old, edges), _states(new, edges), strict=True)
    for low, high, (was, now) in zip(edges, edges[1:], states, strict=False):
        if was != now:
            yield Range(low, high)


def _edges(runs: Sequence[PageRun], start: int, end: int) -> Iterator[int]:
    for run in runs:
        yield min(max(run.start, start), end)
        yield min(max(run.end, start), end)


def _states(runs: Sequence[PageRun], edges: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """What the pages that begin at each edge but the last are: residence and attributes; () for absent."""
    nth = 0
    for edge in edges[:-1]:
        while nth < len(runs) and runs[nth].end <= edge:
            nth += 1
        yield runs[nth][2:] if nth < len(runs) and runs[nth].start <= edge else ()


def _joined(ranges: Iterator[Range]) -> Iterator[Range]:
    """Neighbours made one; empty ranges left out."""
    last: Range | None = None
    for piece in ranges:
        if piece.start >= piece.end:
            continue
        if last is not None and piece.start <= last.end:
            last = Range(last.start, max(last.end, piece.end))
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
