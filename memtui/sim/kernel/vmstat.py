"""Models global_page_state() (include/linux/vmstat.h): how many pages of the machine hold what.

Cost: O(address spaces + files).
"""

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ANON, LAZY
from memtui.sim.kernel.page_set import PageSet
from memtui.sim.kernel.rmap import spaces_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel


class PageStates(NamedTuple):
    """Pages of the machine."""

    anon: int
    shmem: int
    file: int
    """NR_FILE_PAGES: the page cache, shmem with it."""
    tables: int
    swap_cache: int
    """Pages in the swap cache that nobody maps."""

    @property
    def used(self) -> int:
        """Frames that are not free; what the kernel itself holds is not simulated."""
        return self.anon + self.file + self.tables + self.swap_cache


class FileTotals:
    """Sums over all files, pages; kept up to date by the sets of pages that changed since they were last asked for."""

    def __init__(self, inodes: "Iterable[Inode]") -> None:
        self.file = self.shmem = self.writeback = 0
        self._inodes: dict[PageSet, tuple[int, Inode]] = {}
        """Whose each set of cached pages is, and the how manieth file that is."""
        self._joined = 0
        self._counts: dict[PageSet, int] = {}
        """As they were counted last, and those of pages under writeback."""
        self._at = PageSet.changes
        for inode in inodes:
            self.join(inode)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """None in a copy: it would miss what changes in between."""
        return type(None), ()

    def join(self, inode: "Inode") -> None:
        """A file more."""
        if inode.pages in self._inodes:
            return
        self._joined += 1
        self._inodes[inode.pages] = self._joined, inode
        self._counts[inode.pages] = self._counts[inode.writeback] = 0
        self._count(inode.pages)
        self._count(inode.writeback)

    def leave(self, inode: "Inode") -> None:
        """A file less, which has no pages any more."""
        self._count(inode.pages)
        self._count(inode.writeback)
        del self._inodes[inode.pages], self._counts[inode.pages], self._counts[inode.writeback]

    def follow(self) -> bool:
        """Count anew what has changed; False: too much has."""
        if self._at == PageSet.changes:
            return True
        changed = PageSet.changed_since(self._at)
        if changed is None:
            return False
        for pages in changed:
            if pages in self._counts:
                self._count(pages)
        self._at = PageSet.changes
        return True

    def inodes_of(self, sets: "Iterable[PageSet]") -> "list[Inode]":
        """The files whose cached pages are among some sets, in the order in which they came."""
        found = sorted((self._inodes[pages] for pages in sets if pages in self._inodes), key=itemgetter(0))
        return [inode for _, inode in found]

    def _count(self, pages: PageSet) -> None:
        more = pages.count - self._counts[pages]
        self._counts[pages] = pages.count
        if pages not in self._inodes:
            self.writeback += more
            return
        self.file += more
        if self._inodes[pages][1].shmem:
            self.shmem += more


def file_totals(kernel: "Kernel") -> FileTotals:
    """The sums, up to date. O(sets that changed), or O(files) when many did."""
    totals = kernel.file_totals
    if totals is None or not totals.follow():
        totals = kernel.file_totals = FileTotals(kernel.inodes)
    return totals


def page_states(kernel: "Kernel") -> PageStates:
    """Count: pages that several address spaces share count once."""
    anon = tables = 0
    families = set()
    for mm in spaces_of(kernel):
        pages = mm.pages
        counts = pages.counts
        anon += counts[ANON] + counts[LAZY]
        tables += pages.tables
        families.add(pages.sharing)
    for sharing in families:
        anon -= sharing.resident
    files = file_totals(kernel)
    return PageStates(anon, files.shmem, files.file, tables, kernel.swap.cache.pages.count)


def free_pages(kernel: "Kernel", states: PageStates) -> int:
    """NR_FREE_PAGES."""
    return kernel.totalram_pages - states.used
