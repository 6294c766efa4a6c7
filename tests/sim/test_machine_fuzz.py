"""Random traces on random machines, and what they found; `python -m tests.sim.machine_fuzz` goes on for longer."""

import pytest

from memtui.scenarios.host import ScenarioHost
from tests.sim.machine_fuzz import fuzz, runs

FOUND = {
    "what reclaim takes of shared memory while more of it is made comes back when its turn comes": (
        'machine(ram=3000000, swap=3000000, swap_device="ssd", kernel="6.1", cache="warm")',
        '[pid 1000] v2 = open("/dev/shm/d", O_RDWR|O_CREAT, 0644)',
        "[pid 1000] fallocate(v2, 0, 1048576, 3371008)",
        '[pid 1000] write(v2, "", 6291456)',
    ),
    "what reclaim takes of the pages that are still to be touched needs memory when its turn comes": (
        'machine(ram=4194304, swap=1048576, kernel="3.10", cache="cold")',
        "[pid 1000] v1 = mmap(NULL, 2097152, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
        "[pid 1000] touch(v1, 2097152, WRITE)",
        "[pid 1000] v4 = mmap(NULL, 2097152, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_POPULATE|MAP_ANONYMOUS, -1, 0)",
        "[pid 1000] touch(v1, 2097152, WRITE)",
    ),
    "shared memory that is read from a disk asks for its pages": (
        'machine(ram=4194304, swap=4194304, swap_device="ssd", kernel="6.17", cache="cold")',
        "[pid 1005] mlockall(MCL_CURRENT)",
        "[pid 1005] v5 = mmap(NULL, 6291456, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_POPULATE|MAP_ANONYMOUS, -1, 0)",
        "[pid 1005] touch(v5, 6291456, WRITE)",
        "[pid 1005] v6 = mremap(v5, 6291456, 6291456, MREMAP_MAYMOVE|MREMAP_FIXED, 0x34000000)",
        "[pid 1005] touch(v6+2973696, 409600, READ)",
    ),
    "page tables need memory that no watermark keeps": (
        'machine(ram=1048576, swap=4194304, swap_device="zram", kernel="6.18", stack=1G, cache="warm")',
        "echo 0 > /proc/sys/vm/min_free_kbytes",
        '[pid 1002] v7 = memfd_create("m", 0)',
        "[pid 1002] fallocate(v7, 0, 4096, 1114112)",
        "[pid 1002] v9 = memalign(4096, 2097152)",
    ),
    "where exec cannot be rehearsed nobody else's files are closed": (
        "machine(ram=2097152, swap=0)",
        *(f"[pid {pid}] malloc_trim(0)" for pid in range(1001, 1008)),
        "echo 2 > /proc/sys/vm/overcommit_memory",
        '[pid 1001] execve("/demo/linked", ["linked"], 0)',
    ),
}


@pytest.mark.parametrize("story", FOUND)
def test_what_was_found(story: str):
    assert runs(ScenarioHost(), list(FOUND[story])) == ""


@pytest.mark.parametrize("seed", range(60))
def test_no_step_raises_and_every_invariant_holds(seed: int):
    assert fuzz(ScenarioHost(), f"suite-{seed}", 60) is None
