"""Kernel versions as data: what an older kernel does differently."""

import pytest

from memtui.sim.kernel import madvise, mmap, mremap, mseal, munmap
from memtui.sim.kernel.mman import MADV_DONTNEED, MADV_GUARD_INSTALL, MAP_DROPPABLE, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN
from memtui.sim.kernel.profile import profile_for
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, RW, R, World, space


def test_only_the_checked_version_is_exact() -> None:
    assert profile_for("6.18.44").exact
    assert profile_for("6.18.44").name == "6.18"
    assert not profile_for("6.19").exact
    assert not profile_for("2.6.32").exact
    with pytest.raises(ValueError, match="not a kernel release"):
        profile_for("latest")


@pytest.mark.parametrize(
    ("release", "multiple", "odd"),
    [("6.18.44", 0x7FFFF7C00000, False), ("6.6", 0, False), ("6.8", 0x7FFFF7C00000, True)],
)
def test_alignment_of_large_mappings(release: str, multiple: int, odd: bool) -> None:
    world = World(release)
    assert world.map(pages=512) == (multiple or 0x7FFFF7FF7000 - (2 << 20))
    assert (world.map(pages=1025) % (2 << 20) == 0) is odd


def test_moving_several_vmas_came_with_6_17() -> None:
    for release, after in (("6.18.44", "....r|ww"), ("6.16", "r|ww")):
        world = space("r|ww", World(release))
        outcome = world.call(mremap.sys_mremap, AT, 3 * PAGE, 3 * PAGE, 3, AT + 4 * PAGE)
        assert outcome.errno == ("EFAULT" if release == "6.16" else "")
        assert world.ruler() == after


def test_calls_that_did_not_exist() -> None:
    old = World("5.0")
    old.put(0, 4)
    assert old.call(mseal.sys_mseal, AT, PAGE, 0).errno == "ENOSYS"
    assert old.call(madvise.sys_madvise, AT, PAGE, MADV_GUARD_INSTALL).errno == "EINVAL"
    assert old.call(mmap.sys_mmap, 0, PAGE, RW, ANON | MAP_DROPPABLE, -1, 0).errno == "EINVAL"
    assert old.call(mremap.sys_mremap, AT, PAGE, PAGE, 5, 0).errno == "EINVAL"


@pytest.mark.parametrize(("release", "taken"), [("6.18.44", True), ("4.17", True), ("4.16", False)])
def test_map_fixed_noreplace_is_a_hint_before_4_17(release: str, taken: bool) -> None:
    world = World(release)
    world.put(0, 4)
    outcome = world.call(mmap.sys_mmap, AT, PAGE, RW, ANON_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0)
    assert outcome.errno == ("EEXIST" if taken else "")
    assert world.ruler() == "wwww"


def test_an_old_stack_keeps_one_page_of_distance() -> None:
    world = World("2.6.32")
    world.map(AT + 100 * PAGE, 1, RW, ANON_PRIVATE | FIXED | MAP_GROWSDOWN)
    world.put(0, 1)
    world.touch(AT + 2 * PAGE, write=True)
    assert world.ruler().startswith("w.w")


def test_page_tables_are_kept_before_6_14() -> None:
    tables = {}
    for release in ("6.18.44", "6.13"):
        world = World(release)
        world.map(0x2000_0000, 512, RW, ANON_PRIVATE | FIXED)
        world.touch(0x2000_0000, 512, write=True)
        world.ok(madvise.sys_madvise, 0x2000_0000, 2 << 20, MADV_DONTNEED)
        tables[release] = world.task.mm.pages.tables
    assert tables["6.13"] == tables["6.18.44"] + 1


def test_forked_memory_merges_after_mremap_before_6_18() -> None:
    for release, after in (("6.18.44", "w|w"), ("6.17", "ww")):
        world = space("w...w", World(release))
        world.write(4)
        child = world.fork()
        world.ok(mremap.sys_mremap, AT + 4 * PAGE, PAGE, PAGE, 3, AT + 9 * PAGE, task=child)
        world.ok(mmap.sys_mmap, AT, PAGE, R, ANON_PRIVATE | FIXED, -1, 0, task=child)
        world.ok(mmap.sys_mmap, AT + 3 * PAGE, PAGE, RW, ANON_PRIVATE | FIXED, -1, 0, task=child)
        world.ok(mremap.sys_mremap, AT + 9 * PAGE, PAGE, PAGE, 3, AT + 4 * PAGE, task=child)
        assert world.ruler(child) == f"r..{after}"


def test_before_3_9_the_search_goes_on_below_the_mapping_made_last() -> None:
    for release, after in (("6.18.44", 0x7FFFF7FF3000), ("2.6.32", 0x7FFFF7FF2000)):
        world = World(release)
        low = [world.map(pages=1) for _ in range(4)][-1]
        assert low == 0x7FFFF7FF3000
        world.ok(munmap.sys_munmap, low, PAGE)
        first = 0x7FFFF7FF6000
        world.ok(munmap.sys_munmap, first, PAGE)
        # Today the highest hole; then the cached place was lifted to the end of what was unmapped above it.
        assert world.map(pages=1) == first
        assert world.map(pages=1) in (low, after)


def test_before_3_9_a_hole_above_the_cached_place_is_not_seen() -> None:
    world = World("2.6.32")
    blocks = [world.map(pages=2) for _ in range(3)]
    world.ok(munmap.sys_munmap, blocks[0], PAGE)
    large = world.map(pages=3)
    assert large == blocks[2] - 3 * PAGE
    assert world.map(pages=1) == large - PAGE


def test_mode_0_counted_what_was_free() -> None:
    ram = 65536
    for release, errno in (("6.18.44", ""), ("5.0", "ENOMEM")):
        world = World(release, totalram_pages=ram, total_swap_pages=0)
        assert world.call(mmap.sys_mmap, 0, (ram - 100) * PAGE, RW, ANON_PRIVATE, -1, 0).errno == errno
        assert world.call(mmap.sys_mmap, 0, ram // 2 * PAGE, RW, ANON_PRIVATE, -1, 0).errno == ""


def test_mode_2_kept_shares_back_for_root_and_others() -> None:
    limits = {}
    for release in ("6.18.44", "2.6.32"):
        facts = {"totalram_pages": 65536, "sysctl": {"overcommit_memory": 2}, "cap_sys_admin": False}
        world = World(release, **facts)
        low, high = 0, 65536
        while high - low > 1:
            middle = (low + high) // 2
            outcome = world.call(mmap.sys_mmap, 0, middle * PAGE, RW, ANON_PRIVATE, -1, 0)
            low, high = (low, middle) if outcome.errno else (middle, high)
            if not outcome.errno:
                world.ok(munmap.sys_munmap, outcome.value, middle * PAGE)
        limits[release] = low + world.kernel.committed, world.task.mm.total_vm
    # Half of 65,536 pages, strictly below; 8,192 kB for the administrator today, 1/32 of it then.
    for release, kept in (("6.18.44", 2048), ("2.6.32", 1024)):
        largest, total_vm = limits[release]
        assert largest == 32768 - kept - total_vm // 32 - 1


def test_what_came_with_a_version_is_not_there_before() -> None:
    assert profile_for("6.9").brk_range == 32 * profile_for("6.8").brk_range
    assert profile_for("3.7").free_area_cache
    assert not profile_for("3.8").free_area_cache
    assert profile_for("3.15").fault_around
    assert not profile_for("3.14").fault_around
    assert [profile_for(name).mdwe for name in ("6.2", "6.3")] == [False, True]
    assert [profile_for(name).memory_merge for name in ("6.3", "6.4")] == [False, True]
