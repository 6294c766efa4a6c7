"""Which pages of a file are in memory: the part of struct address_space (include/linux/fs.h) that mappings see."""

import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Final

BLOCK: Final = 512
"""Pages a block, as in a page table."""
MAX_ORDER: Final = 9
"""MAX_PAGECACHE_ORDER: no folio of a file is larger than 2 MiB."""
_FULL: Final = b"\1" * BLOCK
_RUN: Final = re.compile(b"\x01+")
_NONE: Final = bytes(BLOCK)


class PageSet:
    """A set of page numbers, kept in blocks of 512; ranges cost O(blocks)."""

    __slots__ = ("_blocks", "count")
    changes: ClassVar[int] = 0
    """How often any set has changed: sums over many sets that were taken at the same count still hold."""

    recent: ClassVar[deque["PageSet"]] = deque(maxlen=64)
    """The sets that changed last, one for each change."""

    @staticmethod
    def changed_since(count: int) -> "set[PageSet] | None":
        """The sets that changed since `changes` was `count`; None: too many to tell."""
        more = PageSet.changes - count
        return set(islice(reversed(PageSet.recent), more)) if 0 <= more <= len(PageSet.recent) else None

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
        if added:
            self._count_change()
        return added

    def discard(self, first: int, count: int) -> int:
        """Take pages out; how many were there."""
        if not self.count:
            return 0
        removed = 0
        for number, low, high in self._known(first, count):
            block = self._blocks[number]
            removed += block.count(1, low, high)
            block[low:high] = _NONE[low:high]
            if 1 not in block:
                del self._blocks[number]
        self.count -= removed
        if removed:
            self._count_change()
        return removed

    def _count_change(self) -> None:
        PageSet.changes += 1
        PageSet.recent.append(self)

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

    def runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """First page and length of each run of pages in the set, within a range; inside a block at a time."""
        for number, low, high in self._known(first, count):
            for match in _RUN.finditer(self._blocks.get(number, b""), low, high):
                yield number * BLOCK + match.start(), match.end() - match.start()

    def blocks(self, first: int, count: int) -> list[int]:
        """The numbers of the blocks with pages that meet a range."""
        return [number for number, _, _ in self._known(first, count)]

    @property
    def last(self) -> int:
        """The highest page in the set; -1 if there is none."""
        if not self._blocks:
            return -1
        number = max(self._blocks)
        return number * BLOCK + self._blocks[number].rfind(1)

    def _known(self, first: int, count: int) -> list[tuple[int, int, int]]:
        """The pieces of a range that have a block, by ascending page."""
        if count <= BLOCK * (len(self._blocks) + 1):
            return [piece for piece in _pieces(first, count) if piece[0] in self._blocks]
        end = first + count
        numbers = sorted(number for number in self._blocks if first // BLOCK <= number <= (end - 1) // BLOCK)
        return [(number, max(first - number * BLOCK, 0), min(end - number * BLOCK, BLOCK)) for number in numbers]

    def __contains__(self, page: int) -> bool:
        block = self._blocks.get(page // BLOCK)
        return block is not None and block[page % BLOCK] == 1


class CachedPages(PageSet):
    """A file's pages in memory and the folios that they form; remembers where they changed until the LRU lists know."""

    __slots__ = ("changed", "large", "readahead")

    def __init__(self) -> None:
        super().__init__()
        self.changed: list[tuple[int, int]] = []
        """First page and length."""
        self.large: dict[int, int] = {}
        """First page -> order, of the folios of more than one page; each is aligned to its size."""
        self.readahead: set[int] = set()
        """First pages of the folios with PG_readahead: whoever uses one makes the kernel read on."""

    def folio(self, page: int) -> tuple[int, int]:
        """First page and length of the folio that a page in memory belongs to."""
        if self.large:
            for order in range(1, MAX_ORDER + 1):
                first = page >> order << order
                if self.large.get(first) == order:
                    return first, 1 << order
        return page, 1

    def whole(self, first: int, count: int) -> tuple[int, int]:
        """The range, grown to the ends of the folios that it cuts: first page and length."""
        if not self.large or count <= 0:
            return first, count
        low = self.folio(first)[0]
        return low, sum(self.folio(first + count - 1)) - low

    def add_folio(self, first: int, order: int) -> None:
        """Put in a folio of 2^order pages, none of which is there."""
        self.add(first, 1 << order)
        if order:
            self.large[first] = order

    def split(self, page: int) -> None:
        """folio_split(): halve the folio around a page again and again, until the page is one of its own."""
        first, count = self.folio(page)
        if count == 1:
            return
        self.readahead.discard(first)
        order = self.large.pop(first)
        while order:
            order -= 1
            first = page >> order << order
            buddy = first ^ 1 << order
            if order:
                self.large[buddy] = order

    def add(self, first: int, count: int = 1) -> int:
        """As `PageSet.add`."""
        added = super().add(first, count)
        if added:
            self._note(first, count)
        return added

    def discard(self, first: int, count: int) -> int:
        """As `PageSet.discard`; of folios that reach into the range single pages stay."""
        removed = super().discard(first, count)
        if removed:
            self._note(first, count)
            self._break(first, first + count)
        return removed

    def look_again(self, first: int, count: int) -> None:
        """The same pages are there, but may belong on another list."""
        self.changed.append((first, count))
        self._count_change()

    def _break(self, first: int, end: int) -> None:
        for head in [head for head, order in self.large.items() if head < end and head + (1 << order) > first]:
            del self.large[head]
            self.readahead.discard(head)
        if self.readahead:
            self.readahead = {head for head in self.readahead if not first <= head < end}

    def _note(self, first: int, count: int) -> None:
        if self.changed and sum(self.changed[-1]) == first:
            first, more = self.changed.pop()
            count += more
        self.changed.append((first, count))


def _pieces(first: int, count: int) -> list[tuple[int, int, int]]:
    """Block number and the half-open range inside it, for pages `first` to `first + count`."""
    number, low = divmod(first, BLOCK)
    if 0 < count <= BLOCK - low:
        return [(number, low, low + count)]
    end, found = first + count, []
    while first < end:
        found.append((number, low, min(end - number * BLOCK, BLOCK)))
        number, low = number + 1, 0
        first = number * BLOCK
    return found
