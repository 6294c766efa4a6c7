"""Answers that are kept: pictures follow one another, and of most objects the next one asks the same."""

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import compress, count
from operator import is_not
from typing import TypeVar

_T = TypeVar("_T")
_A = TypeVar("_A")


def kept_for_same(function: Callable[[_T], _A]) -> Callable[[_T], _A]:
    """Asked about the very object that it was asked about before, `function` gives the answer that it gave.

    The object has to be one that does not change.
    """
    last: list[tuple[_T, _A]] = []

    @wraps(function)
    def kept(of: _T) -> _A:
        if not last or last[0][0] is not of:
            last[:] = [(of, function(of))]
        return last[0][1]

    return kept


def came_and_went(before: tuple[_T, ...], now: tuple[_T, ...]) -> Iterator[tuple[_T, int]]:
    """Objects that came (1) or went (-1), by identity. What both have at their ends costs next to nothing."""
    ahead = _alike(before, now)
    behind = _alike(before[:ahead:-1], now[:ahead:-1])
    before, now = before[ahead : len(before) - behind], now[ahead : len(now) - behind]
    for old, new, sign in ((before, now, 1), (now, before, -1)):
        if len(old) == len(new):
            yield from ((one, sign) for one in compress(new, map(is_not, old, new)))
        elif new:
            known = set(map(id, old))
            yield from ((one, sign) for one in new if id(one) not in known)


def _alike(one: tuple[_T, ...], two: tuple[_T, ...]) -> int:
    """How many of the first objects are the same objects."""
    least = min(len(one), len(two))
    return next(compress(count(), map(is_not, one, two)), least)
