"""Models the read-ahead of mm/swap_state.c (6.18): which other pages a swap-in from a disk brings along.

On disks that turn it goes by slots, on others by addresses (swap_vma_readahead), but for shared memory.
"""

from typing import Final, NamedTuple

from memtui.model.address import PAGE_SHIFT, PMD_SIZE

SWAP_RA_ORDER_CEILING: Final = 5
_FIRST_HITS: Final = 4
"""A small window to start with."""


class VmaReadahead(NamedTuple):
    """vma->swap_readahead_info."""

    address: int = 0
    """Page aligned, of the last fault."""
    window: int = 0
    hits: int = _FIRST_HITS


class ClusterReadahead:
    """What swapin_nr_pages() remembers, of the whole machine."""

    def __init__(self) -> None:
        self.hits = _FIRST_HITS
        """Pages that were read ahead and asked for since."""
        self._previous = 0
        self._window = 0

    def around(self, slot: int, page_cluster: int, slots: int) -> range:
        """swap_cluster_readahead(): the slots that are read with `slot`, of a device that has so many."""
        most = 1 << page_cluster
        if most <= 1:
            return range(slot, slot + 1)
        hits, self.hits = self.hits, 0
        window = _window(self._previous, slot, hits, most, self._window)
        if not hits:
            self._previous = slot
        self._window = window
        first = slot & -window
        return range(max(first, 1), min(first + window, slots + 1))

    def largest_at(self, slot: int, page_cluster: int) -> int:
        """The window that would be read with `slot`, if it begins there and is as large as can be; else 0."""
        most = 1 << page_cluster
        if most == 1:
            return most
        window = _window(self._previous, slot, self.hits, most, self._window)
        return most if window == most and not slot % most else 0


def vma_window(info: VmaReadahead, address: int, page_cluster: int) -> int:
    """The pages of the window that `vma_readahead` would give, if it begins at `address` and is the largest; else 0."""
    page, previous = address >> PAGE_SHIFT, info.address >> PAGE_SHIFT
    most = 1 << min(page_cluster, SWAP_RA_ORDER_CEILING)
    if most == 1:
        return most
    return most if page == previous + 1 and _window(previous, page, info.hits, most, info.window) == most else 0


def vma_readahead(
    info: VmaReadahead, address: int, page_cluster: int, start: int, end: int
) -> tuple[VmaReadahead, range]:
    """swap_vma_ra_win(): what is remembered now, and the page numbers around `address` that are read if they are out.

    Args:
        info: what is remembered of the VMA.
        address: of the fault, page aligned.
        page_cluster: vm.page-cluster.
        start: of the VMA.
        end: of the VMA.
    """
    page, previous = address >> PAGE_SHIFT, info.address >> PAGE_SHIFT
    most = 1 << min(page_cluster, SWAP_RA_ORDER_CEILING)
    if most == 1:
        return info, range(page, page + 1)
    window = _window(previous, page, info.hits, most, info.window)
    info = VmaReadahead(address, window, 0)
    if window == 1:
        return info, range(page, page + 1)
    if page == previous + 1:
        first = page
    elif previous == page + 1:
        first = page - window + 1
    else:
        first = page - (window - 1) // 2
    table = address & -PMD_SIZE
    low = max(first << PAGE_SHIFT, start, table)
    high = min((first + window) << PAGE_SHIFT, end, table + PMD_SIZE)
    return info, range(low >> PAGE_SHIFT, high >> PAGE_SHIFT)


def _window(previous: int, page: int, hits: int, most: int, last: int) -> int:
    """__swapin_nr_pages(): twice what was of use, at least half of the last window."""
    pages = hits + 2
    if pages == 2:
        if abs(page - previous) != 1:
            pages = 1
    else:
        pages = 1 << max(pages - 1, 3).bit_length()
    return max(min(pages, most), last // 2)
