"""The pages that an allocator itself reads or writes, told to the machine in the order in which it matters."""

from collections.abc import Callable

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE

Accessed = Callable[[int, int, bool], None]
"""Is told which memory the allocator accesses: address, length in bytes, whether it writes."""


def unseen(_address: int, _length: int, _write: bool) -> None:
    """For those who do not care which pages are touched."""


class PageWrites:
    """Writes between two system calls, each page told once: that is all that a page table sees of them."""

    def __init__(self, accessed: Accessed) -> None:
        self._accessed = accessed
        self._pages: dict[int, None] = {}
        self._ranges: list[tuple[int, int]] = []

    def write(self, address: int) -> None:
        """Some bytes at `address` that do not reach into the next page."""
        self._pages[address >> PAGE_SHIFT] = None

    def write_range(self, address: int, length: int) -> None:
        """`length` bytes."""
        self._ranges.append((address, length))

    def copy(self, source: int, target: int, length: int) -> None:
        """memcpy: what was never touched at the source is read as the zero page."""
        self.tell()
        if length:
            self._accessed(source, length, False)
            self._accessed(target, length, True)

    def tell(self) -> None:
        """Tell of the writes so far; before each system call, and at the end of each call of the allocator."""
        if self._pages:
            for page in self._pages:
                self._accessed(page << PAGE_SHIFT, PAGE_SIZE, True)
            self._pages.clear()
        if self._ranges:
            for address, length in self._ranges:
                self._accessed(address, length, True)
            self._ranges.clear()
