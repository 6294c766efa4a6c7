"""Models mm/swap.c and include/linux/mm_inline.h (6.18): the LRU lists of the machine's one node, as runs of pages.

A run is a stretch of pages of one page table (anonymous memory) or of one file that stand behind one another on one
list and have the same flags. Inside a run the lowest page is the oldest.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from math import isqrt
from typing import TYPE_CHECKING, Final, NamedTuple, Union

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.page_leaf import Leaf
    from memtui.sim.kernel.swap_cache import SwapCache
    from memtui.sim.kernel.table_run import TableRun

Owner = Union["Leaf", "Inode", "SwapCache"]
INACTIVE_ANON: Final = 0
ACTIVE_ANON: Final = 1
INACTIVE_FILE: Final = 2
ACTIVE_FILE: Final = 3
UNEVICTABLE: Final = 4
LISTS: Final = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
_GIB_PAGES: Final = 18
"""log2 of the pages of 1 GiB."""


class Flags(NamedTuple):
    """What a page on a list carries (include/linux/page-flags.h)."""

    referenced: bool = False
    workingset: bool = False
    """It was active once."""


NEW: Final = Flags()


class LruRun:
    """A node of a list. `low` and `high` are entries of a page table, or page numbers of a file."""

    __slots__ = ("flags", "high", "low", "lru", "next", "owner", "prev")

    def __init__(self, owner: "Owner | TableRun", low: int, high: int, flags: Flags = NEW) -> None:
        self.owner = owner
        self.low = low
        self.high = high
        self.flags = flags
        self.lru: LruList | None = None
        self.prev = self.next = self

    def __getstate__(self) -> "tuple[Owner | TableRun, int, int, Flags]":
        """Without the links, which the list restores: they would be followed from run to run."""
        return self.owner, self.low, self.high, self.flags

    def __setstate__(self, state: "tuple[Owner | TableRun, int, int, Flags]") -> None:
        self.owner, self.low, self.high, self.flags = state
        self.lru = None
        self.prev = self.next = self

    @property
    def pages(self) -> int:
        """How many."""
        return self.high - self.low

    def part(self, at: int, owner: "TableRun") -> "LruRun":
        """Cut it where a run of tables is cut: the pages from `at` on are the first of `owner`, and younger."""
        assert self.lru is not None
        rest = LruRun(owner, 0, self.high - at, self.flags)
        self.lru.size -= rest.pages
        self.high = at
        self.lru.insert_younger(rest, self)
        return rest

    def unlink(self) -> None:
        """Take it off its list; its owner still knows it."""
        assert self.lru is not None
        self.lru.size -= self.high - self.low
        self.lru = None
        self.prev.next, self.next.prev = self.next, self.prev
        self.prev = self.next = self


class LruList:
    """One list from its head (the youngest) to its tail."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = 0
        """Pages."""
        self._ring = _ring()

    def __getstate__(self) -> tuple[int, list[LruRun]]:
        return self.number, list(self)

    def __setstate__(self, state: tuple[int, list[LruRun]]) -> None:
        self.number, runs = state
        self.size = 0
        self._ring = _ring()
        for run in runs:
            self.push_tail(run)

    @property
    def tail(self) -> LruRun | None:
        """The run with the oldest page."""
        return None if self._ring.prev is self._ring else self._ring.prev

    @property
    def head(self) -> LruRun | None:
        """The run with the youngest page."""
        return None if self._ring.next is self._ring else self._ring.next

    def oldest(self, accept: "Callable[[Owner | TableRun], bool]") -> LruRun | None:
        """The run nearest to the tail whose owner is accepted."""
        run = self._ring.prev
        while run is not self._ring:
            if accept(run.owner):
                return run
            run = run.prev
        return None

    def push(self, run: LruRun) -> None:
        """Link a run at the head."""
        self._link(run, self._ring, self._ring.next)

    def push_tail(self, run: LruRun) -> None:
        """Link a run at the tail."""
        self._link(run, self._ring.prev, self._ring)

    def insert_younger(self, run: LruRun, than: LruRun) -> None:
        """Link a run directly before another one, nearer to the head."""
        self._link(run, than.prev, than)

    def __iter__(self) -> Iterator[LruRun]:
        run = self._ring.next
        while run is not self._ring:
            yield run
            run = run.next

    def _link(self, run: LruRun, before: LruRun, behind: LruRun) -> None:
        run.lru = self
        run.prev, run.next = before, behind
        before.next = behind.prev = run
        self.size += run.high - run.low


def _ring() -> LruRun:
    """The node between the tail and the head of an empty list."""
    node = LruRun.__new__(LruRun)
    node.prev = node.next = node
    return node


class Lruvec:
    """struct lruvec: the lists, and what reclaim remembers of its last rounds."""

    def __init__(self) -> None:
        self.lists = tuple(LruList(number) for number in range(len(LISTS)))
        self.nonresident_age = 0
        """The clock of mm/workingset.c: evictions and activations so far."""
        self.anon_cost = 0
        self.file_cost = 0
        self.activations = [0, 0]
        """WORKINGSET_ACTIVATE of anonymous and of file pages."""
        self.refaults = [0, 0]
        """The same when reclaim last ended."""

    def size(self, number: int) -> int:
        """Pages of one list."""
        return self.lists[number].size

    def inactive_is_low(self, number: int) -> bool:
        """inactive_is_low of mm/vmscan.c: whether the active list beside an inactive one is to be aged."""
        inactive, active = self.size(number), self.size(number + 1)
        gib = inactive + active >> _GIB_PAGES
        ratio = isqrt(10 * gib) if gib else 1
        return inactive * ratio < active

    def note_cost(self, file: bool, nr_io: int, nr_rotated: int, listed: int | None = None) -> None:
        """lru_note_cost(): the I/O and the vain work that a side's pages caused, when `listed` pages were listed."""
        cost = nr_io * 32 + nr_rotated
        if file:
            self.file_cost += cost
        else:
            self.anon_cost += cost
        listed = sum([lru.size for lru in self.lists[:UNEVICTABLE]]) if listed is None else listed
        if self.file_cost + self.anon_cost > listed // 4:
            self.file_cost //= 2
            self.anon_cost //= 2

    def add(
        self, number: int, owner: "Owner | TableRun", low: int, high: int, flags: Flags = NEW, *, tail: bool = False
    ) -> None:
        """Put pages that are on no list at the head (or tail) of one."""
        target = self.lists[number]
        run = target.head
        if not tail and run is not None and run.owner is owner and run.high == low and run.flags == flags:
            run.high = high
            target.size += high - low
            return
        run = LruRun(owner, low, high, flags)
        owner.runs.insert(bisect_left(owner.runs, low, key=_low), run)
        if tail:
            target.push_tail(run)
        else:
            target.push(run)

    def cut(self, owner: Owner, low: int, high: int) -> list["Piece"]:
        """Take the pages of a range off their lists; gives what they were, by ascending page."""
        runs = owner.runs
        first = bisect_left(runs, low + 1, key=_high)
        pieces, at = [], first
        while at < len(runs) and runs[at].low < high:
            run = runs[at]
            assert run.lru is not None
            low_cut, high_cut = max(run.low, low), min(run.high, high)
            pieces.append(Piece(low_cut, high_cut, run.lru.number, run.flags))
            if run.high > high_cut:
                rest = LruRun(owner, high_cut, run.high, run.flags)
                run.lru.insert_younger(rest, run)
                run.lru.size -= rest.pages
                run.high = high_cut
                runs.insert(at + 1, rest)
            if run.low < low_cut:
                run.lru.size -= run.high - low_cut
                run.high = low_cut
                at += 1
            else:
                run.unlink()
                del runs[at]
        return pieces

    def split(self, owner: Owner, low: int, high: int) -> LruRun:
        """Make a run of its own of pages that are part of one; it stays where it is on the list."""
        runs = owner.runs
        at = bisect_left(runs, low + 1, key=_high)
        run = runs[at]
        assert run.lru is not None
        if run.high > high:
            rest = LruRun(owner, high, run.high, run.flags)
            run.lru.size -= rest.pages
            run.high = high
            run.lru.insert_younger(rest, run)
            runs.insert(at + 1, rest)
        if run.low < low:
            rest = LruRun(owner, low, run.high, run.flags)
            run.lru.size -= rest.pages
            run.high = low
            run.lru.insert_younger(rest, run)
            runs.insert(at + 1, rest)
            run = rest
        return run

    def pieces(self, owner: Owner, low: int, high: int) -> list["Piece"]:
        """What the pages of a range are, by ascending page; those on no list are left out."""
        runs = owner.runs
        found = []
        for at in range(bisect_left(runs, low + 1, key=_high), len(runs)):
            run = runs[at]
            if run.low >= high:
                break
            assert run.lru is not None
            found.append(Piece(max(run.low, low), min(run.high, high), run.lru.number, run.flags))
        return found


class Piece(NamedTuple):
    """A range of an owner's pages, and where it stands."""

    low: int
    high: int
    number: int
    flags: Flags


def _low(run: LruRun) -> int:
    return run.low


def _high(run: LruRun) -> int:
    return run.high
