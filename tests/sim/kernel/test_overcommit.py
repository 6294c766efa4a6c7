"""What is charged, and when a charge is refused: the figures of a machine of 24684096 kB without swap."""

import pytest

from memtui.sim.kernel import fork, memfd, mmap, mprotect, mremap, munmap, overcommit, shm
from memtui.sim.kernel.exit import sys_exit_group
from memtui.sim.kernel.mman import MAP_NORESERVE
from memtui.sim.kernel.truncate import sys_ftruncate
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, World

RAM = 6171024


def grown(world: World, pages_before: int) -> int:
    return world.kernel.committed - pages_before


def test_mode_0_refuses_only_more_than_ram_and_swap() -> None:
    world = World()
    assert world.call(mmap.sys_mmap, 0, (RAM + 1) * PAGE, RW, ANON_PRIVATE, -1, 0).errno == "ENOMEM"
    world.map(pages=RAM)
    world.map(pages=RAM)
    assert world.kernel.committed > 2 * RAM


def test_mode_1_refuses_nothing() -> None:
    world = World(sysctl={"overcommit_memory": 1})
    world.map(pages=2 * RAM)


def test_mode_2_is_strict_to_the_page() -> None:
    world = World(sysctl={"overcommit_memory": 2})
    limit = RAM * 50 // 100
    assert overcommit.commit_limit(world.kernel) == limit
    reserve = min(world.task.mm.total_vm // 32, 100409 >> 2)
    room = limit - reserve - world.kernel.committed
    refused = world.call(mmap.sys_mmap, 0, room * PAGE, RW, ANON_PRIVATE, -1, 0)
    assert refused.errno == "ENOMEM"
    assert "1 pages over the limit" in refused.why
    world.map(pages=room - 1)


def test_mode_2_keeps_a_reserve_for_the_administrator() -> None:
    world = World(sysctl={"overcommit_memory": 2, "overcommit_kbytes": 4 << 20}, cap_sys_admin=False)
    assert overcommit.commit_limit(world.kernel) == 1 << 20
    room = (1 << 20) - (8192 >> 2) - min(world.task.mm.total_vm // 32, 100409 >> 2) - world.kernel.committed
    assert world.call(mmap.sys_mmap, 0, room * PAGE, RW, ANON_PRIVATE, -1, 0).errno == "ENOMEM"
    world.map(pages=room - 1)


def test_noreserve_counts_only_in_mode_2() -> None:
    for mode, charged in ((0, 0), (1, 0), (2, 8)):
        world = World(sysctl={"overcommit_memory": mode})
        before = world.kernel.committed
        world.map(pages=8, flags=ANON_PRIVATE | MAP_NORESERVE)
        assert grown(world, before) == charged


def test_only_private_writable_memory_is_charged() -> None:
    world = World()
    before = world.kernel.committed
    world.put(0, 8, R)
    assert grown(world, before) == 0
    world.protect(0, 2, RW)
    assert grown(world, before) == 2
    world.protect(0, 2, R)
    assert grown(world, before) == 0
    world.protect(0, 2, RW)
    world.write(0)
    world.protect(0, 1, R)
    world.protect(1, 1, R)
    assert grown(world, before) == 2
    world.unmap(0, 8)
    assert grown(world, before) == 0


def test_replacing_charges_the_difference() -> None:
    world = World()
    before = world.kernel.committed
    world.put(0, 8)
    world.put(2, 4)
    assert grown(world, before) == 8
    world.put(2, 4, R)
    assert grown(world, before) == 4


def test_shared_memory_is_charged_whole_until_its_last_piece_is_gone() -> None:
    world = World()
    before = world.kernel.committed
    world.put(0, 8, RW, ANON | SHARED)
    assert grown(world, before) == 8
    world.unmap(0, 4)
    assert grown(world, before) == 8
    world.unmap(4, 4)
    assert grown(world, before) == 0


def test_shared_noreserve_and_memfd_are_charged_page_by_page() -> None:
    world = World()
    before = world.kernel.committed
    world.put(0, 8, RW, ANON | SHARED | MAP_NORESERVE)
    fd = world.ok(memfd.sys_memfd_create, "m", 0)
    world.ok(sys_ftruncate, fd, 8 * PAGE)
    world.put(8, 8, RW, SHARED, fd=fd)
    assert grown(world, before) == 0
    world.write(0, 3)
    world.read(8, 2)
    assert grown(world, before) == 5


def test_system_v_memory_is_charged_at_shmget() -> None:
    world = World()
    before = world.kernel.committed
    shmid = world.ok(shm.sys_shmget, 1, 8 * PAGE, 0o1600)
    assert grown(world, before) == 8
    world.ok(shm.sys_shmat, shmid, AT, 0)
    world.ok(shm.sys_shmctl, shmid, 0)
    assert grown(world, before) == 8
    world.ok(shm.sys_shmdt, AT)
    assert grown(world, before) == 0


def test_fork_charges_again_and_exit_gives_back() -> None:
    world = World()
    world.put(0, 8)
    before = world.kernel.committed
    child = world.fork()
    assert world.kernel.committed == 2 * before
    sys_exit_group(world.kernel, child)
    assert world.kernel.committed == before


def test_a_fork_that_is_refused_charges_nothing() -> None:
    world = World(sysctl={"overcommit_memory": 2, "overcommit_kbytes": 100 << 10})
    world.put(0, 15000)
    before = world.kernel.committed
    assert world.call(fork.sys_fork).errno == "ENOMEM"
    assert world.kernel.committed == before


def test_mremap_charges_growth_and_copies() -> None:
    world = World()
    world.put(0, 4)
    before = world.kernel.committed
    world.ok(mremap.sys_mremap, AT, 4 * PAGE, 6 * PAGE, 0, 0)
    assert grown(world, before) == 2
    world.move(0, 6, to=20)
    assert grown(world, before) == 2
    world.ok(mremap.sys_mremap, AT + 20 * PAGE, 6 * PAGE, 6 * PAGE, 5, 0)
    assert grown(world, before) == 8


@pytest.mark.parametrize(("release", "left"), [("6.18.44", 6), ("6.14", 2)])
def test_what_a_move_cuts_off_stays_charged_since_6_15(release: str, left: int) -> None:
    world = World(release)
    before = world.kernel.committed
    world.put(0, 6)
    place = world.map(pages=2, prot=0)
    world.ok(mremap.sys_mremap, AT, 6 * PAGE, 2 * PAGE, 3, place)
    assert grown(world, before) == left
    world.ok(munmap.sys_munmap, place, 2 * PAGE)
    assert grown(world, before) == left - 2


def test_a_refused_mprotect_changes_nothing() -> None:
    world = World(sysctl={"overcommit_memory": 2, "overcommit_kbytes": 100 << 10})
    world.put(0, 40000, R)
    before = world.kernel.committed
    assert world.call(mprotect.sys_mprotect, AT, 40000 * PAGE, RW).errno == "ENOMEM"
    assert world.kernel.committed == before
    assert [area.perms for area in world.areas()] == ["r--p"]


def test_a_refused_fixed_mapping_leaves_the_cuts_and_the_pages() -> None:
    world = World(sysctl={"overcommit_memory": 2, "overcommit_kbytes": 100 << 10})
    world.put(0, 4)
    world.write(0, 4)
    refused = world.call(mmap.sys_mmap, AT + 2 * PAGE, 40000 * PAGE, RW, FIXED | ANON | PRIVATE, -1, 0)
    assert refused.errno == "ENOMEM"
    assert world.ruler() == "ww|ww"
    assert world.task.mm.pages.get(AT + 3 * PAGE)
    world.ok(munmap.sys_munmap, AT, 4 * PAGE)
