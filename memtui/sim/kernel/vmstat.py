"""Models global_page_state() (include/linux/vmstat.h): how many pages of the machine hold what.

Cost: O(address spaces + files).
"""

from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ANON, LAZY
from memtui.sim.kernel.page_set import PageSet
from memtui.sim.kernel.rmap import spaces_of

if TYPE_CHECKING:
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


class FileTotals(NamedTuple):
    """Sums over all files, pages, and the state of the page sets at which they were taken."""

    at: int
    file: int = 0
    shmem: int = 0
    writeback: int = 0


def file_totals(kernel: "Kernel") -> FileTotals:
    """The sums, taken anew only when a set of pages has changed since: most steps change none. O(files) then."""
    at = PageSet.changes
    known = kernel.file_totals
    if known is None or known.at != at:
        known = kernel.file_totals = FileTotals(
            at,
            sum(inode.pages.count for inode in kernel.inodes),
            sum(inode.pages.count for inode in kernel.inodes if inode.shmem),
            sum(inode.writeback.count for inode in kernel.inodes),
        )
    return known


def page_states(kernel: "Kernel") -> PageStates:
    """Count: pages that several address spaces share count once."""
    anon = tables = 0
    families = set()
    for mm in spaces_of(kernel):
        pages = mm.pages
        anon += pages.counts[ANON] + pages.counts[LAZY]
        tables += pages.tables
        families.add(pages.sharing)
    for sharing in families:
        anon -= sharing.resident
    files = file_totals(kernel)
    return PageStates(anon, files.shmem, files.file, tables, kernel.swap.cache.pages.count)


def free_pages(kernel: "Kernel", states: PageStates) -> int:
    """NR_FREE_PAGES."""
    return kernel.totalram_pages - states.used
