"""What an address space does with its runs of equal page tables as a whole; each call costs O(runs)."""

from typing import Any

from memtui.model.address import PMD_SIZE
from memtui.sim.kernel.page_leaf import ABSENT, BLANK, PMD_SHIFT, SMALL, STATES, ZERO, Sharing
from memtui.sim.kernel.table_run import Leaves, TableRun


class TableRuns:
    """The tables of one mm, those in runs and the others, with what is counted of both."""

    def __init__(self) -> None:
        self.leaves = Leaves()
        """address >> 21 -> table."""
        self.pmds: set[int] = set()
        """address >> 30 of each PMD table."""
        self.puds: set[int] = set()
        """address >> 39 of each PUD table."""
        self.counts = [0] * STATES
        """Pages of each state."""
        self.sharing = Sharing()
        """Of all address spaces that descend from one another by fork."""
        self.changed: set[int] = set()
        """Tables whose pages the LRU lists do not know yet (the per-CPU batches of mm/swap.c)."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for run in self.leaves.table_runs:
            run.spaces.append(self)

    def fill(self, first: int, count: int, state: int, *, huge: bool = False, folio: int = SMALL) -> None:
        """Give `count` tables from `first` on, in runs or not there, pages of one state in place of all they map."""
        for run in self.leaves.runs_in(first, first + count):
            self._leave(run)
        self.adopt(TableRun(first, count, state, huge=huge, folio=folio))

    def split_run(self, run: TableRun) -> None:
        """split_folio() of each 2 MiB of a run that nobody else has: pages of zeros become the zero page."""
        if run.folio == BLANK:
            self.fill(run.first, run.count, ZERO)
        else:
            run.huge, run.folio = False, SMALL

    def adopt(self, run: TableRun) -> None:
        """Have a run of tables, alone or as one of several address spaces; none of them was there."""
        first, last = run.first, run.behind - 1
        self.pmds.update(range(first >> 9, (last >> 9) + 1))
        self.puds.update(range(first >> 18, (last >> 18) + 1))
        self.leaves.insert(run)
        run.spaces.append(self)
        self.counts[run.state] += run.pages
        self.changed.add(first)

    def move_run(self, source: int, target: int, most: int) -> int:
        """`move_table` for up to `most` tables from `source` on, as far as they lie in one run of ours.

        Returns:
            How many were moved: 0 if the first is in no such run, or if there is a table in one of their new places.
        """
        run = self.leaves.run_at(source)
        if run is None or len(run.spaces) > 1:
            return 0
        count = min(most, run.behind - source)
        if self.leaves.run_at(target) or self.leaves.next_there(target, target + count) < target + count:
            return 0
        for moved in self.leaves.runs_in(source, source + count):
            self.leaves.remove(moved)
            moved.first = target
            self.leaves.insert(moved)
            self.changed.add(target)
        return count

    def runs_inside(self, start: int, end: int) -> list[TableRun]:
        """The runs of tables that lie whole in [start, end)."""
        return self.leaves.runs_in((start + PMD_SIZE - 1) >> PMD_SHIFT, end >> PMD_SHIFT)

    def own_runs(self, start: int, end: int) -> list[TableRun]:
        """`runs_inside` that no other address space has; those that others have too are taken apart."""
        own = []
        for run in self.runs_inside(start, end):
            if len(run.spaces) == 1:
                own.append(run)
            else:
                self.leaves.separate(run.first, run.behind - 1)
        return own

    def zap_runs(self, start: int, end: int) -> None:
        """`zap` of the runs of tables that lie whole in [start, end)."""
        for run in self.runs_inside(start, end):
            if run.state != ABSENT:
                self.fill(run.first, run.count, ABSENT)

    def reclaim_runs(self, start: int, end: int) -> None:
        """`reclaim_table` of all that lie in runs whole in [start, end), with their pages."""
        for run in self.runs_inside(start, end):
            self._leave(run)

    def _leave(self, run: TableRun) -> None:
        """This address space no longer has the run of tables."""
        self.leaves.remove(run)
        self.counts[run.state] -= run.pages
        if len(run.spaces) > 1:
            self.sharing.add(-run.anonymous, swapped=False)
        else:
            for listed in run.runs:
                listed.unlink()
            run.runs.clear()
        run.spaces.remove(self)
