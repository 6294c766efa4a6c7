"""Models filemap_map_pages() (mm/filemap.c), do_fault_around(), finish_fault() and do_set_pmd() (mm/memory.c), 6.18.

Which entries of one page table a fault on a file fills: single pages, whole folios, or 2 MiB by the PMD.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.page_leaf import ABSENT, ENTRIES, FILE, PMD_SHIFT, SHMEM
from memtui.sim.kernel.vm_flags import VM_NOHUGEPAGE

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.vma import Vma

FAULT_AROUND: Final = 16
"""fault_around_bytes is 64 KiB. System V segments have no map_pages hook."""


class Window:
    """One page table as the faults of one file mapping see it: entries stand for pages of the file."""

    def __init__(self, vma: "Vma", index: int) -> None:
        self._vma = vma
        assert vma.file is not None
        self._inode = vma.file.inode
        self.base = vma.pgoff_at(index << PMD_SHIFT)
        """The page of the file at entry 0; negative where the mapping begins later."""
        self.first = max((vma.start - (index << PMD_SHIFT)) >> PAGE_SHIFT, 0)
        self._end = min((vma.end - (index << PMD_SHIFT)) >> PAGE_SHIFT, ENTRIES)
        self.last = min(self._end, self._inode.size_pages - self.base)
        """The entry behind the last one that may be mapped."""
        self.kind = SHMEM if self._inode.shmem else FILE

    def around(self, entry: int) -> tuple[int, int]:
        """do_fault_around(): the entries that a read fault at `entry` looks at; none if the file has no map_pages."""
        start = max(entry - entry % FAULT_AROUND, self.first)
        return start, min(start + (0 if self._vma.has_close else FAULT_AROUND), self.last)

    def map_around(self, state: bytearray, start: int, end: int, *, table: bool) -> bool:
        """do_fault_around(): map what is in memory of entries [start, end), and large folios whole.

        Args:
            state: of the page table; changed.
            start: the first entry.
            end: behind the last.
            table: whether there is a page table already.

        Returns:
            Whether a folio of 2 MiB is to be mapped by the PMD instead.
        """
        inode, pages = self._inode, self._inode.pages
        cached, fresh = pages.mask(self.base + start, max(end - start, 0)), inode.fresh
        entry = start
        while (at := cached.find(1, entry - start)) >= 0:
            entry = start + at
            first, count = pages.folio(self.base + entry)
            if (fresh.count and self.base + entry in fresh) or first in pages.readahead:
                entry += 1
                continue
            whole = _can_map_large(inode, first, count)
            if not table:
                if whole and self._by_pmd(first, count):
                    return True
                if not whole:
                    return False
                table = True
            low, high = entry, min(first + count - self.base, end)
            if whole and count > 1 and self._holds(first, count):
                low, high = first - self.base, first + count - self.base
            _map(state, low, high, self.kind)
            entry = high
        return False

    def finish(self, state: bytearray, entry: int, kind: int, *, table: bool) -> bool:
        """finish_fault(): map the page at `entry`, and the folio around it where nothing of it is mapped yet.

        Returns:
            Whether a folio of 2 MiB is to be mapped by the PMD instead.
        """
        first, count = self._inode.pages.folio(self.base + entry)
        inside = self._inode.shmem or first + count <= self._inode.size_pages
        if inside and not table and self._by_pmd(first, count):
            return True
        low, high = first - self.base, first + count - self.base
        if inside and self._holds(first, count) and state.count(ABSENT, low, high) == count:
            _map(state, low, high, kind)
        else:
            state[entry] = kind
        return False

    def _holds(self, first: int, count: int) -> bool:
        """Whether a folio lies inside the VMA and the page table."""
        return self.first <= first - self.base and first + count - self.base <= self._end

    def _by_pmd(self, first: int, count: int) -> bool:
        """do_set_pmd(): 2 MiB of the file that the mapping has at a 2 MiB boundary."""
        whole = count == ENTRIES and first == self.base and self._holds(first, count)
        return whole and not self._vma.flags & VM_NOHUGEPAGE


def _map(state: bytearray, low: int, high: int, kind: int) -> None:
    """Entries [low, high) that map nothing map the file now."""
    state[low:high] = state[low:high].replace(b"\0", bytes([kind]))


def _can_map_large(inode: "Inode", first: int, count: int) -> bool:
    """Whether filemap_map_pages() maps a folio whole, or by a PMD: not one that reaches the end of a disk's file.

    Then it also does not install a page table that is missing, so that it maps nothing at all (6.18.y).
    """
    return inode.shmem or first + count < inode.size_pages
