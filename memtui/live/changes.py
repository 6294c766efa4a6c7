"""What differs between two readings of the same."""

from collections.abc import Sequence
from itertools import compress
from operator import is_not
from typing import Final

from memtui.model.vma import Vma

_MEASURED: Final = Vma._fields.index("smaps")
"""From this field on a VMA tells what was measured, and not what it is."""


def changed_part(before: bytes, now: bytes, record: int) -> tuple[bytes, bytes]:
    """The records between those that are equal at the beginning and those that are equal at the end. O(bytes).

    How many are equal is found by halving, not one by one.

    Args:
        before: a table.
        now: the same later.
        record: bytes of each record.
    """
    prefix = _common(before, now, record)
    rest = min(len(before), len(now)) - prefix
    low, high = 0, rest // record
    while low < high:
        middle = (low + high + 1) // 2
        if _end(before, low, middle, record) == _end(now, low, middle, record):
            low = middle
        else:
            high = middle - 1
    suffix = low * record
    return before[prefix : len(before) - suffix], now[prefix : len(now) - suffix]


def _common(before: bytes, now: bytes, record: int) -> int:
    """Bytes of equal records at the beginning."""
    low, high = 0, min(len(before), len(now)) // record
    while low < high:
        middle = (low + high + 1) // 2
        if before[low * record : middle * record] == now[low * record : middle * record]:
            low = middle
        else:
            high = middle - 1
    return low * record


def _end(table: bytes, fewer: int, more: int, record: int) -> bytes:
    """Records counted from the end."""
    return table[len(table) - more * record : len(table) - fewer * record]


def same_areas(before: Sequence[Vma], now: Sequence[Vma]) -> bool:
    """Whether the VMAs differ only in figures and runs."""
    if before is now:
        return True
    if len(before) != len(now):
        return False
    differing = compress(zip(before, now, strict=True), map(is_not, before, now))
    return all(old[:_MEASURED] == new[:_MEASURED] for old, new in differing)
