"""Models the swap cache of mm/swap_state.c (6.18), as far as nobody maps its pages: slots whose pages are in memory."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.page_set import BLOCK, PageSet

if TYPE_CHECKING:
    from memtui.sim.kernel.lru import LruRun, Lruvec
    from memtui.sim.kernel.workingset import Shadow


class SwapCache:
    """The owner of such pages on the LRU lists, where slots are its page numbers."""

    def __init__(self) -> None:
        self.pages = PageSet()
        """By slot."""
        self.runs: list[LruRun] = []
        """On the LRU lists, by ascending slot."""
        self.shadows: list[Shadow] = []
        """When pages were evicted."""
        self.readahead: set[int] = set()
        """Slots whose pages have PG_readahead: nobody asked for them yet."""
        self._huge: set[int] = set()
        """Clusters whose pages are one folio of 2 MiB, all of it in the cache."""

    def add_huge(self, slot: int) -> None:
        """The pages of the cluster that begins at `slot`, which are in the cache, are one folio."""
        self._huge.add(slot // BLOCK)

    def folio(self, slot: int) -> tuple[int, int]:
        """First slot and size, pages, of the folio that the page of a slot belongs to."""
        return (slot & -BLOCK, BLOCK) if slot // BLOCK in self._huge else (slot, 1)

    def forget(self, lruvec: "Lruvec", slot: int, count: int) -> None:
        """__delete_from_swap_cache(): the pages leave memory, or belong to somebody else now."""
        if not self.pages.count or not self.pages.discard(slot, count):
            return
        lruvec.cut(self, slot, slot + count)
        if self._huge:
            self._huge.difference_update(range(slot // BLOCK, (slot + count - 1) // BLOCK + 1))
        if self.readahead:
            self.readahead.difference_update(range(slot, slot + count))

    def asked_for(self, slot: int, count: int) -> int:
        """Somebody wants these pages, all in memory; how many of them were read ahead (PG_readahead)."""
        ahead = self.readahead.intersection(range(slot, slot + count)) if self.readahead else ()
        self.readahead.difference_update(ahead)
        return len(ahead)
