"""Memory for jemalloc's own structures (jemalloc 5.3.0, src/base.c). Only ever grows."""

from typing import Final, NamedTuple

from memtui.sim.userspace.jemalloc.pages import Pages
from memtui.sim.userspace.jemalloc.sizes import CACHELINE, HUGEPAGE, QUANTUM, pind2sz, psz2ind, size2index
from memtui.sim.userspace.page_writes import PageWrites

_BLOCK_HEADER: Final = 144
"""sizeof(base_block_t)."""
_BASE_BYTES: Final = 3968
"""sizeof(base_t), whole cache lines."""
EDATA_BYTES: Final = 128
"""sizeof(edata_t): what describes one extent."""


class _Rest(NamedTuple):
    """What is left of a block."""

    number: int
    """Of the block."""
    address: int
    size: int


def _huge_up(size: int) -> int:
    return (size + HUGEPAGE - 1) & -HUGEPAGE


class Base:
    """Blocks of whole 2 MiB, each larger than the one before, and what is left of them."""

    def __init__(self, pages: Pages, writes: PageWrites) -> None:
        self._pages = pages
        self._writes = writes
        self._last = 0
        """Class of the last block."""
        self.blocks: list[tuple[int, int]] = []
        """Start and end."""
        self._rests: list[_Rest] = []
        self._free_edata: list[int] = []
        self.works = False
        """Whether the first block could be mapped."""
        first = self._block(_BASE_BYTES, QUANTUM)
        if first is not None:
            self.works = True
            self._cut(first, _BASE_BYTES, CACHELINE)

    def alloc(self, size: int, alignment: int) -> int:
        """Zeroed memory; 0 when there is none."""
        alignment = (alignment + QUANTUM - 1) & -QUANTUM
        size = (size + alignment - 1) & -alignment
        wanted = size2index(size + alignment - QUANTUM)
        fitting = [rest for rest in self._rests if size2index(rest.size + 1) - 1 >= wanted]
        if fitting:
            rest = min(fitting, key=lambda rest: (size2index(rest.size + 1), rest.number, rest.address))
            self._rests.remove(rest)
        else:
            new = self._block(size, alignment)
            if new is None:
                return 0
            rest = new
        return self._cut(rest, size, alignment)

    def edata(self) -> int:
        """Memory that describes an extent: what was given back first, the oldest."""
        if self._free_edata:
            return self._free_edata.pop()
        address = self.alloc(EDATA_BYTES, EDATA_BYTES)
        if address:
            self._writes.write(address)
        return address

    def put_edata(self, address: int) -> None:
        """It will be used again."""
        self._free_edata.append(address)

    def _block(self, size: int, alignment: int) -> _Rest | None:
        gap = -_BLOCK_HEADER % alignment
        least = _huge_up(pind2sz(psz2ind(_BLOCK_HEADER + gap + size)))
        following = _huge_up(pind2sz(self._last + 1))
        length = max(least, following)
        address = self._pages.map(length, HUGEPAGE)
        if not address:
            return None
        self._last = psz2ind(length)
        self.blocks.append((address, address + length))
        self._writes.write(address)
        return _Rest(len(self.blocks), address + _BLOCK_HEADER, length - _BLOCK_HEADER)

    def _cut(self, rest: _Rest, size: int, alignment: int) -> int:
        gap = -rest.address % alignment
        left = rest.size - gap - size
        if left:
            self._rests.append(_Rest(rest.number, rest.address + gap + size, left))
        return rest.address + gap
