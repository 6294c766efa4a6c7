"""Page tables of one address space: what each page is, and how many tables there are (arch/x86, 4 levels).

A table of 512 entries is a `Leaf` of 512 bytes, a page state each. Fork shares whole leaves between parent and
child, as if the tables were copied; the first change in one of them copies the leaf and gives each anonymous page
in it an identity (`Frame`) that counts its mappings.
"""

from collections.abc import Iterator
from operator import and_
from typing import Final

from memtui.model.address import PAGE_SHIFT
from memtui.model.pages import PageRun
from memtui.sim.kernel import huge_folio
from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    ENTRIES,
    FILE,
    FILE_DIRTY,
    GUARD,
    PGDIR_SHIFT,
    PMD_SHIFT,
    PUD_SHIFT,
    STATES,
    SWAP,
    Leaf,
    table_of,
)
from memtui.sim.kernel.page_marks import Mark, marks_of, page_runs
from memtui.sim.kernel.page_table_runs import TableRuns
from memtui.sim.kernel.table_run import UNIFORM

_EMPTY: Final = bytes(ENTRIES)
_ANONYMOUS: Final = bytes(state == ANON for state in range(256))
_LOST: Final = bytes(state not in (ANON, SWAP) for state in range(256))
"""States in which a page needs no swap slot."""
_CLEAR_PAGES: Final = table_of({state: ABSENT for state in range(STATES) if state != GUARD})


class PageTable(TableRuns):
    """The page tables of one mm; addresses in bytes, page aligned."""

    def __init__(self) -> None:
        super().__init__()
        self._file_pmds: set[int] = set()
        """Where a PMD maps, or mapped once, 2 MiB of a file: there is a leaf, but no table behind it."""

    def tables_up_to(self, levels: int) -> int:
        """The tables of the lowest levels: 1 the PTE tables, 2 PMD tables too, 3 all that `tables` counts."""
        above = (len(self.pmds), len(self.puds))[max(levels - 1, 0) :]
        return self.tables - sum(above) if levels else 0

    @property
    def tables(self) -> int:
        """PTE, PMD and PUD tables: VmPTE in pages."""
        without = sum(self.is_file_pmd(index) for index in self._file_pmds) if self._file_pmds else 0
        return self.leaves.count - without + len(self.pmds) + len(self.puds)

    def is_file_pmd(self, index: int) -> bool:
        """Whether a PMD maps 2 MiB of a file: there is no table then."""
        leaf = self.leaves.get(index)
        return leaf is not None and leaf.huge and leaf.state[0] in (FILE, FILE_DIRTY)

    def get(self, address: int) -> int:
        """The state of one page."""
        run = self.leaves.run_at(address >> PMD_SHIFT)
        if run is not None:
            return run.state
        leaf = self.leaves.get(address >> PMD_SHIFT)
        return ABSENT if leaf is None else leaf.state[(address >> PAGE_SHIFT) % ENTRIES]

    def alloc(self, index: int) -> Leaf:
        """The table `index`, made with those above it if need be (pte_alloc)."""
        leaf = self.leaves.get(index)
        if leaf is None:
            leaf = self.leaves[index] = Leaf()
            self.alloc_upper(index)
            self.changed.add(index)
        return leaf

    def alloc_upper(self, index: int) -> None:
        """The tables above the table `index`, which a fault makes before it knows whether there is a page."""
        self.pmds.add(index >> 9)
        self.puds.add(index >> 18)

    def own(self, index: int) -> Leaf:
        """The existing table `index`, for a change that other address spaces must not see."""
        leaf = self.leaves[index]
        if leaf.owners == 1:
            return leaf
        leaf.identify(0, ENTRIES)
        copy = Leaf(bytearray(leaf.state))
        copy.frames = dict(leaf.frames)
        copy.huge = leaf.huge
        if leaf.folio is not None:
            copy.add_parts(leaf.folio, leaf.parts, 0)
        copy.mlocked = set(leaf.mlocked)
        leaf.rewritten.clear()  # their frames know
        leaf.dirty = None
        copy.old = None if leaf.old is None else bytearray(leaf.old)
        leaf.owners -= 1
        self.leaves[index] = copy
        self.changed.add(index)
        return copy

    def pieces(self, start: int, end: int, *, runs: bool = True) -> Iterator[tuple[int, int, int]]:
        """Index and half-open entry range of each table in [start, end), by ascending address.

        Those in runs are taken out of them, unless they are empty; with `runs` False only where the range cuts them.
        """
        first, last = start >> PMD_SHIFT, (end - 1) >> PMD_SHIFT
        if runs:
            self.leaves.separate(first, last)
        elif self.leaves.table_runs:
            for index in (first, last):
                if entry_range(index, start, end) != (0, ENTRIES):
                    self.leaves.get(index)
        for index in list(self.leaves.alone(first, last)):
            yield index, *entry_range(index, start, end)

    def holds(self, table: Leaf) -> bool:
        """Whether the table is one of ours."""
        return self.leaves.get(table.index) is table or any(known is table for known in self.leaves.values())

    def index_of(self, table: Leaf) -> int:
        """Where a table of ours is: address >> 21."""
        if self.leaves.get(table.index) is table:
            return table.index
        return next(index for index, known in self.leaves.items() if known is table)

    def translate(self, index: int, low: int, high: int, table: bytes) -> None:
        """Change the states of a range of one existing table; keeps the counters, not the frames."""
        self.put(index, low, self.leaves[index].state[low:high].translate(table))

    def put(self, index: int, low: int, states: bytes | bytearray) -> None:
        """Set the states of a range of one existing table; keeps the counters, not the frames."""
        high = low + len(states)
        old = self.leaves[index].state[low:high]
        if old == states:
            return
        leaf = self.own(index)
        self.tally(old, -1)
        self.tally(states, 1)
        leaf.state[low:high] = states
        if leaf.slots:
            leaf.slots.release_where(states.translate(_LOST), low)
        if leaf.folio is not None:
            huge_folio.changed(leaf, low, states)
        if len(states) < ENTRIES:
            leaf.huge = False  # split: one entry of 2 MiB cannot tell them apart
        if leaf.rewritten:
            leaf.rewritten = {entry for entry in leaf.rewritten if leaf.state[entry] == ANON}
        if leaf.dirty is not None:
            leaf.dirty[low:high] = bytes(map(and_, leaf.dirty[low:high], states.translate(_ANONYMOUS)))
        if leaf.mlocked:
            leaf.mlocked = {entry for entry in leaf.mlocked if leaf.state[entry] == ANON}
        self.changed.add(index)

    def refill(self, index: int, state: int) -> Leaf:
        """Give the table `index`, there or not, 512 pages of one state in place of all that it maps."""
        old = self.leaves.get(index)
        if old is None:
            self.alloc_upper(index)
        else:
            self._abandon(old)
        leaf = self.leaves[index] = Leaf(bytearray(UNIFORM[state]))
        self.counts[state] += ENTRIES
        self.changed.add(index)
        return leaf

    def refill_huge(self, index: int, state: int) -> None:
        """Map 2 MiB of a file by the PMD `index`: no table lies deposited behind it (do_set_pmd)."""
        self.refill(index, state).huge = True
        self._file_pmds.add(index)

    def split_huge(self, address: int) -> None:
        """vma_adjust_trans_huge(): a VMA begins or ends at `address`; no PMD may map 2 MiB across it."""
        index, inside = divmod(address, 1 << PMD_SHIFT)
        leaf = self.leaves.get(index) if inside else None
        if leaf is None or not leaf.huge:
            return
        if self.is_file_pmd(index):
            self.split_file(index)
        else:
            self.own(index).huge = False

    def move_table(self, source: int, target: int) -> None:
        """Another PMD entry has what `source` had; where `target` is there was none."""
        self.leaves[target] = self.leaves.take(source)
        self.changed.add(target)
        if source in self._file_pmds:
            self._file_pmds.remove(source)
            self._file_pmds.add(target)

    def split_file(self, index: int) -> bool:
        """__split_huge_pmd() of a file's 2 MiB: they are unmapped, to be faulted in anew; whether there were any."""
        there = index in self._file_pmds and self.is_file_pmd(index)
        if there:
            self._abandon(self.leaves.take(index))
        self._file_pmds.discard(index)
        return there

    def zap(self, start: int, end: int) -> None:
        """Unmap the pages of [start, end); the tables stay (zap_page_range_single)."""
        self.zap_runs(start, end)
        for index, low, high in list(self.pieces(start, end)):
            leaf = self.leaves[index]
            if self.is_file_pmd(index):
                self.split_file(index)
                continue
            if high - low == ENTRIES:
                self._abandon(leaf)
                self.leaves[index] = Leaf()
                continue
            if leaf.state[low:high] == _EMPTY[low:high]:
                continue
            self.put(index, low, _EMPTY[low:high])
            leaf = self.leaves[index]
            leaf.huge = False
            self.drop_frames(leaf, low, high)

    def zap_entries(self, index: int, low: int, high: int) -> None:
        """Unmap a range of one existing table but for its guard markers, which only munmap takes away."""
        if not self.leaves[index].state.count(GUARD, low, high):
            base = index << PMD_SHIFT
            self.zap(base + (low << PAGE_SHIFT), base + (high << PAGE_SHIFT))
            return
        self.translate(index, low, high, _CLEAR_PAGES)
        self.drop_frames(self.own(index), low, high)

    def drop_frames(self, leaf: Leaf, low: int, high: int) -> None:
        """Forget the shared frames of a range: unmapped, or copied on write."""
        if leaf.frames:
            for entry in [entry for entry in leaf.frames if low <= entry < high]:
                self.sharing.drop(leaf.frames.pop(entry))

    def free_tables(self, start: int, end: int, floor: int, ceiling: int | None) -> None:
        """free_pgtables(): drop the tables of [start, end) whose whole span lies in [floor, ceiling)."""
        for shift, tables in ((PMD_SHIFT, None), (PUD_SHIFT, self.pmds), (PGDIR_SHIFT, self.puds)):
            first, last = start >> shift, (end - 1) >> shift
            if first << shift < floor:
                first += 1
            if ceiling is not None and (last + 1) << shift > ceiling:
                last -= 1
            if tables is not None:
                tables.difference_update(present(tables, first, last))
                continue
            for run in self.leaves.runs_in(first, last + 1):
                self._leave(run)
            for index in list(self.leaves.alone(first, last)):
                self._abandon(self.leaves.take(index))

    def reclaim_table(self, index: int) -> None:
        """Free one PTE table that became empty under MADV_DONTNEED (CONFIG_PT_RECLAIM)."""
        self._abandon(self.leaves.take(index))

    def marks(self, start: int, end: int) -> Iterator[Mark]:
        """Runs of pages that are not absent, table by table, with SHARED_BIT on anonymous pages mapped elsewhere."""
        found = [Mark(run.first << PMD_SHIFT, run.pages, run.marked, run.huge) for run in self.runs_inside(start, end)]
        whole = iter([mark for mark in found if mark.state])
        following = next(whole, None)
        for index, low, high in self.pieces(start, end, runs=False):
            base = index << PMD_SHIFT
            while following is not None and following.start < base:
                yield following
                following = next(whole, None)
            yield from marks_of(self.leaves[index], base, low, high)
        if following is not None:
            yield following
        yield from whole

    def runs(self, start: int, end: int) -> tuple[PageRun, ...]:
        """The pages of [start, end) that are not absent, as the screens draw them."""
        return page_runs(self.marks(start, end))

    def release(self) -> None:
        """exit_mmap(): give everything up."""
        for run in list(self.leaves.table_runs):
            self._leave(run)
        for leaf in self.leaves.values():
            self._abandon(leaf)
        self.leaves.clear()
        self.pmds.clear()
        self.puds.clear()

    def _abandon(self, leaf: Leaf) -> None:
        """This address space no longer has the leaf."""
        self.tally(leaf.state, -1)
        if leaf.owners > 1:
            resident, swapped = leaf.anonymous()
            self.sharing.add(-resident, swapped=False)
            self.sharing.add(-swapped, swapped=True)
            for frame in leaf.frames.values():
                frame.mapcount -= 1
        else:
            if leaf.slots:
                leaf.slots.release(0, ENTRIES)
            for run in leaf.runs:
                run.unlink()
            for entry in list(leaf.frames):
                self.sharing.drop(leaf.frames.pop(entry))
        leaf.owners -= 1

    def tally(self, states: bytes | bytearray, sign: int) -> None:
        """Add the pages of a range to the counters, or take them off."""
        first, length = states[0], len(states)
        if states.count(first) == length:
            self.counts[first] += sign * length
        else:
            for state in set(states):
                self.counts[state] += sign * states.count(state)


def entry_range(index: int, start: int, end: int) -> tuple[int, int]:
    """The entries of table `index` that [start, end) covers."""
    base = index << PMD_SHIFT
    low = max(start - base, 0) >> PAGE_SHIFT
    return low, min((end - base) >> PAGE_SHIFT, ENTRIES)


def present(tables: set[int], first: int, last: int) -> list[int]:
    """Which of [first, last] are there."""
    if last - first <= len(tables):
        return [index for index in range(first, last + 1) if index in tables]
    return [index for index in tables if first <= index <= last]
