"""RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, vm.max_map_count."""

import pytest

from memtui.sim.kernel import brk, madvise, mlock, mmap, mprotect, mremap, munmap
from memtui.sim.kernel.mman import MADV_RANDOM, MAP_LOCKED
from memtui.sim.kernel.task import CAP_IPC_LOCK
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, RW, SHARED, R, World, space


def test_address_space() -> None:
    world = space("wwww")
    world.task.rlimits["AS"] = (world.task.mm.total_vm + 4) * PAGE
    assert world.call(mmap.sys_mmap, 0, 5 * PAGE, 0, ANON_PRIVATE, -1, 0).errno == "ENOMEM"
    world.put(0, 8, R)
    world.ok(mmap.sys_mmap, AT, 8 * PAGE, RW, ANON_PRIVATE | FIXED, -1, 0)
    assert world.call(mremap.sys_mremap, AT, 8 * PAGE, 9 * PAGE, 1, 0).errno == "ENOMEM"


def test_data_counts_private_writable_memory_only() -> None:
    world = space("wwww")
    world.task.rlimits["DATA"] = (world.task.mm.data_vm + 2) * PAGE
    refused = world.call(mmap.sys_mmap, 0, 3 * PAGE, RW, ANON_PRIVATE, -1, 0)
    assert refused.errno == "ENOMEM"
    assert "RLIMIT_DATA" in refused.why
    world.put(10, 3, R)
    world.put(20, 3, RW, ANON | SHARED)
    assert world.call(mprotect.sys_mprotect, AT + 10 * PAGE, 3 * PAGE, RW).errno == "ENOMEM"
    world.protect(10, 2, RW)
    assert world.call(brk.sys_brk, 0x6C0000).value == 0x6BE000


def test_locked_memory() -> None:
    world = space("wwww")
    world.task.caps -= {CAP_IPC_LOCK}
    world.task.rlimits["MEMLOCK"] = 2 * PAGE
    assert world.call(mlock.sys_mlock, AT, 3 * PAGE).errno == "ENOMEM"
    world.lock(0, 2)
    world.lock(0, 2)
    assert world.call(mmap.sys_mmap, 0, PAGE, RW, ANON_PRIVATE | MAP_LOCKED, -1, 0).errno == "EAGAIN"
    assert world.call(mlock.sys_mlockall, 1).errno == "ENOMEM"
    world.task.rlimits["MEMLOCK"] = 0
    assert world.call(mlock.sys_mlock, AT, PAGE).errno == "EPERM"
    assert world.counters()["vm_lck"] == 8


def test_mlockall_future_locks_what_comes() -> None:
    world = World()
    world.ok(mlock.sys_mlockall, 2)
    world.put(0, 3)
    world.brk(0x6C0000)
    assert world.areas()[0].flags == "rd wr mr mw me lo ac"
    assert world.counters()["vm_lck"] == 20
    assert world.task.mm.pages.get(AT)
    world.ok(mlock.sys_munlockall)
    assert world.counters()["vm_lck"] == 0


@pytest.fixture
def full() -> World:
    """As many VMAs as a split still allows, none of them mergeable, and a large one at page 1000."""
    world = World(sysctl={"max_map_count": 50})
    world.put(1000, 9)
    at = 0
    while world.task.mm.map_count < 50:
        world.put(at, 1, R if at % 4 else RW)
        at += 2
    return world


def test_at_the_limit_only_mmap_makes_one_more(full: World) -> None:
    assert full.call(mprotect.sys_mprotect, AT + 1001 * PAGE, PAGE, R).errno == "ENOMEM"
    assert full.call(munmap.sys_munmap, AT + 1001 * PAGE, PAGE).errno == "ENOMEM"
    assert full.call(madvise.sys_madvise, AT + 1000 * PAGE, PAGE, MADV_RANDOM).errno == "EAGAIN"
    full.put(2000)
    assert full.task.mm.map_count == 51
    assert full.call(mmap.sys_mmap, AT + 2002 * PAGE, PAGE, RW, ANON_PRIVATE | FIXED, -1, 0).errno == "ENOMEM"
    full.unmap(1000, 2)
    full.unmap(2000)


def test_one_below_the_limit_the_first_split_happens() -> None:
    world = World(sysctl={"max_map_count": 5})
    world.put(0, 3)
    assert world.task.mm.map_count == 4
    assert world.call(mprotect.sys_mprotect, AT + PAGE, PAGE, R).errno == "ENOMEM"
    assert world.ruler() == "w|ww"
