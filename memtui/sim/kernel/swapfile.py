"""Models mm/swapfile.c (6.18): how many slots of the swap devices are taken.

A slot has no number here: which one a page gets decides nothing that can be seen, but for the offset in pagemap.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel


class Swap:
    """All swap devices together."""

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self.used = 0
        """Slots that hold a page; brought up to date with the zones (`page_alloc.recount`)."""

    @property
    def total(self) -> int:
        """Slots, pages."""
        return self._kernel.total_swap_pages

    @property
    def free(self) -> int:
        """get_nr_swap_pages()."""
        return self.total - self.used

    def take(self, pages: int) -> int:
        """folio_alloc_swap(): slots for up to so many pages; how many there were."""
        got = min(pages, self.free)
        self.used += got
        return got
