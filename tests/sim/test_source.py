"""Stepping, jumping and injecting: always the state of a fresh run to the same place."""

import random

import pytest

from memtui.model.errors import NotSupported, ParseError
from memtui.model.event import EventKind
from memtui.model.mm import MmSnapshot
from memtui.model.request import Back, Focus, Inject, Refresh, Request, Seek, SetOomScoreAdj, Step
from memtui.model.snapshot import Snapshot
from memtui.sim import history, source

STORY = """\
## One
# The machine.
machine(ram=64M, swap=16M)
execve("/demo/hello", ["hello"], 0)
p = malloc(1000)
touch(p, 1000, WRITE)
m = mmap(NULL, 1M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
touch(m, 256K, WRITE)
## Two
c = fork()
touch(m, 4K, WRITE)
mprotect(m+64K, 64K, PROT_READ)
echo 1 > /proc/sys/vm/overcommit_memory
munmap(m+512K, 128K)
unknown(1, 2)
mmap(NULL, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
free(p)
q = malloc(200000)
free(q)
exit_group(0)
"""
STEPS = 17


def plain(snapshot: Snapshot) -> object:
    """A picture by value."""
    assert snapshot.steps is not None
    log = snapshot.steps
    return (
        dict(snapshot.system.meminfo),
        dict(snapshot.system.sysctl),
        snapshot.tasks,
        snapshot.domain,
        mm_values(snapshot.mm),
        dict(snapshot.unknown),
        snapshot.events,
        (log.steps, log.cursor, log.divergences, log.without_effect),
    )


def mm_values(mm: MmSnapshot | None) -> object:
    return mm and (mm.pid, mm.comm, mm.vmas, mm.counters, mm.start_brk, mm.brk, mm.start_stack, mm.cmdline, mm.exe)


@pytest.fixture(scope="module")
def fresh():
    """Every state of STORY, each from a run of its own."""
    from memtui.scenarios.host import ScenarioHost
    from memtui.trace.parser import parse

    trace = parse(STORY, "test.trace")
    return [plain(source.SimSource(trace, ScenarioHost(), "test").apply(Seek(number))) for number in range(STEPS + 1)]


def test_the_states_differ(fresh):
    assert len({repr(state) for state in fresh}) == STEPS + 1


@pytest.mark.parametrize("seed", range(6))
def test_any_way_to_a_step_gives_the_state_of_a_fresh_run(simulate, fresh, seed: int, monkeypatch: pytest.MonkeyPatch):
    if seed % 2:
        monkeypatch.setattr(history, "HISTORY_PICTURES", 3)
        monkeypatch.setattr(source, "TAIL", 2)
    rng = random.Random(seed)
    sim, at = simulate(STORY), 0
    for _ in range(60):
        request: Request
        match rng.randrange(4):
            case 0:
                count = rng.randrange(4)
                request, at = Step(count), min(at + count, STEPS)
            case 1:
                count = rng.randrange(6)
                request, at = Back(count), max(at - count, 0)
            case 2:
                number = rng.randrange(STEPS + 4)
                request, at = Seek(number), min(number, STEPS)
            case _:
                request = Refresh()
        assert plain(sim.apply(request)) == fresh[at], request


def test_before_the_first_step_the_machine_is_empty(simulate):
    snapshot = simulate(STORY).apply(Refresh())
    assert snapshot.source == "sim"
    assert snapshot.mm is None
    assert snapshot.unknown == {"mm": "no process has started yet"}
    assert snapshot.tasks == ()
    assert snapshot.system.meminfo["MemFree"] == snapshot.system.meminfo["MemTotal"] == 65536
    assert snapshot.steps.cursor == 0
    assert [step.done for step in snapshot.steps.steps] == [False] * STEPS
    assert snapshot.steps.steps[0].narration == "The machine."
    assert snapshot.steps.steps[0].chapter == "One"
    assert snapshot.steps.steps[2].text == "p = malloc(1000)"


def test_steps_that_ran_have_results_and_those_behind_do_not(simulate):
    log = simulate(STORY).apply(Seek(3)).steps
    assert log.steps[2].text == "malloc(1000)                            = 0x5555555592a0"
    assert [step.number for step in log.steps] == list(range(1, STEPS + 1))
    assert [step.done for step in log.steps] == [True] * 3 + [False] * (STEPS - 3)
    assert log.steps[2].calls[1:] == (
        "brk(NULL)                               = 0x555555559000",
        "brk(0x55555557a000)                     = 0x55555557a000",
    )


def test_stepping_back_needs_no_new_run(simulate):
    sim = simulate(STORY)
    sim.apply(Seek(STEPS))
    machine = sim._machine
    for _ in range(STEPS):
        sim.apply(Back())
    assert sim.apply(Refresh()).steps.cursor == 0
    assert sim._machine is machine


def test_pictures_are_bounded_by_their_vmas(monkeypatch: pytest.MonkeyPatch, simulate):
    monkeypatch.setattr(history, "HISTORY_VMAS", 40)
    sim = simulate(STORY)
    sim.apply(Seek(STEPS))
    assert sum(len(picture.mm.vmas) for picture in sim._pictures._kept.values() if picture.mm) <= 40
    assert sim.apply(Back(12)).steps.cursor == STEPS - 12


def test_an_injected_line_runs_behind_the_cursor_and_the_rest_stays(simulate):
    sim = simulate(STORY)
    sim.apply(Seek(10))
    sim.apply(Back(5))
    snapshot = sim.apply(Inject("x = mmap(NULL, 64K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"))
    log = snapshot.steps
    assert log.cursor == 6
    assert len(log.steps) == STEPS + 1
    assert log.steps[5].text.startswith("mmap(NULL, 65536, PROT_READ")
    assert log.steps[5].line == 0
    assert [step.done for step in log.steps] == [True] * 6 + [False] * (STEPS - 5)
    assert [step.number for step in log.steps] == list(range(1, STEPS + 2))
    end = sim.apply(Seek(STEPS + 1))
    again = simulate(
        STORY.replace(
            "touch(m, 256K, WRITE)",
            "x = mmap(NULL, 64K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\ntouch(m, 256K, WRITE)",
        )
    )
    assert mm_values(sim.apply(Back(2)).mm) == mm_values(again.apply(Seek(STEPS - 1)).mm)
    assert end.mm is None


def test_injecting_twice_at_one_place_puts_the_later_line_first(simulate):
    sim = simulate(STORY)
    sim.apply(Seek(2))
    sim.apply(Inject("mlockall(MCL_CURRENT)"))
    sim.apply(Back())
    log = sim.apply(Inject("munlockall()")).steps
    assert [step.text.split("(")[0] for step in log.steps[1:4]] == ["execve", "munlockall", "mlockall"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mmap(NULL, 4096", "expected"),
        ("touch(nowhere, 4096, WRITE)", "nowhere"),
        ("munmap(0x1000)", "expected 2 arguments"),
        ("machine(ram=1G)", "first line"),
        ("echo many > /proc/sys/vm/overcommit_memory", "number"),
        ('mmap("text", 4096, PROT_READ, MAP_PRIVATE, -1, 0)', "number"),
    ],
)
def test_a_wrong_line_changes_nothing(simulate, fresh, line: str, words: str):
    sim = simulate(STORY)
    sim.apply(Seek(7))
    sim.apply(Back(2))
    with pytest.raises(ParseError, match=words):
        sim.apply(Inject(line))
    assert plain(sim.apply(Refresh())) == fresh[5]
    assert plain(sim.apply(Step())) == fresh[6]


def test_injecting_at_the_end_makes_the_trace_longer(simulate):
    sim = simulate(STORY)
    sim.apply(Seek(STEPS))
    sim.apply(Back(1))
    snapshot = sim.apply(Inject("touch(m, 4K, READ)"))
    assert snapshot.steps.cursor == STEPS
    assert snapshot.mm is not None


def test_focus_shows_another_process_and_injects_into_it(simulate):
    sim = simulate(STORY)
    parent = sim.apply(Seek(7)).mm
    child = next(task.pid for task in sim.apply(Refresh()).tasks if task.pid != parent.pid)
    assert sim.apply(Focus(child)).mm.pid == child
    assert sim.apply(Step()).mm.counters.rss_anon == parent.counters.rss_anon
    log = sim.apply(Inject("brk(NULL)")).steps
    assert log.steps[log.cursor - 1].pid == child
    before = sim.apply(Seek(3))
    assert before.mm is None
    assert str(child) in before.unknown["mm"]


def test_a_process_that_is_not_there(simulate):
    sim = simulate(STORY)
    sim.apply(Seek(4))
    with pytest.raises(NotSupported, match="4711"):
        sim.apply(Focus(4711))
    assert sim.apply(Refresh()).mm is not None


def test_what_a_simulation_cannot_do(simulate):
    sim = simulate(STORY)
    assert SetOomScoreAdj not in sim.accepts
    with pytest.raises(NotSupported):
        sim.apply(SetOomScoreAdj(1, 0))


def test_unchanged_parts_are_the_same_objects(simulate):
    sim = simulate(STORY)
    one, two = sim.apply(Seek(9)), sim.apply(Seek(10))
    same = [vma for vma in two.mm.vmas if any(vma is other for other in one.mm.vmas)]
    assert len(same) == len(two.mm.vmas)
    assert two.system is not one.system
    assert two.tasks is one.tasks
    touched = sim.apply(Seek(11))
    heap = next(vma for vma in two.mm.vmas if vma.name == "[heap]")
    assert any(vma is heap for vma in touched.mm.vmas)
    assert sim.apply(Refresh()) is sim.apply(Refresh())


def test_events_are_those_of_the_last_step(simulate):
    sim = simulate(STORY)
    kinds = {number: [event.kind for event in sim.apply(Seek(number)).events] for number in (11, 12, 13)}
    assert kinds == {11: [], 12: [EventKind.NO_EFFECT], 13: [EventKind.FAILURE]}
    assert sim.apply(Seek(STEPS)).steps.without_effect == 1
