"""The trees of VMAs: order, fill, depth and marks, as plain text."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtui.draw.lines import Lines
from memtui.draw.run import plain
from memtui.draw.vma_tree import LEAF_SLOTS, NODE_SLOTS, MapleTree, RedBlackTree, TreePair, is_maple
from memtui.model.vma import Vma, VmaKind

PAGE = 4096


def vmas(count: int, gap: int = 0) -> list[Vma]:
    """VMAs of one page each, from page 16 on, `gap` pages between them."""
    starts = [(16 + n * (1 + gap)) * PAGE for n in range(count)]
    return [Vma(start, start + PAGE, "rw-p", 0, (0, 0), 0, "", VmaKind.ANON) for start in starts]


def text(lines: Lines) -> list[str]:
    return [plain(lines.row(number)) for number in range(len(lines))]


def body(lines: Lines, sign: str) -> list[str]:
    return [row for row in text(lines) if sign in row]


def test_a_small_space_is_one_leaf_with_its_holes():
    tree = MapleTree(vmas(2, gap=1), None, 80)
    rows = text(tree)
    leaf = rows.index(" ■ root 0-ffffffffffffffff 5/16 slots")
    assert rows[leaf + 1 :] == [
        "   ├ 0 0-ffff hole",
        "   ├ 1 10000-10fff anon rw-p",
        "   ├ 2 11000-11fff hole",
        "   ├ 3 12000-12fff anon rw-p",
        "   └ 4 13000-ffffffffffffffff hole",
    ]
    assert "2 VMAs and 3 holes in 1 leaf of up to 16 ranges. To find an address is to read 1 node." in " ".join(
        row.strip() for row in rows[:leaf]
    )


@pytest.mark.parametrize(("count", "levels"), [(14, 1), (15, 2), (158, 2), (159, 3), (60_000, 5)])
def test_levels_grow_with_the_ranges_that_nodes_hold(count: int, levels: int):
    tree = MapleTree(vmas(count), None, 80)
    assert tree.levels == levels
    # Two holes, before and behind.
    leaves = -(-(count + 2) // LEAF_SLOTS)
    assert NODE_SLOTS ** (levels - 1) >= leaves
    assert levels == 1 or NODE_SLOTS ** (levels - 2) < leaves
    nodes = body(tree, "■") if count < 1000 else []
    assert len(nodes) == (leaves if nodes else 0)
    assert all(node.count("►") == levels - 1 for node in nodes)


def test_rows_of_both_trees_lead_to_their_vmas():
    areas = vmas(40, gap=1)
    for tree in (MapleTree(areas, None, 80), RedBlackTree(areas, None, 80), TreePair(areas, None, "6.18.44", 80)):
        for number, row in enumerate(text(tree)):
            vma = tree.vma_at(number)
            assert (vma is not None) == ("rw-p" in row)
            assert vma is None or f"{vma.start:x}-{vma.end - 1:x}" in row
        assert tree.vma_at(-1) is tree.vma_at(len(tree)) is None
        assert tree.row(-1) == tree.row(len(tree)) == ()


def test_a_red_black_tree_sideways():
    drawn = body(RedBlackTree(vmas(6), None, 80), "rw-p")
    assert drawn == [
        " ┌─ ● 15000-15fff anon rw-p",
        " │  └─ ○ 14000-14fff anon rw-p",
        " ● 13000-13fff anon rw-p",
        " │  ┌─ ○ 12000-12fff anon rw-p",
        " └─ ● 11000-11fff anon rw-p",
        "    └─ ○ 10000-10fff anon rw-p",
    ]


@given(st.integers(1, 600))
def test_no_red_node_has_a_red_child_and_every_path_has_as_many_black_ones(count: int):
    tree = RedBlackTree(vmas(count), None, 200)
    nodes = [(len(row) - len(row.lstrip(" │┌└─")), "○" in row) for row in body(tree, "rw-p")]
    depths = [indent // 3 for indent, _ in nodes]
    assert max(depths) + 1 == tree.levels
    # Only the deepest level is red, so that red ones have no children, and all above it is there.
    assert all(is_red == (depth + 1 == tree.levels and bool(count & (count + 1))) for depth, (_, is_red) in zip(
        depths, nodes, strict=True
    ))  # fmt: skip
    full = [depths.count(depth) for depth in range(tree.levels - 1)]
    assert full == [1 << depth for depth in range(tree.levels - 1)]


def test_what_was_not_there_before_is_marked():
    areas = vmas(3)
    known = frozenset((vma.start, vma.end) for vma in areas[:2])
    pair = TreePair(areas, known, "6.18.44", 80)
    assert [row[1:].split()[-2] for row in text(pair) if row.startswith("▌")] == ["anon", "anon"]
    assert not any(row.startswith("▌") for row in text(TreePair(areas, None, "6.18.44", 80)))


def heads(lines: Lines) -> Sequence[str]:
    return [row.split(":")[0].strip() for row in text(lines) if "Linux 6.1" in row]


def test_the_tree_of_the_kernel_comes_first():
    assert heads(TreePair(vmas(3), None, "6.18.44", 80)) == ["Maple tree", "Red-black tree"]
    assert heads(TreePair(vmas(3), None, "2.6.32", 80)) == ["Red-black tree", "Maple tree"]
    assert [is_maple(release) for release in ("6.1.0-13-amd64", "6.0.19", "5.15", "7.0-rc1")] == [
        True,
        False,
        False,
        True,
    ]


def test_vsyscall_is_in_no_tree():
    gate = Vma(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", 0, (0, 0), 0, "[vsyscall]", VmaKind.SPECIAL)
    assert not any("vsyscall" in row for row in text(TreePair([*vmas(1), gate], None, "6.18", 80)))
