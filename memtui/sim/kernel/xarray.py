"""The walks of lib/xarray.c (6.18) by which read-ahead looks for a hole beside a page.

xas_prev() and xas_next() step from slot to slot of a tree whose nodes have 64 slots. In a folio of several pages, whose
slots all refer to the first one, they lose step: what they then look at is not at the index that they report.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import Inode

ULONG_MAX: Final = (1 << 64) - 1
_CHUNK_SHIFT: Final = 6
_LAST: Final = (1 << _CHUNK_SHIFT) - 1


def page_cache_prev_miss(inode: "Inode", index: int, max_scan: int) -> int:
    """The first index without a page at or below `index`, looking at `max_scan` slots; ULONG_MAX: below page 0.

    If none of them is empty, the last index that was looked at (mm/filemap.c).
    """
    walk = _Walk(inode, index)
    present = walk.load()
    for _ in range(max_scan - 1):
        if not present or walk.index == ULONG_MAX:
            break
        present = walk.step(-1)
    return walk.index


def page_cache_next_miss(inode: "Inode", index: int, max_scan: int) -> int:
    """The first index without a page at or above `index`; `index + max_scan` if so many slots are taken."""
    walk = _Walk(inode, index)
    present = walk.load()
    for _ in range(max_scan - 1):
        if not present:
            break
        present = walk.step(1)
    return index + max_scan if present else walk.index


class _Node(NamedTuple):
    """struct xa_node: 64 slots of 2^shift indices each."""

    shift: int
    base: int
    """The first index of its first slot."""

    def offset(self, index: int) -> int:
        """get_offset(): the slot of an index, wherever the node is."""
        return index >> self.shift & _LAST

    @property
    def parent(self) -> "_Node":
        """The node that has it in the slot `parent.offset(self.base)`."""
        shift = self.shift + _CHUNK_SHIFT
        return _Node(shift, self.base >> shift + _CHUNK_SHIFT << shift + _CHUNK_SHIFT)


class _Walk:
    """struct xa_state, in the tree that the folios and shadows of a file make."""

    def __init__(self, inode: "Inode", index: int) -> None:
        self._pages, self._shadows = inode.pages, inode.shadows
        self._head = self._node = self._top()
        self._offset = 0
        self.index = index

    def load(self) -> bool:
        """xas_load(): whether there is a page at the index; goes to the first slot of its folio."""
        if self._head is None:
            return not self.index and 0 in self._pages
        if self.index >> self._head.shift > _LAST:
            return False
        node = self._down(self._head, self._head.offset(self.index))
        if node is None:
            return False
        self._node, self._offset = node, node.offset(self._pages.folio(self.index)[0])
        return True

    def step(self, way: int) -> bool:
        """xas_prev(), by -1, and xas_next(), by 1, after a page was found: whether there is one in the slot beside."""
        self.index = self.index + way & ULONG_MAX
        node = self._node
        if node is None:
            return True  # only from page 0, which is alone: then it is found again
        offset = self._offset + way if self._offset != node.offset(self.index) else self._offset
        while not 0 <= offset <= _LAST:
            if node == self._head:
                return False
            node, offset = node.parent, node.parent.offset(node.base) + way
        self._node = self._down(node, offset)
        return self._node is not None

    def _down(self, node: _Node, offset: int) -> _Node | None:
        """Go from a slot down by the index to one that is no node; gives its node, None if it has no page."""
        while True:
            first = node.base + (offset << node.shift)
            if first in self._pages and self._pages.folio(first)[1] >> node.shift:
                self._offset = offset
                return node
            if not node.shift or not self._anything(first, 1 << node.shift):
                return None
            node = _Node(node.shift - _CHUNK_SHIFT, first)
            offset = node.offset(self.index)

    def _top(self) -> _Node | None:
        """The head; None: the tree has page 0 alone, or nothing, without a node."""
        last = max(self._pages.last, *(shadow.high - 1 for shadow in self._shadows), 0)
        largest = max(self._pages.large.values(), default=0)
        shift = largest - largest % _CHUNK_SHIFT
        while last >> shift > _LAST:
            shift += _CHUNK_SHIFT
        return _Node(shift, 0) if last else None

    def _anything(self, first: int, count: int) -> bool:
        """Whether a node stands for these indices."""
        return self._pages.missing(first, count) < count or any(
            shadow.low < first + count and first < shadow.high for shadow in self._shadows
        )
