"""Which pages of a file are in memory: the part of struct address_space (include/linux/fs.h) that mappings see."""

from collections.abc import Iterator
from typing import Final

BLOCK: Final = 512
"""Pages a block, as in a page table."""
_FULL: Final = b"\1" * BLOCK
_NONE: Final = bytes(BLOCK)


class PageSet:
    """A set of page numbers, kept in blocks of 512; ranges cost O(blocks)."""

    __slots__ = ("_blocks", "count")

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self.count = 0
        """How many pages are in the set."""

    def add(self, first: int, count: int = 1) -> int:
        """Put pages in; how many were not there."""
        added = 0
        for number, low, high in _pieces(first, count):
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = bytearray(BLOCK)
            added += block.count(0, low, high)
            block[low:high] = _FULL[low:high]
        self.count += added
        return added

    def discard(self, first: int, count: int) -> int:
        """Take pages out; how many were there."""
        removed = 0
        end = first + count
        if count > BLOCK * (len(self._blocks) + 1):
            numbers = [number for number in self._blocks if first // BLOCK <= number <= (end - 1) // BLOCK]
        else:
            numbers = [number for number, _, _ in _pieces(first, count) if number in self._blocks]
        for number in numbers:
            block = self._blocks[number]
            low, high = max(first - number * BLOCK, 0), min(end - number * BLOCK, BLOCK)
            removed += block.count(1, low, high)
            block[low:high] = _NONE[low:high]
            if not any(block):
                del self._blocks[number]
        self.count -= removed
        return removed

    def missing(self, first: int, count: int) -> int:
        """How many of these pages are not in the set."""
        absent = 0
        for number, low, high in _pieces(first, count):
            block = self._blocks.get(number)
            absent += high - low if block is None else block.count(0, low, high)
        return absent

    def mask(self, first: int, count: int) -> bytes:
        """One byte a page: 1 if it is in the set."""
        parts = []
        for number, low, high in _pieces(first, count):
            block = self._blocks.get(number)
            parts.append(_NONE[low:high] if block is None else block[low:high])
        return b"".join(parts)

    def __contains__(self, page: int) -> bool:
        block = self._blocks.get(page // BLOCK)
        return block is not None and block[page % BLOCK] == 1


def _pieces(first: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Block number and the half-open range inside it, for pages `first` to `first + count`."""
    end = first + count
    while first < end:
        number, low = divmod(first, BLOCK)
        high = min(end - number * BLOCK, BLOCK)
        yield number, low, high
        first = (number + 1) * BLOCK
