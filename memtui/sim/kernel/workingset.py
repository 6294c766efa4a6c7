"""Models mm/workingset.c (6.18): pages that come back soon after they were evicted start on the active list.

The kernel keeps the eviction clock in the page's empty slot, in buckets; here it is exact.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.lru import ACTIVE_ANON, ACTIVE_FILE, INACTIVE_ANON, INACTIVE_FILE, Lruvec, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.kernel import Kernel


class Shadow(NamedTuple):
    """Pages [low, high) of an owner that were evicted one after the other."""

    low: int
    high: int
    age: int
    """nonresident_age when `low` was evicted; one more for each page behind it."""
    workingset: bool
    """They had been active once."""


class Refault(NamedTuple):
    """Pages that come back, and how they start."""

    low: int
    high: int
    active: bool
    workingset: bool


def evicted(lruvec: Lruvec, owner: Owner, low: int, high: int, *, workingset: bool) -> None:
    """workingset_eviction(): leave shadows in place of the pages."""
    age = lruvec.nonresident_age
    lruvec.nonresident_age += high - low
    shadows = owner.shadows
    at = bisect_left(shadows, low, key=_low)
    if at:
        last = shadows[at - 1]
        if last.high == low and last.age + last.high - last.low == age and last.workingset == workingset:
            shadows[at - 1] = last._replace(high=high)
            return
    shadows.insert(at, Shadow(low, high, age, workingset))


def forget(owner: Owner, low: int, high: int) -> list[Shadow]:
    """Take the shadows of a range away; gives them by ascending page. O(log shadows)."""
    taken, kept, shadows = [], [], owner.shadows
    begin = max(bisect_left(shadows, low, key=_low) - 1, 0)
    end = bisect_left(shadows, high, begin, key=_low)
    for shadow in shadows[begin:end]:
        first, last = max(shadow.low, low), min(shadow.high, high)
        if first >= last:
            kept.append(shadow)
            continue
        taken.append(shadow._replace(low=first, high=last, age=shadow.age + first - shadow.low))
        if shadow.low < first:
            kept.append(shadow._replace(high=first))
        if last < shadow.high:
            kept.append(shadow._replace(low=last, age=shadow.age + last - shadow.low))
    if taken:
        shadows[begin:end] = kept
    return taken


def was_active(owner: Owner, low: int, high: int) -> bool:
    """Whether one of the evicted pages of a range had been active once."""
    shadows = owner.shadows
    at = max(bisect_left(shadows, low, key=_low) - 1, 0)
    while at < len(shadows) and shadows[at].low < high:
        if shadows[at].high > low and shadows[at].workingset:
            return True
        at += 1
    return False


def _low(shadow: Shadow) -> int:
    return shadow.low


def refaults(kernel: "Kernel", owner: Owner, low: int, high: int, *, file: bool) -> "Iterator[Refault]":
    """workingset_refault() for each page of a range that comes in; those without a shadow are new."""
    if not owner.shadows:
        yield Refault(low, high, False, False)
        return
    at = low
    for shadow in forget(owner, low, high):
        if at < shadow.low:
            yield Refault(at, shadow.low, False, False)
        yield from _refault(kernel, shadow, file=file)
        at = shadow.high
    if at < high:
        yield Refault(at, high, False, False)


def _refault(kernel: "Kernel", shadow: Shadow, *, file: bool) -> "Iterator[Refault]":
    """Split where the distance passes the size of the workingset: pages evicted later are nearer."""
    lruvec = kernel.lruvec
    side = "file" if file else "anon"
    kernel.vmevents[f"workingset_refault_{side}"] += shadow.high - shadow.low
    # Active iff now - (age + page - low) <= size.
    edge = shadow.low + lruvec.nonresident_age - shadow.age - workingset_size(kernel, file=file)
    edge = min(max(edge, shadow.low), shadow.high)
    if shadow.low < edge:
        yield Refault(shadow.low, edge, False, False)
    if edge < shadow.high:
        count = shadow.high - edge
        lruvec.nonresident_age += count
        lruvec.activations[file] += count
        kernel.vmevents[f"workingset_activate_{side}"] += count
        if shadow.workingset:
            kernel.vmevents[f"workingset_restore_{side}"] += count
            lruvec.note_cost(file, count, 0)
        yield Refault(edge, shadow.high, True, shadow.workingset)


def workingset_size(kernel: "Kernel", *, file: bool) -> int:
    """What a refault distance is compared with, pages (workingset_test_recent)."""
    lruvec = kernel.lruvec
    size = lruvec.size(ACTIVE_FILE)
    if not file:
        size += lruvec.size(INACTIVE_FILE)
    if kernel.swap.free > 0:
        size += lruvec.size(ACTIVE_ANON)
        if file:
            size += lruvec.size(INACTIVE_ANON)
    return size
