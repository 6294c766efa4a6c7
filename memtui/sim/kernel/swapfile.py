"""Models mm/swapfile.c (6.18): one swap device, its slots in clusters, and which of them are taken.

Approximate on a running kernel, where each CPU fills a cluster of its own: which slot a page gets.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.system import SwapDevice
from memtui.sim.kernel.lru import INACTIVE_ANON
from memtui.sim.kernel.page_set import BLOCK, PageSet
from memtui.sim.kernel.swap_cache import SwapCache
from memtui.sim.kernel.swap_state import ClusterReadahead
from memtui.sim.kernel.swap_told import Told
from memtui.sim.kernel.workingset import forget

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

_SHOWN: Final = 4
"""Runs of slots that are told."""
DEVICES: Final = ("zram", "ssd", "disk")


class Swap:
    """The machine's swap device. Slot 0 is its header."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self.map = PageSet()
        """Slots that are taken: a swap entry refers to them, or a page in the swap cache does. And the header."""
        self.map.add(0)
        self.cache = SwapCache()
        """Pages in the swap cache that nobody maps."""
        self.kept = PageSet()
        """Slots of the pages in the swap cache that somebody maps."""
        self.readahead = ClusterReadahead()
        self.told = Told(kernel.facts.swap_device)
        self.waits = 0
        """Major faults that waited for the device so far."""
        self._cluster = 0
        self._next = 1
        """Where the search in the current cluster goes on."""
        self._nonfull: dict[int, None] = {}
        """Clusters where slots were freed since the last search, in that order."""
        self._frag: dict[int, None] = {}
        """Clusters with room where the search has been since."""
        self._unused = 1
        """From here on no cluster was ever used."""
        self._emptied: dict[int, None] = {}
        """Clusters that were used and are all free again."""

    @property
    def total(self) -> int:
        """Slots, pages."""
        return self._kernel.total_swap_pages

    @property
    def used(self) -> int:
        """Slots that are taken."""
        return self.map.count - 1

    @property
    def free(self) -> int:
        """get_nr_swap_pages()."""
        return self.total - self.used

    @property
    def cached(self) -> int:
        """NR_SWAPCACHE: pages in the swap cache, mapped or not."""
        return self.cache.pages.count + self.kept.count

    @property
    def synchronous(self) -> bool:
        """SWP_SYNCHRONOUS_IO: what is written is written when the call returns, as zram does."""
        return self._kernel.facts.swap_device == DEVICES[0]

    @property
    def rotational(self) -> bool:
        """nr_rotate_swap: read-ahead goes by slots instead of addresses."""
        return self._kernel.facts.swap_device == DEVICES[2]

    @property
    def full(self) -> bool:
        """vm_swap_full(): more than half is taken, so slots are freed as soon as their pages are in memory."""
        return self.free * 2 < self.total

    def shown(self) -> tuple[SwapDevice, ...]:
        """For the screen; empty: there is none."""
        if not self.total:
            return ()
        runs: list[tuple[int, int]] = []
        for first, count in self.map.runs(1, self.total):
            if runs and runs[-1][1] + 1 == first:
                runs[-1] = runs[-1][0], first + count - 1
            elif len(runs) == _SHOWN:
                break
            else:
                runs.append((first, first + count - 1))
        device = self._kernel.facts.swap_device
        return (SwapDevice(f"simulated {device}", "partition", self.total * 4, self.used * 4, -2, tuple(runs)),)

    def has_folio(self, slot: int) -> bool:
        """swap_cache_has_folio(): whether the page of a slot is in memory."""
        return slot in self.cache.pages or slot in self.kept

    def alloc(self, pages: int) -> list[tuple[int, int]]:
        """folio_alloc_swap() for so many single pages: first slot and length of runs, fewer if there are no more."""
        runs: list[tuple[int, int]] = []
        while pages and self.free > 0:
            slot, count = self._scan(pages)
            if not count:
                self._new_cluster()
                continue
            self.map.add(slot, count)
            self._next = slot + count
            self._sort(self._cluster, freed=False)
            pages -= count
            if runs and sum(runs[-1]) == slot:
                slot, count = runs[-1][0], runs.pop()[1] + count
            runs.append((slot, count))
        return runs

    def alloc_huge(self) -> int | None:
        """The same for a folio of 2 MiB: the first slot of an empty cluster, or None (CONFIG_THP_SWAP)."""
        cluster = None if self.rotational else self._empty_cluster(whole=True)
        if cluster is None:
            return None
        self.map.add(cluster * BLOCK, BLOCK)
        return cluster * BLOCK

    def in_a_row(self, pages: int) -> int:
        """How many of so many pages surely get slots that follow one another."""
        return self._scan(pages)[1] if self.free > 0 else 0

    def _scan(self, pages: int) -> tuple[int, int]:
        """alloc_swap_scan_cluster(): free slots from `_next` on in the current cluster: the first, how many."""
        first = self._cluster * BLOCK
        if self.map.missing(first, BLOCK) == BLOCK:
            self._next = first
        taken = self.map.mask(self._next, max(min(first + BLOCK, self.total + 1) - self._next, 0))
        at = taken.find(0)
        if at < 0:
            return self._next, 0
        end = taken.find(1, at)
        return self._next + at, min(pages, (end if end >= 0 else len(taken)) - at)

    def _new_cluster(self) -> None:
        """cluster_alloc_swap_entry(): one where slots were freed before an empty one, since 6.18."""
        cluster = next(iter(self._nonfull), None)
        if cluster is None:
            cluster = self._empty_cluster()
        if cluster is None:
            cluster = next(iter(self._frag))
        self._cluster, self._next = cluster, cluster * BLOCK

    def _empty_cluster(self, *, whole: bool = False) -> int | None:
        if self._unused * BLOCK <= self.total and (not whole or (self._unused + 1) * BLOCK <= self.total + 1):
            self._unused += 1
            return self._unused - 1
        cluster = next(iter(self._emptied), None)
        if cluster is not None:
            del self._emptied[cluster]
        return cluster

    def _sort(self, cluster: int, *, freed: bool) -> None:
        """relocate_cluster(), partial_free_cluster(): put it on the list that fits."""
        room = self.map.missing(cluster * BLOCK, min(BLOCK, self.total + 1 - cluster * BLOCK))
        target = self._emptied if room == BLOCK else self._nonfull if freed else self._frag
        for clusters in (self._emptied, self._nonfull, self._frag):
            if clusters is not target or not room:
                clusters.pop(cluster, None)
        if room:
            target.setdefault(cluster)

    def free_slots(self, slot: int, count: int) -> None:
        """swap_entries_free(): nothing refers to the slots any more; pages in the cache go with them, and shadows."""
        forget(self.cache, slot, slot + count)
        self.cache.forget(self._kernel.lruvec, slot, count)
        self.kept.discard(slot, count)
        self.map.discard(slot, count)
        for cluster in range(slot // BLOCK, (slot + count - 1) // BLOCK + 1):
            self._sort(cluster, freed=True)

    def cache_written(self, slot: int, count: int, *, huge: bool = False) -> None:
        """Pages just unmapped and written out, `huge`: one folio; they stay in the cache until reclaim comes again."""
        self.kept.discard(slot, count)
        self.cache.pages.add(slot, count)
        self._kernel.lruvec.add(INACTIVE_ANON, self.cache, slot, slot + count, tail=True)
        if huge:
            self.cache.add_huge(slot)

    def unmapped(self, slot: int) -> None:
        """The last mapping of a page in the cache went; swap entries still refer to its slot."""
        self.kept.discard(slot, 1)
        self.cache.pages.add(slot)
        self._kernel.lruvec.add(INACTIVE_ANON, self.cache, slot, slot + 1)
