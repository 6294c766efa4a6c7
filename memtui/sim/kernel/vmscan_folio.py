"""Models shrink_folio_list(), folio_check_references() and shrink_active_list() of mm/vmscan.c (6.18)."""

import re
from bisect import bisect_left
from operator import or_
from typing import TYPE_CHECKING, Final

from memtui.sim.kernel import page_writeback
from memtui.sim.kernel.file_rmap import MANY
from memtui.sim.kernel.lru import (
    ACTIVE_ANON,
    ACTIVE_FILE,
    INACTIVE_ANON,
    INACTIVE_FILE,
    Flags,
    LruRun,
    Owner,
    Piece,
)
from memtui.sim.kernel.page_leaf import ENTRIES, Leaf
from memtui.sim.kernel.shmem_truncate import truncate_pages
from memtui.sim.kernel.swap_cache import SwapCache
from memtui.sim.kernel.swap_out import shmem_writeout, swap_out
from memtui.sim.kernel.table_run import TableRun
from memtui.sim.kernel.workingset import evicted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memtui.sim.kernel.file_rmap import Rmap
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel

_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)


class FolioScan:
    """Takes pages off the tails of the lists and decides about each run of them."""

    def __init__(
        self,
        kernel: "Kernel",
        rmap: "Rmap",
        who: str,
        *,
        swap: bool,
        only: "Callable[[Owner | TableRun], bool] | None" = None,
    ) -> None:
        """Set up.

        Args:
            kernel: whose pages.
            rmap: who maps them.
            who: "kswapd" or "direct", for the counters.
            swap: whether anonymous pages may be written out.
            only: tells whose pages are looked at; None: everybody's.
        """
        self._kernel = kernel
        self._lruvec = kernel.lruvec
        self._rmap = rmap
        self._who = who
        self._swap = swap
        self._only = only

    def isolate(self, number: int, count: int) -> "Iterator[tuple[Owner, Piece]]":
        """Take up to `count` pages off the tail of a list, oldest first."""
        lru = self._lruvec.lists[number]
        while count > 0:
            run = lru.tail if self._only is None else lru.oldest(self._only)
            if run is None:
                return
            owner, flags = run.owner, run.flags
            if isinstance(owner, TableRun):
                owner = owner.table(owner.first)
                run = owner.runs[0]
            low, high = run.low, min(_folio_end(owner, run.low + count), run.high)
            count -= high - low
            if high == run.high:
                run.unlink()
                del owner.runs[bisect_left(owner.runs, low, key=_low)]
            else:
                run.low = high
                lru.size -= high - low
            yield owner, Piece(low, high, number, flags)

    def shrink_inactive(self, number: int, count: int) -> tuple[int, int]:
        """shrink_inactive_list(): pages scanned and pages freed."""
        scanned = freed = written = 0
        for owner, piece in list(self.isolate(number, count)):
            scanned += piece.high - piece.low
            for part, young, text in self._referenced(owner, piece):
                done, swapped = self._shrink(owner, part, young, text=text)
                freed += done
                written += swapped
        file = number == INACTIVE_FILE
        self._lruvec.note_cost(file, written, scanned - freed)
        events = self._kernel.vmevents
        events[f"pgscan_{self._who}"] += scanned
        events[f"pgsteal_{self._who}"] += freed
        events["pgscan_file" if file else "pgscan_anon"] += scanned
        events["pgsteal_file" if file else "pgsteal_anon"] += freed
        return scanned, freed

    def shrink_active(self, number: int, count: int) -> None:
        """shrink_active_list(): down to the inactive list, but program text that was used gets another round."""
        rotated = 0
        for owner, piece in list(self.isolate(number, count)):
            for part, young, text in self._referenced(owner, piece):
                if young and text and number == ACTIVE_FILE:
                    self._lruvec.add(number, owner, part.low, part.high, part.flags)
                    rotated += part.high - part.low
                else:
                    flags = part.flags._replace(workingset=True)
                    self._lruvec.add(number - 1, owner, part.low, part.high, flags)
                    self._kernel.vmevents["pgdeactivate"] += part.high - part.low
        if rotated:
            self._lruvec.note_cost(number == ACTIVE_FILE, 0, rotated)

    def _referenced(self, owner: Owner, piece: Piece) -> "list[tuple[Piece, int, bool]]":
        """Split by how many young entries map the pages."""
        if isinstance(owner, SwapCache):
            return [(piece, 0, False)]  # nobody maps them
        low, high, number, flags = piece
        if isinstance(owner, Leaf):
            young, text = self._rmap.referenced_anon(owner, low, high), False
        else:
            young, text = self._rmap.referenced_file(owner, low, high)
        young = _by_folio(owner, low, young)
        if young.count(young[0]) == len(young):
            return [(piece, young[0], text)]
        return [
            (Piece(low + match.start(), low + match.end(), number, flags), match[1][0], text)
            for match in _RUN.finditer(young)
        ]

    def _shrink(self, owner: Owner, piece: Piece, young: int, *, text: bool) -> tuple[int, int]:
        """What becomes of pages that share everything: pages freed, and pages written to swap."""
        file = piece.number == INACTIVE_FILE
        if young:  # folio_check_references()
            if piece.flags.referenced or young > 1 or (text and file):
                self._activate(owner, piece)
            else:
                self._lruvec.add(piece.number, owner, piece.low, piece.high, piece.flags._replace(referenced=True))
            return 0, 0
        if piece.flags.referenced:
            piece = piece._replace(flags=Flags(workingset=piece.flags.workingset))
        if isinstance(owner, Leaf):
            return self._shrink_anon(owner, piece)
        if isinstance(owner, SwapCache):
            return self._shrink_cached(owner, piece), 0
        if owner.shmem:
            return self._shrink_shmem(owner, piece)
        return self._shrink_file(owner, piece), 0

    def _activate(self, owner: Owner, piece: Piece) -> None:
        self._kernel.vmevents["pgactivate"] += piece.high - piece.low
        flags = Flags(workingset=piece.flags.workingset)
        self._lruvec.add(piece.number | 1, owner, piece.low, piece.high, flags)
        self._lruvec.nonresident_age += piece.high - piece.low

    def _shrink_anon(self, leaf: Leaf, piece: Piece) -> tuple[int, int]:
        """To swap; what MADV_FREE gave up is just freed. Without slots the pages are activated."""
        low, high, number, flags = piece
        if number == INACTIVE_FILE:
            return self._discard(leaf, piece), 0
        freed = written = 0
        if self._swap:
            low, freed, written = swap_out(self._kernel, self._rmap, leaf, low, high, workingset=flags.workingset)
        if low < high:
            self._activate(leaf, piece._replace(low=low))
        return freed, written

    def _discard(self, leaf: Leaf, piece: Piece) -> int:
        """What MADV_FREE gave up goes; what another that maps it wrote to is active, and swapbacked again."""
        kept = self._rmap.discard(leaf, piece.low, piece.high)
        for table, entry in kept:
            self._activate(table, piece._replace(low=entry, high=entry + 1, number=INACTIVE_ANON))
        freed = piece.high - piece.low - len(kept)
        self._kernel.vmevents["pglazyfreed"] += freed
        return freed

    def _shrink_cached(self, cache: "SwapCache", piece: Piece) -> int:
        """Written by now, and nobody maps them: the pages go, the slots stay."""
        count = piece.high - piece.low
        cache.forget(self._lruvec, piece.low, count)
        evicted(self._lruvec, cache, piece.low, piece.high, workingset=piece.flags.workingset)
        return count

    def _shrink_shmem(self, inode: "Inode", piece: Piece) -> tuple[int, int]:
        """To swap; pages that nobody ever wrote are dropped."""
        freed = swapped = 0
        at = piece.low
        for match in _RUN.finditer(inode.clean.mask(piece.low, piece.high - piece.low)):
            low, high = at + match.start(), at + match.end()
            if match[1][0]:
                self._rmap.unmap_file(inode, low, high)
                truncate_pages(self._kernel, inode, low, high - low)
                freed += high - low
                continue
            got = 0
            for slot, count in self._kernel.swap.alloc(high - low) if self._swap else ():
                self._rmap.unmap_file(inode, low + got, low + got + count)
                freed += shmem_writeout(self._kernel, inode, low + got, slot, count, workingset=piece.flags.workingset)
                got += count
            if low + got < high:
                self._activate(inode, piece._replace(low=low + got, high=high))
            swapped += got
        return freed, swapped

    def _shrink_file(self, inode: "Inode", piece: Piece) -> int:
        """Clean pages go. Dirty ones are never written here: the flusher is woken, and they are next when clean.

        So are those that are on their way to the disk.
        """
        freed, at, count = 0, piece.low, piece.high - piece.low
        unwritten = inode.dirty.mask(at, count)
        if inode.writeback.count:
            unwritten = bytes(map(or_, unwritten, inode.writeback.mask(at, count)))
        for match in _RUN.finditer(unwritten):
            low, high = at + match.start(), at + match.end()
            if match[1][0]:
                self._kernel.vmevents["nr_vmscan_immediate_reclaim"] += high - low
                self._lruvec.add(INACTIVE_FILE, inode, low, high, piece.flags, tail=True)
                page_writeback.write_now(self._kernel, inode, low, high - low, self._rmap)
                continue
            self._rmap.unmap_file(inode, low, high)
            inode.pages.discard(low, high - low)
            evicted(self._lruvec, inode, low, high, workingset=piece.flags.workingset)
            freed += high - low
        return freed


def _folio_end(owner: Owner, page: int) -> int:
    """`page`, or the end of the folio that it lies inside: folios are isolated whole."""
    if isinstance(owner, Leaf):
        return ENTRIES if owner.huge else page
    return sum(owner.folio(page - 1) if isinstance(owner, SwapCache) else owner.pages.folio(page - 1))


def _low(run: LruRun) -> int:
    return run.low


def _by_folio(owner: Owner, first: int, young: bytes) -> bytes:
    """How many young entries map the folio that each page belongs to (at most `MANY`): one of 2 MiB is one entry."""
    if isinstance(owner, Leaf):
        return bytes([max(young)]) * len(young) if owner.huge else young
    if isinstance(owner, SwapCache) or not owner.pages.large:
        return young
    found, at = bytearray(), first
    while at < first + len(young):
        end = min(sum(owner.pages.folio(at)), first + len(young))
        part = young[at - first : end - first]
        found += bytes([min(sum(part), MANY)]) * len(part)
        at = end
    return bytes(found)


ACTIVE: Final = (ACTIVE_ANON, ACTIVE_FILE)
INACTIVE: Final = (INACTIVE_ANON, INACTIVE_FILE)
