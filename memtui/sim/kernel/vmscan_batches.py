"""Models shrink_inactive_list() (mm/vmscan.c, 6.18) for anonymous pages, many equal batches at once.

The outcome is that of one batch after the other, to the last figure: so only batches whose pages all fare alike, and of
one owner, go together.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.sim.kernel.lru import INACTIVE_ANON, UNEVICTABLE
from memtui.sim.kernel.page_leaf import Leaf
from memtui.sim.kernel.swap_cache import SwapCache
from memtui.sim.kernel.swap_out import swap_out
from memtui.sim.kernel.table_run import TableRun
from memtui.sim.kernel.workingset import evicted

if TYPE_CHECKING:
    from memtui.sim.kernel.file_rmap import Rmap
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.lru import LruRun

FEWEST = 2
"""Batches that are worth it."""
_ALWAYS: Final = 1 << 62


class Scanned(NamedTuple):
    """Pages."""

    scanned: int = 0
    freed: int = 0


class Batches:
    """The tail of the inactive list of anonymous pages, in batches."""

    def __init__(self, kernel: "Kernel", rmap: "Rmap", who: str) -> None:
        self._kernel = kernel
        self._lruvec = kernel.lruvec
        self._rmap = rmap
        self._who = who

    def shrink(self, batch: int, batches: int, enough: int | None) -> Scanned:
        """Scan up to `batches` batches of `batch` pages; nothing is done if the next ones are not all alike.

        Args:
            batch: pages of each.
            batches: how many, at most.
            enough: no further batch once so many pages are freed; None: all.
        """
        lru = self._lruvec.lists[INACTIVE_ANON]
        run, written = lru.tail, None
        if run is None or batches < FEWEST:
            return Scanned()
        if isinstance(run.owner, SwapCache) and run.owner.folio(run.low)[1] > 1:
            return Scanned()  # a folio of 2 MiB is a batch of its own
        freeing = _ALWAYS if enough is None else -(-enough // batch)
        if isinstance(run.owner, SwapCache):
            if run.pages >= batch or run.pages == lru.size:
                return self._free_cached(run, batch, min(batches, freeing))
            run, written = run.prev, run
            freeing = _ALWAYS if enough is None else -(-(enough - written.pages) // batch)
        owner = run.owner
        if isinstance(owner, TableRun):
            owner = owner.table(owner.first)
            run = owner.runs[0]
        if not isinstance(owner, Leaf) or owner.frames or owner.huge or owner.owners > 1:
            return Scanned()
        old, count = _alike(owner, run)
        if not old:
            return Scanned() if written else self._rotate(run, owner, batch, min(batches, count // batch))
        if owner.slots and owner.slots.within(run.low, run.low + count):
            return Scanned()
        if self._kernel.swap.synchronous:
            return self._swap_out(run, owner, batch, min(batches, count // batch, freeing))
        return self._write(run, owner, written, batch, min(batches // 2, count // batch, freeing))

    def _rotate(self, run: "LruRun", leaf: Leaf, batch: int, batches: int) -> Scanned:
        """Young pages, for the first time: they stay, and are referenced."""
        pages = batch * batches
        if batches < FEWEST or run.flags.referenced:
            return Scanned()
        low, flags = run.low, run.flags._replace(referenced=True)
        self._lruvec.cut(leaf, low, low + pages)
        leaf.old = leaf.old or bytearray(len(leaf.state))
        leaf.old[low : low + pages] = b"\1" * pages
        self._lruvec.add(INACTIVE_ANON, leaf, low, low + pages, flags)
        size = self._listed()
        for _ in range(batches):
            self._lruvec.note_cost(False, 0, batch, size)
        return self._done(Scanned(pages, 0))

    def _swap_out(self, run: "LruRun", leaf: Leaf, batch: int, batches: int) -> Scanned:
        """Old pages, which a synchronous device takes at once."""
        pages = batch * batches
        if batches < FEWEST or self._kernel.swap.free < pages:
            return Scanned()
        low, size = run.low, self._listed()
        self._lruvec.cut(leaf, low, low + pages)
        swap_out(self._kernel, self._rmap, leaf, low, low + pages, workingset=run.flags.workingset)
        for number in range(batches):
            self._lruvec.note_cost(False, batch, 0, size - (number + 1) * batch)
        return self._done(Scanned(pages, pages))

    def _write(self, run: "LruRun", leaf: Leaf, written: "LruRun | None", batch: int, pairs: int) -> Scanned:
        """Old pages, which a disk writes: each batch leaves them at the tail, where the next one frees them.

        `written` is what the last batch left there; as many stay behind the last of these.
        """
        swap = self._kernel.swap
        pairs = min(pairs, swap.in_a_row(batch * pairs) // batch) if pairs > 0 else 0
        if pairs * 2 < FEWEST or not pairs:
            return Scanned()
        pages, low, size = batch * pairs, run.low, self._listed()
        left = 0 if written is None else written.pages
        if written is not None:
            self._forget(written.low, left, workingset=written.flags.workingset)
        ((slot, _),) = swap.alloc(pages)
        self._lruvec.cut(leaf, low, low + pages)
        self._rmap.replace_anon(leaf, low, low + pages, slot)
        self._kernel.vmevents["pswpout"] += pages
        self._forget(slot, pages - left, workingset=False)
        if left:
            swap.cache_written(slot + pages - left, left)
        for number in range(pairs):
            self._lruvec.note_cost(False, batch - left, batch - left, size - number * batch - left)
            self._lruvec.note_cost(False, left, left, size - (number + 1) * batch)
        return self._done(Scanned(2 * pages, pages))

    def _forget(self, slot: int, count: int, *, workingset: bool) -> None:
        """Pages leave the swap cache, if they ever came."""
        self._kernel.swap.cache.forget(self._lruvec, slot, count)
        evicted(self._lruvec, self._kernel.swap.cache, slot, slot + count, workingset=workingset)

    def _free_cached(self, run: "LruRun", batch: int, batches: int) -> Scanned:
        """Pages of the swap cache, written by now."""
        batches = min(batches, run.pages // batch)
        if batches < FEWEST:
            return Scanned()
        slot, pages, size, workingset = run.low, batch * batches, self._listed(), run.flags.workingset
        self._forget(slot, pages, workingset=workingset)
        for number in range(batches):
            self._lruvec.note_cost(False, 0, 0, size - (number + 1) * batch)
        return self._done(Scanned(pages, pages))

    def _listed(self) -> int:
        return sum(lru.size for lru in self._lruvec.lists[:UNEVICTABLE])

    def _done(self, done: Scanned) -> Scanned:
        events = self._kernel.vmevents
        events[f"pgscan_{self._who}"] += done.scanned
        events[f"pgsteal_{self._who}"] += done.freed
        events["pgscan_anon"] += done.scanned
        events["pgsteal_anon"] += done.freed
        return done


def _alike(leaf: Leaf, run: "LruRun") -> tuple[bool, int]:
    """Whether the lowest pages of a run are old (their accessed bit is clear), and how many are what the first is."""
    old = leaf.old
    if old is None:
        return False, run.pages
    first = old[run.low]
    end = old.find(1 - first, run.low, run.high)
    return bool(first), (run.high if end < 0 else end) - run.low
