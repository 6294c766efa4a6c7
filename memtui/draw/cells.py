"""Pages to cells: what one character says about the pages that it stands for."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from memtui.draw.glyphs import GLYPHS, NOT_MEASURED, residence_role
from memtui.draw.roles import PART
from memtui.draw.run import Run
from memtui.model.address import PAGE_SHIFT
from memtui.model.pages import PageRun, Residence

_START: Final = itemgetter(0)
_COUNT: Final = itemgetter(1)

Look = tuple[str, str]
"""A glyph and its role."""

_NOTHING: Final = Residence.ABSENT
_ABSENT: Final[Look] = (GLYPHS[Residence.ABSENT], residence_role(Residence.ABSENT))
_FULL: Final[dict[Residence, Look]] = {
    residence: (glyph, residence_role(residence)) for residence, glyph in GLYPHS.items()
}
_PARTIAL: Final[dict[Residence, Look]] = {
    residence: _ABSENT if residence is Residence.ABSENT else (glyph, residence_role(residence) + PART)
    for residence, glyph in GLYPHS.items()
}


def runs_within(runs: Sequence[PageRun], start: int, end: int) -> Sequence[PageRun]:
    """The runs that touch the bytes from `start` up to `end`; O(log runs + those runs)."""
    first = max(bisect_right(runs, start, key=_START) - 1, 0)
    if first < len(runs) and runs[first].end <= start:
        first += 1
    return runs[first : bisect_left(runs, end, first, key=_START)]


def cell_runs(runs: Sequence[PageRun] | None, start: int, bounds: Sequence[int]) -> tuple[Run, ...]:
    """The cells of a range of pages, neighbours of the same look joined.

    A cell shows the residence that most of its pages have, among those that are not absent: a cell with any page in
    it never looks untouched. On a tie the lower page wins. When less than half of the pages are there the role ends
    in `roles.PART`.

    Args:
        runs: of the VMA; None, not measured, is drawn as one dash.
        start: address of the range, bytes.
        bounds: pages from `start` at which the cells begin, and the end of the last; strictly ascending from 0.
    """
    if runs is None:
        return (Run(NOT_MEASURED, "text.dim"),)
    joined: list[Run] = []
    text, role = "", ""
    for look in _looks(runs, start, bounds):
        if look[1] != role:
            if text:
                joined.append(Run(text, role))
            text, role = "", look[1]
        text += look[0]
    return (*joined, Run(text, role)) if text else tuple(joined)


def _looks(runs: Sequence[PageRun], start: int, bounds: Sequence[int]) -> list[Look]:
    looks = [_ABSENT] * (len(bounds) - 1)
    for cell, pages in _tally(runs, start, bounds).items():
        residence, _ = max(pages.items(), key=_COUNT)
        half_empty = sum(pages.values()) * 2 < bounds[cell + 1] - bounds[cell]
        looks[cell] = _PARTIAL[residence] if half_empty else _FULL[residence]
    return looks


def _tally(runs: Sequence[PageRun], start: int, bounds: Sequence[int]) -> dict[int, dict[Residence, int]]:
    """Pages by residence of every cell that has any; one pass over runs and cells together."""
    tally: dict[int, dict[Residence, int]] = {}
    cell, last = -1, bounds[-1]
    cell_end = 0
    pages: dict[Residence, int] = {}
    # Indices, not names: a VMA may have a hundred thousand runs, and a property costs as much as the rest.
    for run in runs_within(runs, start, start + (last << PAGE_SHIFT)):
        residence = run[2]
        page = (run[0] - start) >> PAGE_SHIFT
        behind = page + run[1]
        if residence is _NOTHING:
            continue
        if page < 0:
            page = 0
        if behind > last:
            behind = last
        while page < behind:
            if page >= cell_end:
                cell = bisect_right(bounds, page, cell + 1) - 1
                cell_end = bounds[cell + 1]
                pages = tally[cell] = {}
            upto = behind if behind < cell_end else cell_end
            pages[residence] = pages.get(residence, 0) + upto - page
            page = upto
    return tally
