"""Addresses and ranges of a 4 KiB page, x86-64 address space (Models arch/x86/include/asm/page_types.h)."""

from typing import Final, NamedTuple

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
"""Bytes a page."""
PMD_SIZE: Final = 2 << 20
"""Bytes that one page table maps: 2 MiB."""
TASK_SIZE: Final = 0x7FFF_FFFF_F000
"""First byte behind the user address space with 4-level paging."""


def page_down(address: int) -> int:
    """The start of the page that holds the byte `address`."""
    return address & -PAGE_SIZE


def page_up(address: int) -> int:
    """The first page start at or above the byte `address`."""
    return (address + PAGE_SIZE - 1) & -PAGE_SIZE


class Range(NamedTuple):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def pages(self) -> int:
        """Whole pages."""
        return (self.end - self.start) >> PAGE_SHIFT

    def contains(self, address: int) -> bool:
        """Whether the byte `address` lies inside."""
        return self.start <= address < self.end

    def intersect(self, other: "Range") -> "Range | None":
        """The bytes that both hold, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Range(start, end) if start < end else None
