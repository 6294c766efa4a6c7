"""The scenario of the three allocators, figure by figure."""

import pytest

from memtui.model.heap import ChunkState
from memtui.model.request import Seek, ShowHeap, Step
from memtui.scenarios import scenario_text
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

PT, JE, TC = 1000, 1001, 1002
MEMORY = ("brk", "mmap", "munmap", "mremap", "madvise")
STATES = {
    7: (PT, "0x5555555592a0", 528, 16, ("brk", "brk")),
    8: (
        JE,
        "0x7ffff7a1d000",
        8588,
        32,
        ("mmap", "madvise", "munmap", "mmap", "madvise", "munmap", "mmap", "brk", "mmap", "mmap"),
    ),
    9: (TC, "0x555555d70000", 9616, 2108, ("brk", "brk", "brk", "brk")),
    10: (PT, "0x555555559310", 528, 16, ()),
    11: (JE, "0x7ffff7a1d070", 8588, 32, ()),
    12: (TC, "0x555555d70070", 9616, 2108, ()),
    13: (PT, "0x7ffff7ec1010", 1556, 20, ("mmap",)),
    14: (JE, "0x7ffff7a24040", 8588, 32, ()),
    15: (TC, "0x555555d72000", 10640, 2112, ("brk",)),
    16: (PT, "0", 1556, 1044, ()),
    17: (JE, "0", 8588, 1060, ()),
    18: (TC, "0", 10640, 3136, ()),
    19: (PT, "<void>", 528, 16, ("munmap",)),
    20: (JE, "<void>", 8588, 1060, ()),
    21: (TC, "<void>", 10640, 3136, ()),
    22: (PT, "0x7ffff6fc1010", 16916, 20, ("mmap",)),
    23: (JE, "0x7ffff6000fc0", 31116, 1080, ("mmap", "mmap")),
    24: (TC, "0x555555d72000", 27024, 3136, ("brk",)),
    25: (PT, "0", 16916, 16404, ()),
    26: (JE, "0", 31116, 17468, ()),
    27: (TC, "0", 27024, 18496, ()),
    28: (PT, "<void>", 528, 16, ("munmap",)),
    29: (JE, "<void>", 31116, 1080, ("madvise",)),
    30: (TC, "<void>", 27024, 18496, ()),
}
"""Step -> process, result, VmSize and RssAnon in KiB, system calls that concern memory."""
LAST = 33


@pytest.fixture
def sim() -> SimSource:
    return SimSource(parse(scenario_text("allocators"), "allocators.trace"), ScenarioHost(), "allocators")


def test_every_step_has_the_figures_that_its_narration_tells(sim: SimSource):
    sim.apply(Seek(min(STATES) - 1))
    for number, expected in STATES.items():
        snapshot = sim.apply(Step())
        assert snapshot.mm is not None
        assert snapshot.steps is not None
        assert snapshot.steps.cursor == number
        step, counters = snapshot.steps.steps[number - 1], snapshot.mm.counters
        calls = tuple(name for call in step.calls if (name := call.partition("(")[0]) in MEMORY)
        result = step.text.rpartition(" = ")[2]
        assert (snapshot.mm.pid, result, counters.vm_size, counters.rss_anon, calls) == expected, f"step {number}"
    snapshot = sim.apply(Seek(1 << 62))
    assert snapshot.steps is not None
    assert (snapshot.steps.cursor, snapshot.tasks) == (LAST, ())


@pytest.mark.parametrize(("step", "name", "header"), [(13, "ptmalloc", 16), (14, "jemalloc", 0), (15, "tcmalloc", 0)])
def test_the_heap_view_names_the_allocator_and_finds_the_blocks(sim: SimSource, step: int, name: str, header: int):
    sim.apply(ShowHeap())
    snapshot = sim.apply(Seek(step))
    assert snapshot.mm is not None
    heap = snapshot.mm.heap
    assert heap is not None
    assert heap.allocator.startswith(name)
    blocks = {
        chunk.user: chunk.size for arena in heap.arenas for chunk in arena.chunks if chunk.state is ChunkState.USED
    }
    blocks |= {chunk.user: chunk.size for chunk in heap.mmapped}
    assert set(blocks) == set(heap.owners)
    assert len(blocks) == 3
    small = [blocks[address] for address, owner in heap.owners.items() if owner.requested == 100]
    assert small == [112, 112]
    assert {chunk.header for arena in heap.arenas for chunk in arena.chunks} == {header}
