"""Models global_page_state() (include/linux/vmstat.h): how many pages of the machine hold what.

Cost: O(address spaces + files).
"""

from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ANON, LAZY, SWAP
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
    swapped: int
    """Slots in use."""

    @property
    def used(self) -> int:
        """Frames that are not free; what the kernel itself holds is not simulated."""
        return self.anon + self.file + self.tables


def page_states(kernel: "Kernel") -> PageStates:
    """Count: pages that several address spaces share count once."""
    anon = tables = swapped = shmem = file = 0
    families = {}
    for mm in spaces_of(kernel):
        counts = mm.pages.counts
        anon += counts[ANON] + counts[LAZY]
        swapped += counts[SWAP]
        tables += mm.pages.tables
        families[id(mm.pages.sharing)] = mm.pages.sharing
    for sharing in families.values():
        anon -= sharing.resident
        swapped -= sharing.swapped
    for inode in kernel.inodes:
        file += inode.pages.count
        if inode.shmem:
            shmem += inode.pages.count
            swapped += inode.swapped.count
    return PageStates(anon, shmem, file, tables, swapped)


def free_pages(kernel: "Kernel", states: PageStates) -> int:
    """NR_FREE_PAGES."""
    return kernel.totalram_pages - states.used
