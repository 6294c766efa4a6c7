"""The tree in which the kernel keeps the VMAs of an address space, as far as the VMAs tell its shape.

Since Linux 6.1 that is a maple tree (lib/maple_tree.c): each leaf holds up to 16 ranges side by side, holes as well as
VMAs, and each node above up to 10 of those below. Before, it was a red-black tree (lib/rbtree.c) with one VMA a node,
and a linked list beside it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.draw.fit import crop, shorten, wrap
from memtui.draw.labels import label_role, vma_label
from memtui.draw.run import Row, Run
from memtui.model.address import TASK_SIZE
from memtui.model.release import at_least
from memtui.model.vma import Vma

LEAF_SLOTS: Final = 16
"""MAPLE_RANGE64_SLOTS: ranges of a leaf."""
NODE_SLOTS: Final = 10
"""MAPLE_ARANGE64_SLOTS: children of a node that also remembers the largest hole below it."""
MAPLE_SINCE: Final = (6, 1)
_MAPLE_NOTE: Final = (
    "Drawn with full leaves: over how many a running kernel has spread the ranges depends on the order in which they "
    "came and went."
)
_RED_BLACK_NOTE: Final = (
    "Drawn as level as can be: which VMA stands where in a running kernel depends on the order in which they came."
)


Known = frozenset[tuple[int, int]]
"""Starts and ends of the VMAs of an earlier look."""


class _Span(NamedTuple):
    """What one slot of a leaf stands for."""

    start: int
    end: int
    vma: Vma | None
    """None: a hole."""


def is_maple(release: str) -> bool:
    """Whether this kernel ("6.18.44") keeps VMAs in a maple tree."""
    return at_least(release, *MAPLE_SINCE)


class MapleTree:
    """A `Lines`: the leaves one after the other, each slot a row; rows are made when they are asked for.

    Args:
        vmas: of the address space, by ascending address.
        known: the VMAs of an earlier look: others are marked; None: no look was earlier.
        width: cells.
    """

    def __init__(self, vmas: Sequence[Vma], known: Known | None, width: int) -> None:
        self.width = width
        self._known = known
        self._spans = _spans(vmas)
        holes = sum(span.vma is None for span in self._spans)
        leaves = -(-len(self._spans) // LEAF_SLOTS)
        self.levels = _levels(leaves)
        self._length = leaves + len(self._spans)
        text = (
            f"{_counted(len(self._spans) - holes, 'VMA', 'VMAs')} and {_counted(holes, 'hole', 'holes')} in "
            f"{_counted(leaves, 'leaf', 'leaves')} of up to {LEAF_SLOTS} ranges. To find an address is to read "
            f"{_counted(self.levels, 'node', 'nodes')}. {_MAPLE_NOTE}"
        )
        self._head = _heading("Maple tree: mm_mt, since Linux 6.1", text, width)

    def __len__(self) -> int:
        return len(self._head) + self._length

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        if index < len(self._head):
            return self._head[index] if index >= 0 else ()
        leaf, slot = divmod(index - len(self._head), LEAF_SLOTS + 1)
        if index >= len(self):
            return ()
        return self._slot(leaf * LEAF_SLOTS + slot - 1, slot) if slot else self._node(leaf)

    def vma_at(self, index: int) -> Vma | None:
        """The VMA of a row."""
        leaf, slot = divmod(index - len(self._head), LEAF_SLOTS + 1)
        if not len(self._head) <= index < len(self) or not slot:
            return None
        return self._spans[leaf * LEAF_SLOTS + slot - 1].vma

    def told(self, index: int) -> str:
        """What a row is in the tree, in words; "" for the heading."""
        leaf, slot = divmod(index - len(self._head), LEAF_SLOTS + 1)
        if not len(self._head) <= index < len(self):
            return ""
        if not slot:
            return (
                f"a leaf of up to {LEAF_SLOTS} ranges side by side: few cache lines to read, and readers under RCU "
                "need no lock. (lib/maple_tree.c)"
            )
        way = f"slot {slot - 1} of its leaf; mas_walk reads {_counted(self.levels, 'node', 'nodes')} to get here"
        if self._spans[leaf * LEAF_SLOTS + slot - 1].vma is not None:
            return f"{way}. (lib/maple_tree.c)"
        return f"{way}. Nodes above keep the size of their largest hole, by which mmap finds room. (mas_empty_area_rev)"

    def _node(self, leaf: int) -> Row:
        spans = self._spans[leaf * LEAF_SLOTS : (leaf + 1) * LEAF_SLOTS]
        slots: list[int] = []
        above = leaf
        for _ in range(self.levels - 1):
            above, slot = divmod(above, NODE_SLOTS)
            slots.insert(0, slot)
        path = " ► ".join(("root", *map(str, slots)))
        runs = (Run(f" ■ {path} ", "text.strong"), Run(f"{spans[0].start:x}-{spans[-1].end - 1:x}", "map.address"))
        return crop((*runs, Run(f" {len(spans)}/{LEAF_SLOTS} slots", "text.dim")), self.width)

    def _slot(self, at: int, slot: int) -> Row:
        span = self._spans[at]
        last = slot == LEAF_SLOTS or at == len(self._spans) - 1
        bounds = f"{span.start:x}-{span.end - 1:x} "
        runs = (
            _edge(span.vma, self._known),
            Run(f"  {'└' if last else '├'}{slot - 1:>2} ", "map.edge"),
            Run(bounds, "map.hole" if span.vma is None else "map.address"),
        )
        name = (Run("hole", "map.hole"),) if span.vma is None else _name(span.vma, self.width - len(bounds) - 7)
        return crop((*runs, *name), self.width)


class RedBlackTree:
    """A `Lines`: one VMA a row, the highest first as on the map, indented by its depth. Arguments as `MapleTree`'s."""

    def __init__(self, vmas: Sequence[Vma], known: Known | None, width: int) -> None:
        self.width = width
        self._vmas, self._known = [vma for vma in vmas if vma.start < TASK_SIZE], known
        self.levels = len(self._vmas).bit_length()
        text = (
            f"{_counted(len(self._vmas), 'VMA', 'VMAs')}, ● black or ○ red, and a linked list from each to the next. "
            f"To find an address is to look at up to {self.levels}. {_RED_BLACK_NOTE}"
        )
        self._head = _heading("Red-black tree: mm_rb, before Linux 6.1", text, width)

    def __len__(self) -> int:
        return len(self._head) + len(self._vmas)

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        if 0 <= index < len(self._head):
            return self._head[index]
        vma = self.vma_at(index)
        if vma is None:
            return ()
        edges, is_red = self._edges(len(self) - 1 - index)
        bounds = f"{vma.start:x}-{vma.end - 1:x} "
        runs = (
            _edge(vma, self._known),
            Run(edges, "map.edge"),
            Run("○ " if is_red else "● ", "error" if is_red else "text.strong"),
            Run(bounds, "map.address"),
        )
        return crop((*runs, *_name(vma, self.width - len(edges) - len(bounds) - 3)), self.width)

    def vma_at(self, index: int) -> Vma | None:
        """The VMA of a row."""
        return self._vmas[len(self) - 1 - index] if len(self._head) <= index < len(self) else None

    def told(self, index: int) -> str:
        """What a row is in the tree, in words; "" for the heading."""
        if self.vma_at(index) is None:
            return ""
        edges, is_red = self._edges(len(self) - 1 - index)
        colour = "red: no red node has a red child" if is_red else "black: every way down has as many black nodes"
        return (
            f"{_counted(len(edges) // 3 + 1, 'node', 'nodes')} to look at from the root; {colour}, so no way is more "
            "than twice as long as another. Each knows the largest hole below it. (lib/rbtree.c)"
        )

    def _edges(self, wanted: int) -> tuple[str, bool]:
        """The lines in front of a node, and whether it is red: those of the deepest level are, if it is not full."""
        low, high, edges, came, depth = 0, len(self._vmas), "", "", 1
        while wanted != (middle := (low + high) // 2):
            turn = "┌─ " if wanted > middle else "└─ "
            low, high = (middle + 1, high) if wanted > middle else (low, middle)
            # The line from a node to its parent goes past the rows between the two.
            edges += "│  " if came and turn != came else "   " if came else ""
            came, depth = turn, depth + 1
        is_full = len(self._vmas) + 1 == 1 << self.levels
        return edges + came, depth == self.levels > 1 and not is_full


class TreePair:
    """A `Lines`: the tree of this kernel, and below it that of the others."""

    def __init__(self, vmas: Sequence[Vma], known: Known | None, release: str, width: int) -> None:
        self.width = width
        trees: list[MapleTree | RedBlackTree] = [MapleTree(vmas, known, width), RedBlackTree(vmas, known, width)]
        self._first, self._second = trees if is_maple(release) else reversed(trees)

    def __len__(self) -> int:
        return len(self._first) + 1 + len(self._second)

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        behind = index - len(self._first) - 1
        return self._second.row(behind) if behind >= 0 else self._first.row(index)

    def vma_at(self, index: int) -> Vma | None:
        """The VMA of a row."""
        behind = index - len(self._first) - 1
        return self._second.vma_at(behind) if behind >= 0 else self._first.vma_at(index)

    def told(self, index: int) -> str:
        """What a row is in its tree, in words; "" where it is nothing."""
        behind = index - len(self._first) - 1
        return self._second.told(behind) if behind >= 0 else self._first.told(index)


def _edge(vma: Vma | None, known: Known | None) -> Run:
    """The first cell of a row: whether its VMA is new or has changed."""
    new = vma is not None and known is not None and (vma.start, vma.end) not in known
    return Run("▌" if new else " ", "map.changed")


def _name(vma: Vma, room: int) -> Row:
    name = shorten(vma_label(vma), max(room - len(vma.perms) - 1, 1))
    return Run(f"{name} ", label_role(vma)), Run(vma.perms, "map.perms")


def _heading(title: str, text: str, width: int) -> list[Row]:
    rows = ((Run(f" {title}", "title"),), *((Run(f" {line}", "text.dim"),) for line in wrap(text, width - 2)))
    return [crop(row, width) for row in rows]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _spans(vmas: Sequence[Vma]) -> list[_Span]:
    spans: list[_Span] = []
    end = 0
    for vma in vmas:
        # [vsyscall] is in no tree.
        if vma.start >= TASK_SIZE:
            break
        if vma.start > end:
            spans.append(_Span(end, vma.start, None))
        spans.append(_Span(vma.start, vma.end, vma))
        end = vma.end
    return [*spans, _Span(end, 1 << 64, None)]


def _levels(leaves: int) -> int:
    levels = 1
    while leaves > 1:
        leaves = -(-leaves // NODE_SLOTS)
        levels += 1
    return levels
