"""A record is a dataclass with slots, in all that the program uses of one."""

import copy
import pickle

import pytest

from memtui.model.record import field, record, replace


@record(frozen=True, slots=True)
class Point:
    """A value."""

    x: int
    y: int = 7
    marks: list[int] = field(default_factory=list)


@record(slots=True, eq=False)
class Counter:
    """A thing."""

    name: str
    double: str = field(init=False)

    def __post_init__(self) -> None:
        self.double = self.name * 2


def test_a_value_is_made_of_its_fields_and_equal_to_its_like() -> None:
    point = Point(1, marks=[2])
    assert (point.x, point.y, point.marks) == (1, 7, [2])
    assert point == Point(1, 7, [2])
    assert point != Point(1, 8, [2])
    assert Point(1).marks is not Point(1).marks
    assert repr(point) == "Point(x=1, y=7, marks=[2])"
    match point:
        case Point(x, y, _):
            assert (x, y) == (1, 7)


def test_a_frozen_one_stays_as_it_is() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="cannot change field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.y  # type: ignore[misc]
    assert replace(point, y=9) == Point(1, 9)
    assert point.y == 7


def test_copies_and_pickles_are_equal() -> None:
    point = Point(3, 4, [5])
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_a_thing_is_equal_to_itself_alone_and_can_be_changed() -> None:
    counter = Counter("ab")
    assert counter.double == "abab"
    assert counter != Counter("ab")
    assert len({counter, Counter("ab"), counter}) == 2
    counter.name = "c"
    assert replace(counter).double == "cc"
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


def test_what_is_no_field_or_missing_is_refused() -> None:
    for wrong in (lambda: Point(), lambda: Point(1, z=2), lambda: Point(1, 2, [], 4)):  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            wrong()
