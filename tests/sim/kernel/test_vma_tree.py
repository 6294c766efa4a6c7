"""The store of VMAs against a plain list, with blocks of a few VMAs so that they split and vanish."""

import random

import pytest

from memtui.sim.kernel import vma_tree
from memtui.sim.kernel.vma import Vma
from memtui.sim.kernel.vma_tree import Gap, VmaTree

END = 1 << 20


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vma_tree, "LOAD", 4)


def gaps(vmas: list[Vma], floor: int, ceiling: int) -> list[Gap]:
    """Every free range, cut to the limits, by ascending address."""
    ends = [0, *(vma.end for vma in vmas)]
    starts = [*vmas, None]
    found = []
    for below, above in zip(ends, starts, strict=True):
        start, end = max(below, floor), min(above.start if above else END, ceiling)
        if start < end:
            found.append(Gap(start, end, above))
    return found


def change(rng: random.Random, tree: VmaTree, vmas: dict[int, Vma]) -> None:
    """Insert, remove or replace one VMA in both."""
    kind = rng.random()
    if kind < 0.5:
        start = rng.randrange(400)
        vma = Vma(start, start + rng.randrange(1, 6), 0, 0)
        if all(other.end <= vma.start or other.start >= vma.end for other in vmas.values()):
            tree.insert(vma)
            vmas[start] = vma
    elif vmas:
        old = vmas.pop(rng.choice(list(vmas)))
        if kind < 0.7 or old.end - old.start == 1:
            tree.remove(old)
        else:
            new = old.cut(old.start + 1, old.end) if kind < 0.85 else old.cut(old.start, old.end - 1)
            tree.replace(old, new)
            vmas[new.start] = new


@pytest.mark.parametrize("seed", range(20))
def test_same_as_a_list(seed: int) -> None:
    rng = random.Random(seed)
    tree, vmas = VmaTree(), dict[int, Vma]()
    for _ in range(200):
        change(rng, tree, vmas)
        ordered = [vmas[start] for start in sorted(vmas)]
        assert list(tree) == ordered
        assert tree.problems() == []
        floor = rng.randrange(200)
        ceiling, length = floor + rng.randrange(1, 300), rng.randrange(1, 30)
        fitting = [gap for gap in gaps(ordered, floor, ceiling) if gap.end - gap.start >= length]
        assert tree.highest_gap(length, floor, ceiling) == (fitting[-1] if fitting else None)
        lowest = tree.lowest_gap(length, floor, ceiling)
        assert lowest == (fitting[0] if fitting else None)
        at = rng.randrange(410)
        behind, before = [vma for vma in ordered if vma.end > at], [vma for vma in ordered if vma.start < at]
        assert tree.find(at) == (behind[0] if behind else None)
        assert tree.before(at) == (before[-1] if before else None)
        assert tree.span(at, at + 50) == [vma for vma in behind if vma.start < at + 50]


def test_built_from_vmas_in_order() -> None:
    vmas = [Vma(10 * n, 10 * n + 5, 0, 0) for n in range(50)]
    tree = VmaTree(vmas)
    assert list(tree) == vmas
    assert len(tree) == 50
    assert tree.problems() == []
    assert tree.at(12) is vmas[1]
    assert tree.at(15) is None
    assert tree.intersection(15, 20) is None
    assert tree.intersection(15, 21) is vmas[2]


def test_problems_are_found() -> None:
    tree = VmaTree([Vma(0, 5, 0, 0), Vma(10, 15, 0, 0)])
    tree.insert(Vma(12, 20, 0, 0))
    assert tree.problems()
