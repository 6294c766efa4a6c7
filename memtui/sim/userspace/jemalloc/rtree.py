"""The radix tree from pages to extents (jemalloc 5.3.0, rtree.h): its leaves take metadata."""

from typing import Final

from memtui.sim.userspace.jemalloc.base import Base
from memtui.sim.userspace.jemalloc.sizes import CACHELINE
from memtui.sim.userspace.page_writes import PageWrites

_LEAF_SHIFT: Final = 30
_LEAF_BYTES: Final = (1 << 18) * 8


class Rtree:
    """One leaf of 2 MiB for each GiB of addresses that has extents; only pages that are written are resident."""

    def __init__(self, base: Base, writes: PageWrites) -> None:
        self._base = base
        self._writes = writes
        self._leaves: dict[int, int] = {}

    def touch(self, address: int) -> None:
        """An entry is written."""
        leaf = self._leaves.get(address >> _LEAF_SHIFT)
        if leaf is None:
            leaf = self._leaves[address >> _LEAF_SHIFT] = self._base.alloc(_LEAF_BYTES, CACHELINE)
        self._writes.write(leaf + ((address >> 12) & 0x3FFFF) * 8)
