"""Trends of figures over looks and steps."""

from dataclasses import replace

from memtui.draw.history import History, sparkline
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog
from memtui.model.system import SystemSnapshot
from memtui.model.vma import VmaKind
from tests.draw.pictures import vma


def look(anon: int | None, free: int = 1000, *, step: int | None = None, pid: int = 7) -> Snapshot:
    # Nothing of the VMA was measured, so that the counters are all that is known.
    unmeasured = (vma(0x1000, 1, "rw-p", "", VmaKind.ANON),)
    mm = MmSnapshot(pid, "x", unmeasured, MmCounters(rss_anon=anon, rss_file=40, rss_shmem=0, vm_swap=0))
    steps = None if step is None else StepLog((), step)
    system = SystemSnapshot("6.18", {"MemFree": free})
    return Snapshot("live" if step is None else "sim", "x", system, mm=mm, steps=steps)


def values(history: History) -> dict[str, tuple[int, ...]]:
    return {series.name: series.values for series in history.series()}


def test_only_what_changed_is_told() -> None:
    history = History()
    for anon in (4, 8, 8, 12):
        history.note(look(anon))
    assert values(history) == {"anon": (4, 8, 8, 12)}
    assert history.unit == "look"


def test_another_process_begins_anew() -> None:
    history = History()
    history.note(look(4))
    history.note(look(8))
    history.note(look(100, pid=8))
    assert values(history) == {}
    history.note(look(96, 900, pid=8))
    assert values(history) == {"anon": (100, 96), "free": (1000, 900)}


def test_of_a_simulation_it_ends_at_the_step_that_is_shown() -> None:
    history = History()
    for step in (0, 1, 2, 3):
        history.note(look(step * 4, step=step))
    assert values(history) == {"anon": (0, 4, 8, 12)}
    history.note(look(4, step=1))
    assert values(history) == {"anon": (0, 4)}
    history.note(look(40, step=7))
    assert values(history) == {"anon": (0, 4, 40)}
    assert history.unit == "step"


def test_a_figure_that_was_not_told_is_left_out() -> None:
    history = History()
    for anon in (4, None, 8):
        history.note(look(anon))
    assert values(history) == {"anon": (4, 8)}


def test_without_a_process_the_machine_is_told() -> None:
    history = History()
    for free in (10, 20):
        history.note(replace(look(None, free), mm=None))
    assert values(history) == {"free": (10, 20)}


def test_a_sparkline_reaches_from_its_lowest_to_its_highest_value() -> None:
    assert sparkline([0, 7, 14], 9) == "▁▄█"
    assert sparkline([5, 5, 5], 9) == "▁▁▁"
    assert sparkline([1, 2, 3, 4], 2) == "▁█"
    assert sparkline([], 5) == ""
    assert sparkline([1], 0) == ""
