"""Runs of page tables that are all alike: a process of 100 GiB has 51,200 of them, and few ever differ.

A table becomes a `Leaf` of its own as soon as somebody asks for it alone. What concerns whole runs (faults, fork,
munmap, the pictures) costs O(runs).
"""

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.page_leaf import ABSENT, ANON, ENTRIES, SHARED_BIT, SMALL, STATES, Leaf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.lru import LruRun
    from memtui.sim.kernel.page_table_runs import TableRuns

UNIFORM: Final = tuple(bytes([state]) * ENTRIES for state in range(STATES))
_State = tuple[int, int, int, bool, "list[LruRun]", int]


class TableRun:
    """Tables [first, first + count) with one state in every entry; since a fork several address spaces may have it."""

    __slots__ = ("count", "first", "folio", "huge", "runs", "spaces", "state")

    def __init__(self, first: int, count: int, state: int, *, huge: bool, folio: int = SMALL) -> None:
        self.first = first
        """address >> 21 of the lowest."""
        self.count = count
        self.state = state
        self.huge = huge
        """Each is mapped by one 2 MiB entry."""
        self.folio = folio
        """What `Leaf.folio` has for every entry."""
        self.runs: list[LruRun] = []
        """Its pages on the LRU lists: none or one run."""
        self.spaces: list[TableRuns] = []
        """Who has it."""

    def __getstate__(self) -> _State:
        """Without those who have it, who put themselves back."""
        return self.first, self.count, self.state, self.huge, self.runs, self.folio

    def __setstate__(self, state: _State) -> None:
        self.first, self.count, self.state, self.huge, self.runs, self.folio = state
        self.spaces = []

    @property
    def behind(self) -> int:
        """The first table above it."""
        return self.first + self.count

    @property
    def pages(self) -> int:
        """Entries of all its tables."""
        return self.count * ENTRIES

    @property
    def anonymous(self) -> int:
        """Its pages of anonymous memory."""
        return self.pages if self.state == ANON else 0

    @property
    def marked(self) -> int:
        """Its state, with SHARED_BIT on anonymous pages that several have."""
        return self.state | (SHARED_BIT if self.anonymous and len(self.spaces) > 1 else 0)

    def cut(self, at: int) -> "TableRun":
        """Make the tables from `at` on, which lies inside, a run of their own; gives it."""
        rest = TableRun(at, self.behind - at, self.state, huge=self.huge, folio=self.folio)
        self.count = at - self.first
        rest.runs = [run.part(self.pages, rest) for run in self.runs]
        rest.spaces = list(self.spaces)
        for pages in self.spaces:
            pages.leaves.insert(rest)
            if self.first in pages.changed:
                pages.changed.add(at)
        return rest

    def table(self, index: int) -> Leaf:
        """Make one of its tables a `Leaf`, for all who have it; gives it."""
        if index > self.first:
            return self.cut(index).table(index)
        if self.count > 1:
            self.cut(index + 1)
        leaf = Leaf(bytearray(UNIFORM[self.state]))
        leaf.folio = bytearray([self.folio]) * ENTRIES if self.folio else None
        leaf.huge, leaf.index, leaf.owners, leaf.runs = self.huge, index, len(self.spaces), self.runs
        for run in leaf.runs:
            run.owner = leaf
        for pages in self.spaces:
            pages.leaves.remove(self)
            pages.leaves[index] = leaf
        return leaf


class Leaves(dict[int, Leaf]):
    """The page tables of one address space by address >> 21; to look one up takes it out of its run.

    To iterate gives only those that are in no run.
    """

    __slots__ = ("table_runs",)

    def __init__(self) -> None:
        super().__init__()
        self.table_runs: list[TableRun] = []
        """The others, by ascending address."""

    def __missing__(self, index: int) -> Leaf:
        run = self.run_at(index)
        if run is None:
            raise KeyError(index)
        return run.table(index)

    def __contains__(self, index: object) -> bool:
        return super().__contains__(index) or (isinstance(index, int) and self.run_at(index) is not None)

    def get(self, index: int, default: None = None) -> Leaf | None:  # type: ignore[override]
        """The table, or None if there is none."""
        leaf = super().get(index)
        if leaf is None and self.table_runs:
            run = self.run_at(index)
            return None if run is None else run.table(index)
        return leaf

    def take(self, index: int) -> Leaf:
        """Remove the table `index`, which is there; gives it."""
        leaf = self[index]
        del self[index]
        return leaf

    @property
    def count(self) -> int:
        """How many tables there are."""
        return len(self) + (sum(run.count for run in self.table_runs) if self.table_runs else 0)

    def run_at(self, index: int) -> TableRun | None:
        """The run that a table is in."""
        at = bisect_right(self.table_runs, index, key=_first) - 1
        return self.table_runs[at] if at >= 0 and index < self.table_runs[at].behind else None

    def runs_in(self, first: int, behind: int) -> list[TableRun]:
        """The runs of tables in [first, behind), which are cut at its ends."""
        if not self.table_runs or first >= behind:
            return []
        for at in (first, behind):
            run = self.run_at(at)
            if run is not None and at > run.first:
                run.cut(at)
        low = bisect_left(self.table_runs, first, key=_first)
        return self.table_runs[low : bisect_left(self.table_runs, behind, low, key=_first)]

    def next_there(self, index: int, behind: int) -> int:
        """The lowest table in [index, behind); `behind` if there is none."""
        at = bisect_left(self.table_runs, index, key=_first)
        if at < len(self.table_runs):
            behind = min(behind, self.table_runs[at].first)
        if len(self) < behind - index:
            return min((known for known in self if index <= known < behind), default=behind)
        known = self.keys()
        return next((at for at in range(index, behind) if at in known), behind)

    def separate(self, first: int, last: int) -> None:
        """Take all tables of [first, last] that map something out of their runs."""
        for run in self.runs_in(first, last + 1) if self.table_runs else ():
            if run.state != ABSENT:
                for index in range(run.first, run.behind):
                    self[index]

    def alone(self, first: int, last: int) -> "Iterator[int]":
        """The tables of [first, last] that are in no run, by ascending address."""
        known = self.keys()
        if last - first <= len(known):
            yield from (index for index in range(first, last + 1) if index in known)
        else:
            yield from sorted(index for index in known if first <= index <= last)

    def insert(self, run: TableRun) -> None:
        """Put in a run of tables that are not there."""
        self.table_runs.insert(bisect_left(self.table_runs, run.first, key=_first), run)

    def remove(self, run: TableRun) -> None:
        """Take a run out."""
        del self.table_runs[bisect_left(self.table_runs, run.first, key=_first)]


def _first(run: TableRun) -> int:
    return run.first
