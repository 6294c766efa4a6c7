"""What reclaim does to pages that MADV_FREE gave up in one of two processes that share them."""

import pytest

from memtui.scenarios.host import ScenarioHost
from memtui.sim.kernel.lru import ACTIVE_ANON
from memtui.sim.machine import Machine
from memtui.trace.parser import parse_line

MIB = 1 << 20
PAGES = 256


def reclaimed(*lines: str) -> tuple[Machine, dict[int, int]]:
    """A machine after the lines and a second process's need of memory; the pages in RAM by process."""
    pressure = (f"[pid 1002] touch(v1+{nth * MIB}, {MIB}, WRITE)" for nth in range(18))
    program = [
        parse_line(line)
        for line in (
            "machine(ram=16M, swap=64M)",
            f"[pid 1000] v0 = mmap(NULL, {MIB}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
            f"[pid 1000] touch(v0, {MIB}, WRITE)",
            "[pid 1000] fork() = 1001",
            *lines,
            f"[pid 1002] v1 = mmap(NULL, {32 * MIB}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
            *pressure,
        )
    ]
    machine = Machine(ScenarioHost(), program)
    while machine.position < len(program):
        machine.step()
        machine.check()
    processes = machine.world.processes
    return machine, {pid: processes[pid].task.mm.rss_anon for pid in (1000, 1001)}


@pytest.mark.parametrize("first", [(), ("[pid 1001] touch(v0, 1, WRITE)",)], ids=["", "the child wrote one"])
def test_the_parents_clean_entries_go_before_the_childs_dirty_ones_keep_the_pages(first: tuple[str, ...]):
    """As the kernel does it to memory.force_empty: the parent is left without, the child loses nothing."""
    machine, resident = reclaimed(*first, f"[pid 1000] madvise(v0, {MIB}, MADV_FREE)")
    gone = PAGES - resident[1000]
    assert gone > PAGES // 2
    assert resident[1001] >= PAGES
    assert machine.world.kernel.lruvec.lists[ACTIVE_ANON].size >= gone - len(first)
    assert machine.world.kernel.vmevents["pglazyfreed"] == len(first)


def test_the_parents_dirty_entries_keep_what_the_child_gave_up():
    machine, resident = reclaimed(f"[pid 1001] madvise(v0, {MIB}, MADV_FREE)")
    assert min(resident.values()) >= PAGES
    assert not machine.world.kernel.vmevents["pglazyfreed"]


def test_what_both_gave_up_goes_everywhere():
    machine, resident = reclaimed(*(f"[pid {pid}] madvise(v0, {MIB}, MADV_FREE)" for pid in (1000, 1001)))
    assert max(resident.values()) < PAGES // 2
    assert machine.world.kernel.vmevents["pglazyfreed"] > PAGES // 2
