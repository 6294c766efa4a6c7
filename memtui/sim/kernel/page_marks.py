"""What the entries of page tables say to those who walk over them (fs/proc/task_mmu.c, mm/mincore.c): runs of pages."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from memtui.model.address import PAGE_SHIFT
from memtui.model.pages import PageRun
from memtui.sim.kernel.page_leaf import ANON, FILE, FILE_DIRTY, LAZY, RESIDENCE, SHARED_BIT, Leaf

_DIRTY: Final = {ANON: True, LAZY: False, FILE: False, FILE_DIRTY: True}
_RUN: Final = re.compile(rb"([^\0])\1*", re.DOTALL)


class Mark(NamedTuple):
    """A run of pages of one state inside one leaf or run of leaves, with SHARED_BIT where it applies."""

    start: int
    pages: int
    state: int
    huge: bool


def marks_of(leaf: Leaf, base: int, low: int, high: int) -> Iterator[Mark]:
    """Those of the entries [low, high) of a table whose first page is at `base`, without the absent ones."""
    state: bytes | bytearray = leaf.state
    if leaf.owners > 1 or leaf.frames:
        state = leaf.marked()
    if state.count(state[low], low, high) == high - low:
        if state[low]:
            yield Mark(base + (low << PAGE_SHIFT), high - low, state[low], leaf.huge)
        return
    for match in _RUN.finditer(state, low, high):
        first, behind = match.span()
        yield Mark(base + (first << PAGE_SHIFT), behind - first, state[first], leaf.huge)


def page_runs(marks: Iterable[Mark]) -> tuple[PageRun, ...]:
    """Ascending marks as the screens draw them, joined where they are alike."""
    found: list[PageRun] = []
    last: Mark | None = None
    for mark in marks:
        if last is not None and last.start + (last.pages << PAGE_SHIFT) == mark.start and last[2:] == mark[2:]:
            last = last._replace(pages=last.pages + mark.pages)
            found[-1] = _page_run(last)
        else:
            last = mark
            found.append(_page_run(mark))
    return tuple(found)


def _page_run(mark: Mark) -> PageRun:
    state = mark.state & ~SHARED_BIT
    shared = bool(mark.state & SHARED_BIT) if state in (ANON, LAZY) else None
    return PageRun(mark.start, mark.pages, RESIDENCE[state], _DIRTY.get(state), shared, mark.huge)
