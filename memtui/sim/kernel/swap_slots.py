"""Which swap slot a page has: what the kernel keeps in swap entries of page tables, and in folios of the swap cache.

Pages out on swap have one, and so have pages in memory as long as they are in the swap cache.
"""

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from memtui.sim.kernel.page_leaf import Frame
    from memtui.sim.kernel.swapfile import Swap

_GONE: Final = re.compile(rb"\x01+")


class SlotRun(NamedTuple):
    """Pages [low, high) of an owner have slots from `slot` on."""

    low: int
    high: int
    slot: int
    dirty: bool = False
    """Mapped, and written since the slot was: reclaim has to write them again."""


class SlotMap:
    """The slots of one page table's entries, or of one shmem object's pages. Cost of each call: O(runs)."""

    __slots__ = ("runs", "swap")

    def __init__(self, swap: "Swap") -> None:
        self.swap = swap
        self.runs: list[SlotRun] = []
        """By ascending page."""

    def __bool__(self) -> bool:
        return bool(self.runs)

    def at(self, page: int, high: int | None = None) -> SlotRun | None:
        """The one page, if it has a slot; with `high` also those from it on, below `high`, that have the next ones."""
        at = bisect_left(self.runs, page + 1, key=_high)
        if at == len(self.runs) or self.runs[at].low > page:
            return None
        run = self.runs[at]
        return SlotRun(page, min(run.high, high or page + 1), run.slot + page - run.low, run.dirty)

    def within(self, low: int, high: int) -> list[SlotRun]:
        """What [low, high) has, clipped to it."""
        found = []
        for at in range(bisect_left(self.runs, low + 1, key=_high), len(self.runs)):
            run = self.runs[at]
            if run.low >= high:
                break
            first, last = max(run.low, low), min(run.high, high)
            found.append(SlotRun(first, last, run.slot + first - run.low, run.dirty))
        return found

    def add(self, low: int, high: int, slot: int, *, dirty: bool = False) -> None:
        """Pages that have none get slots from `slot` on."""
        at = bisect_left(self.runs, low, key=_low)
        if at:
            last = self.runs[at - 1]
            if last.high == low and last.slot + low - last.low == slot and last.dirty == dirty:
                self.runs[at - 1] = last._replace(high=high)
                return
        self.runs.insert(at, SlotRun(low, high, slot, dirty))

    def cut(self, low: int, high: int) -> list[SlotRun]:
        """Forget those of [low, high), which are not freed; gives them."""
        if not self.runs:
            return []
        taken, kept = self.within(low, high), []
        if not taken:
            return []
        for run in self.runs:
            if run.low < low:
                kept.append(run._replace(high=min(run.high, low)))
            if run.high > high:
                first = max(run.low, high)
                kept.append(SlotRun(first, run.high, run.slot + first - run.low, run.dirty))
        self.runs = kept
        return taken

    def release(self, low: int, high: int) -> None:
        """The pages of [low, high) are gone, or need their slots no more."""
        for run in self.cut(low, high):
            self.swap.free_slots(run.slot, run.high - run.low)

    def release_where(self, gone: bytes | bytearray, low: int) -> None:
        """The same for those of the pages from `low` on that have a byte 1."""
        for match in _GONE.finditer(gone):
            self.release(low + match.start(), low + match.end())

    def dirtied(self, low: int, high: int) -> None:
        """Mapped pages of [low, high) were written to: their slots hold something older."""
        for run in self.cut(low, high):
            self.add(run.low, run.high, run.slot, dirty=True)


class Slot:
    """One slot whose page more than one page table knew, by swap entries or by mapping it."""

    __slots__ = ("dirty", "mapped", "number", "out", "swap")

    def __init__(self, swap: "Swap", number: int, *, dirty: bool = False) -> None:
        self.swap = swap
        self.number = number
        self.dirty = dirty
        self.out: Frame | None = None
        """What the swap entries have; None: there are none."""
        self.mapped: Frame | None = None
        """What maps the page in the swap cache."""

    def let_go(self, frame: "Frame") -> None:
        """No entry has the frame any more (swap_entry_free, free_swap_cache)."""
        if frame is self.out:
            self.out = None
            if self.mapped is None:
                self.swap.free_slots(self.number, 1)
        elif frame is self.mapped:
            self.mapped = None
            if self.out is None:
                self.swap.free_slots(self.number, 1)
            else:
                self.swap.unmapped(self.number)


def _low(run: SlotRun) -> int:
    return run.low


def _high(run: SlotRun) -> int:
    return run.high
