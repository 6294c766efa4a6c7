"""Calls of threads that overlap in a log: the order that explains their results, or a word that it is open."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from memtui.model.event import EventKind
from memtui.model.request import Back, Seek
from memtui.model.snapshot import Snapshot
from memtui.sim import ordering
from memtui.sim.overlap import depend
from memtui.trace.line import Call
from memtui.trace.parser import parse_line
from tests.sim.conftest import ENDING, Simulate

PROT = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
START = "".join(
    f"1     clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND) = {pid}\n" for pid in (2, 3, 4)
)
CALLS = [f"mmap(NULL, {size}, {PROT})" for size in (4096, 12288, 20480, 2097152)]
"""One of each thread."""


def texts(snapshot: Snapshot, kind: EventKind) -> list[str]:
    assert snapshot.steps is not None
    return [event.text for step in snapshot.steps.steps for event in step.events if event.kind is kind]


def results(simulate: Simulate, order: Sequence[int]) -> dict[int, str]:
    """What each thread's call returns in one order, and the whole step."""
    log = START + "".join(f"{1 + number}     {CALLS[number]}\n" for number in order)
    steps = simulate(log + "1     exit_group(0) = ?\n").apply(Seek(ENDING)).steps
    assert steps is not None
    return {step.pid - 1: step.text.rpartition(" = ")[2] for step in steps.steps if step.text.startswith("mmap")}


def overlapping(real: Sequence[int], ended: Sequence[int], found: dict[int, str] | None) -> str:
    """A log in which all calls overlap and end in another order than that in which they took effect."""
    log = START + "".join(f"{1 + n}     {CALLS[n].removesuffix(')')} <unfinished ...>\n" for n in sorted(real))
    for number in ended:
        log += f"{1 + number}     <... mmap resumed>)" + (f" = {found[number]}\n" if found else "\n")
    return log + "1     exit_group(0) = ?\n"


@pytest.mark.parametrize("real", list(permutations(range(4))))
def test_results_tell_the_order_of_calls_that_overlap(simulate: Simulate, real: tuple[int, ...]):
    found = results(simulate, real)
    for ended in permutations(range(4)):
        source = simulate(overlapping(real, ended, found))
        whole = source.apply(Seek(ENDING))
        source._machine.check()
        assert texts(whole, EventKind.DIVERGENCE) == []
        notes = [text for text in texts(whole, EventKind.NOTE) if "leaves open" in text]
        assert bool(notes) == (results(simulate, ended) != found)
        assert whole.steps is not None
        there = {step.pid - 1: step.text for step in whole.steps.steps if step.text.startswith("mmap")}
        assert {n: text.rpartition(" = ")[2] for n, text in there.items()} == found


def test_stepping_finds_the_same_order_as_a_jump(simulate: Simulate):
    log = overlapping((3, 1, 2, 0), (0, 1, 2, 3), results(simulate, (3, 1, 2, 0)))
    jumped, stepped = simulate(log), simulate(log)
    whole = jumped.apply(Seek(ENDING)).steps
    for number in range(1, 9):
        stepped.apply(Seek(number))
    assert whole is not None
    last = stepped.apply(Seek(ENDING)).steps
    assert last is not None
    assert last.steps == whole.steps
    back = stepped.apply(Back(3)).steps
    assert back is not None
    assert back.steps[: back.cursor] == whole.steps[: back.cursor]


def test_a_call_never_takes_effect_outside_of_its_lines(simulate: Simulate):
    """The second call had not begun when the first one ended: no order explains the results, and none is made up."""
    found = results(simulate, (1, 0))
    before = "1     munmap(0x10000, 4096) = 0\n"  # else the first mapping would tell where all others go
    log = START + f"{before}1     {CALLS[0]} = {found[0]}\n2     {CALLS[1]} = {found[1]}\n1     exit_group(0) = ?\n"
    whole = simulate(log).apply(Seek(ENDING))
    assert len(texts(whole, EventKind.DIVERGENCE)) == 1
    assert not any("leaves open" in text for text in texts(whole, EventKind.NOTE))


def test_without_results_the_replay_says_what_the_log_leaves_open(simulate: Simulate):
    whole = simulate(overlapping((0, 1), (1, 0), None)).apply(Seek(ENDING))
    assert sum("leaves open whether" in text for text in texts(whole, EventKind.NOTE)) == 2
    alone = START + f"1     {CALLS[0]}\n2     {CALLS[1]}\n1     exit_group(0) = ?\n"
    assert not any("leaves open" in text for text in texts(simulate(alone).apply(Seek(ENDING)), EventKind.NOTE))


def test_differences_that_no_order_explains_are_not_searched_for_ever(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
):
    searches = []
    settle = ordering.Ordering.settle
    monkeypatch.setattr(ordering.Ordering, "settle", lambda *args: searches.append(args) or settle(*args))
    log = START
    for count in range(40):
        log += f"1     mmap(NULL, 4096, {PROT.removesuffix(')')} <unfinished ...>\n2     getpid() = 1\n"
        log += f"2     mmap(NULL, 4096, {PROT}) = {0x10000 * (count + 1):#x}\n1     <... mmap resumed>) = 0x1000\n"
    whole = simulate(log + "1     exit_group(0) = ?\n").apply(Seek(ENDING))
    assert len(texts(whole, EventKind.DIVERGENCE)) == 80
    assert len(searches) == ordering.FAILURES


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("brk(0x1000)", "brk(0x2000)", True),
        ("mmap(NULL, 1, 3, 34, -1, 0)", "munmap(0x1000, 4096)", True),
        ("mmap(NULL, 1, 3, 34, -1, 0)", "mprotect(0x1000, 4096, 1)", False),
        ("mmap(0x1000, 1, 3, 50, -1, 0)", "munmap(0x1000, 4096)", False),
        ("mremap(0x1000, 1, 2, 1)", "munmap(0x1000, 4096)", True),
        ("mremap(0x1000, 1, 2, 0)", "munmap(0x1000, 4096)", False),
        ("munmap(0x1000, 4096)", "shmat(1, NULL, 0)", True),
        ("brk(0x1000)", "mmap(NULL, 1, 3, 34, -1, 0)", False),
    ],
)
def test_which_calls_depend_on_their_order(one: str, other: str, expected: bool):
    first, second = parse_line(one).what, parse_line(other).what
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert depend(first, second) is expected
    assert depend(second, first) is expected


def test_a_child_that_ended_before_its_parent_learned_of_it_is_born_once(simulate: Simulate):
    log = "1     brk(NULL <unfinished ...>\n1     <... brk resumed>) = 0x555555556000\n1     vfork( <unfinished ...>\n"
    log += "2     getpid() = 2\n2     exit_group(0) = ?\n2     +++ exited with 0 +++\n1     <... vfork resumed>) = 2\n"
    source = simulate(log)
    assert [task.pid for task in source.apply(Seek(ENDING)).tasks] == [1]
    again = (
        log + "1     vfork( <unfinished ...>\n2     getpid() = 2\n1     <... vfork resumed>) = 2\n2     getpid() = 2\n"
    )
    assert [task.pid for task in simulate(again).apply(Seek(ENDING)).tasks] == [1, 2]


def test_what_is_open_is_said_though_the_other_thread_is_not_yet_born_or_has_ended(simulate: Simulate):
    log = f"{START}2     munmap(0x7ffff7ffe000, 4096 <unfinished ...>\n1     clone(child_stack=NULL, "
    log += "flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND <unfinished ...>\n"
    log += f"5     {CALLS[0].removesuffix(')')} <unfinished ...>\n2     <... munmap resumed>)\n2     exit(0) = ?\n"
    log += (
        "2     +++ exited with 0 +++\n1     <... clone resumed>) = 5\n5     <... mmap resumed>)\n1     getpid() = 1\n"
    )
    steps = simulate(log).apply(Seek(ENDING)).steps
    assert steps is not None
    notes = [step.text for step in steps.steps for event in step.events if "leaves open whether" in event.text]
    assert [text.partition("(")[0] for text in notes] == ["munmap", "mmap"]


def test_a_call_whose_end_the_log_does_not_see_may_have_taken_effect_first(simulate: Simulate):
    found = results(simulate, (0, 1))
    log = f"{START}1     {CALLS[0].removesuffix(')')} <unfinished ...>\n2     {CALLS[1]} = {found[1]}\n"
    assert texts(simulate(log).apply(Seek(ENDING)), EventKind.DIVERGENCE) == []
