"""Rows of the address map: laid out with the layout before at hand they are what they are without it."""

from hypothesis import given
from hypothesis import strategies as st

from memtui.draw.map_layout import MapLayout, Scale
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.vma import Vma, VmaKind
from tests.draw.pictures import vma

SPACE = Range(0, 1 << 30)
SIZES = st.sampled_from((1, 2, 100, 3000))
VMAS = st.lists(st.tuples(st.sampled_from((0, 1, 5)), SIZES), max_size=8)


def placed(pieces: list[tuple[int, int]]) -> tuple[Vma, ...]:
    made, start = [], 0
    for gap, pages in pieces:
        start += gap * PAGE_SIZE
        made.append(vma(start, pages, "rw-p", "", VmaKind.ANON))
        start = made[-1].end
    return tuple(made)


def rows(layout: MapLayout) -> list[object]:
    return [layout.place(row) for row in range(len(layout))]


@given(VMAS, st.data())
def test_a_layout_made_from_another_one(pieces: list[tuple[int, int]], data: st.DataObject) -> None:
    old = placed(pieces)
    gone = data.draw(st.sets(st.sampled_from(old))) if old else set()
    cut = data.draw(st.sets(st.sampled_from(old))) if old else set()
    new = [one._replace(end=one.start + PAGE_SIZE) if one in cut else one for one in old if one not in gone]
    end = new[-1].end if new else 0
    new += [vma(end, 7, "r--p", "", VmaKind.ANON)] * data.draw(st.integers(0, 1))
    scale = Scale(18)
    for before, after in ((old, tuple(new)), (tuple(new), old)):
        like = MapLayout(before, SPACE, scale)
        assert rows(MapLayout(after, SPACE, scale, like)) == rows(MapLayout(after, SPACE, scale))


def test_another_scale_lays_all_of_it_out() -> None:
    vmas = placed([(1, 3000), (0, 2), (5, 100)])
    like = MapLayout(vmas, SPACE, Scale(12, linear=True))
    assert rows(MapLayout(vmas, SPACE, Scale(18), like)) == rows(MapLayout(vmas, SPACE, Scale(18)))
