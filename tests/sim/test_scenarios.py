"""The built-in scenarios, figure by figure."""

from typing import NamedTuple

import pytest

from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.request import Refresh, Seek, Step
from memtui.model.snapshot import Snapshot
from memtui.model.vma import VmaKind
from memtui.scenarios import scenario_names, scenario_text
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

ANON, ZERO = Residence.ANON, Residence.ZERO
HEAP = 0x555555559000


class State(NamedTuple):
    """What a step leaves: its result, and figures of the process in KiB."""

    result: str
    vm_size: int
    rss_anon: int
    vm_pte: int
    heap: tuple[int, int] | None
    """Start and pages of [heap]."""
    runs: tuple[tuple[int, int], ...] = ()
    """Page number in the heap and pages of each run of anonymous pages."""
    calls: tuple[str, ...] = ()
    """Names and last arguments of the system calls that malloc made."""


FIRST_MALLOC = (
    State("0", 396, 12, 28, None),
    State("0x5555555592a0", 528, 16, 28, (HEAP, 33), ((0, 1),), ("getrandom", "brk(NULL)", "brk(0x55555557a000)")),
    State("0", 528, 16, 28, (HEAP, 33), ((0, 1),)),
    State("0x555555559310", 528, 16, 28, (HEAP, 33), ((0, 1),)),
    State("0x555555559700", 528, 20, 28, (HEAP, 33), ((0, 1), (29, 1))),
    State("0x555555576bd0", 692, 24, 28, (HEAP, 74), ((0, 1), (29, 1), (41, 1)), ("brk(0x5555555a3000)",)),
    State("0", 692, 68, 28, (HEAP, 74), ((0, 1), (29, 13))),
    State("<void>", 692, 68, 28, (HEAP, 74), ((0, 1), (29, 13))),
    State("<void>", 644, 68, 28, (HEAP, 62), ((0, 1), (29, 13)), ("brk(0x555555597000)",)),
    State("<void>", 528, 32, 28, (HEAP, 33), ((0, 1), (29, 4)), ("brk(0x55555557a000)",)),
)
"""Steps 2 to 11."""
MAPPED = ("getrandom", "brk(NULL)", "brk(0x55555557a000)", "mmap(NULL, 16781312, ...)")
DEMAND_PAGING = (
    State("0", 396, 12, 28, None),
    State("0x7ffff6fc1010", 16916, 20, 32, (HEAP, 33), ((0, 1),), MAPPED),
    State("0", 16916, 20, 36, (HEAP, 33), ((0, 1),)),
    State("0", 16916, 28, 36, (HEAP, 33), ((0, 1),)),
    State("0", 16916, 1052, 44, (HEAP, 33), ((0, 1),)),
    State("0", 16916, 1052, 44, (HEAP, 33), ((0, 1),)),
    State("0x5555555592a0", 16916, 1052, 44, (HEAP, 33), ((0, 1),)),
    State("0", 16916, 1052, 44, (HEAP, 33), ((0, 1),)),
    State("<void>", 528, 16, 28, (HEAP, 33), ((0, 1),), ("munmap(0x7ffff6fc1000, 16781312)",)),
    State("<void>", 528, 16, 28, (HEAP, 33), ((0, 1),)),
    State("0x555555559310", 1552, 20, 32, (HEAP, 289), ((0, 1), (256, 1)), ("brk(0x55555567a000)",)),
    State("0", 1552, 1040, 32, (HEAP, 289), ((0, 257),)),
    State("<void>", 1552, 1040, 32, (HEAP, 289), ((0, 257),)),
)
"""Steps 2 to 14."""


def scenario(name: str) -> SimSource:
    return SimSource(parse(scenario_text(name), f"{name}.trace"), ScenarioHost(), name)


def state(snapshot: Snapshot) -> State:
    """The figures of a picture."""
    assert snapshot.mm is not None
    assert snapshot.steps is not None
    step = snapshot.steps.steps[snapshot.steps.cursor - 1]
    counters = snapshot.mm.counters
    heap = next((vma for vma in snapshot.mm.vmas if vma.kind is VmaKind.HEAP), None)
    return State(
        step.text.rpartition(" = ")[2],
        counters.vm_size or 0,
        counters.rss_anon or 0,
        counters.vm_pte or 0,
        None if heap is None else (heap.start, heap.pages),
        () if heap is None else tuple(((run.start - heap.start) >> 12, run.pages) for run in heap.runs or ()),
        () if "execve(" in step.text else tuple(short(call) for call in step.calls),
    )


def short(call: str) -> str:
    name = call.partition("(")[0]
    if name == "getrandom":
        return name
    arguments = call.partition("(")[2].partition(")")[0].split(", ")
    return f"{name}({', '.join(arguments[:2] + ['...'] * (len(arguments) > 2))})"


@pytest.mark.parametrize(("name", "states"), [("first-malloc", FIRST_MALLOC), ("demand-paging", DEMAND_PAGING)])
def test_every_step_has_the_figures_that_its_narration_tells(name: str, states: tuple[State, ...]):
    sim = scenario(name)
    sim.apply(Step())
    for number, expected in enumerate(states, 2):
        snapshot = sim.apply(Step())
        assert snapshot.steps is not None
        assert snapshot.steps.cursor == number
        assert state(snapshot) == expected, f"step {number}"
        sim._machine.check()
        rest = {name: snapshot.system.meminfo[name] for name in ("AnonPages", "Cached", "PageTables", "Shmem")}
        assert rest == {"AnonPages": expected.rss_anon, "Cached": 228, "PageTables": expected.vm_pte, "Shmem": 0}
        assert snapshot.system.meminfo["MemFree"] == (256 << 10) - sum(rest.values())


@pytest.mark.parametrize("name", scenario_names())
def test_at_the_end_everything_is_free_but_the_page_cache(name: str):
    snapshot = scenario(name).apply(Seek(1 << 62))
    assert snapshot.mm is None
    assert snapshot.tasks == ()
    assert snapshot.steps is not None
    assert (snapshot.steps.divergences, snapshot.steps.without_effect) == (0, 0)
    figures = snapshot.system.meminfo
    assert (figures["AnonPages"], figures["PageTables"], figures["Committed_AS"]) == (0, 0, 0)
    assert figures["MemFree"] == figures["MemTotal"] - figures["Cached"]


def mapping(mm: MmSnapshot | None) -> list[tuple[Residence, int, int]]:
    """The runs of the large mapping: residence, page number, pages."""
    assert mm is not None
    vma = next(vma for vma in mm.vmas if vma.start == 0x7FFFF6FC1000)
    assert vma.pages == 4097
    return [(run.residence, (run.start - vma.start) >> 12, run.pages) for run in vma.runs or ()]


def test_demand_paging_shows_zero_pages_and_what_becomes_of_them():
    sim = scenario("demand-paging")
    seen = [mapping(sim.apply(Seek(number)).mm) for number in (3, 4, 5, 6, 7)]
    header, written = (ANON, 0, 1), (ANON, 3072, 256)
    assert seen[0] == [header]
    assert seen[1] == [header, (ZERO, 2048, 4)]
    assert seen[2] == [header, (ANON, 2048, 2), (ZERO, 2050, 2)]
    assert seen[3] == seen[4] == [header, (ANON, 2048, 2), (ZERO, 2050, 2), written]


def test_first_malloc_makes_the_heap_a_vma_of_its_own():
    sim = scenario("first-malloc")
    before, after = sim.apply(Seek(2)).mm, sim.apply(Step()).mm
    assert before is not None
    assert after is not None
    assert len(after.vmas) == len(before.vmas) + 1
    heap = next(vma for vma in after.vmas if vma.name == "[heap]")
    assert next(vma.end for vma in before.vmas if vma.end == heap.start)
    assert (heap.start, heap.end, heap.perms) == (HEAP, 0x55555557A000, "rw-p")
    assert heap.vm_flags == ("rd", "wr", "mr", "mw", "me", "ac")
    assert sim.apply(Refresh()).mm is after
