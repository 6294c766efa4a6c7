"""What lies between the equal ends of two tables."""

import random

import pytest

from memtui.live.changes import changed_part


def table(records: list[int]) -> bytes:
    return b"".join(record.to_bytes(3, "little") for record in records)


def slow(before: list[int], now: list[int]) -> tuple[list[int], list[int]]:
    """The same, record by record."""
    before, now = list(before), list(now)
    while before and now and before[0] == now[0]:
        del before[0], now[0]
    while before and now and before[-1] == now[-1]:
        del before[-1], now[-1]
    return before, now


@pytest.mark.parametrize("seed", range(200))
def test_it_is_what_comparing_each_record_finds(seed):
    chance = random.Random(seed)
    before = [chance.randrange(3) for _ in range(chance.randrange(40))]
    now = list(before)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(now) + 1)
        now[place : place + chance.randrange(3)] = [chance.randrange(3) for _ in range(chance.randrange(3))]
    found = changed_part(table(before), table(now), 3)
    assert found == tuple(map(table, slow(before, now)))
