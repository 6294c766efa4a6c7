"""Pages to cells: what one character says about the pages that it stands for."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
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

_ABSENT: Final[Look] = (GLYPHS[Residence.ABSENT], residence_role(Residence.ABSENT))
_FULL: Final[dict[Residence, Look]] = {
    residence: (glyph, residence_role(residence)) for residence, glyph in GLYPHS.items()
}
_PARTIAL: Final[dict[Residence, Look]] = {
    residence: _ABSENT if residence is Residence.ABSENT else (glyph, residence_role(residence) + PART)
    for residence, glyph in GLYPHS.items()
}


def runs_within(runs: Sequence[PageRun], start: int, end: int) -> Iterator[PageRun]:
    """The runs that touch the bytes from `start` up to `end`; O(log runs + those runs)."""
    first = bisect_right(runs, start, key=_START) - 1
    for run in islice(runs, max(first, 0), None):
        if run.start >= end:
            return
        if run.end > start:
            yield run


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
    cell, last = 0, bounds[-1]
    for run in runs_within(runs, start, start + (last << PAGE_SHIFT)):
        residence = run.residence
        if residence is Residence.ABSENT:
            continue
        page = max((run.start - start) >> PAGE_SHIFT, 0)
        behind = min((run.end - start) >> PAGE_SHIFT, last)
        while page < behind:
            while bounds[cell + 1] <= page:
                cell += 1
            upto = min(behind, bounds[cell + 1])
            pages = tally.setdefault(cell, {})
            pages[residence] = pages.get(residence, 0) + upto - page
            page = upto
    return tally
