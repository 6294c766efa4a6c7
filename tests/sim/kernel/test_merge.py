"""When VMAs merge and when they do not: layouts drawn before and after."""

import pytest

from memtui.sim.kernel import memfd, mmap, shm
from memtui.sim.kernel.file import sys_dup, sys_open
from memtui.sim.kernel.mman import (
    MADV_DONTFORK,
    MADV_GUARD_INSTALL,
    MADV_HUGEPAGE,
    MADV_MERGEABLE,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_WIPEONFORK,
)
from memtui.sim.kernel.mprotect import sys_mprotect
from memtui.sim.kernel.mseal import sys_mseal
from memtui.sim.kernel.munmap import sys_munmap
from memtui.sim.kernel.truncate import sys_ftruncate
from tests.sim.kernel.world import ANON, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, World, space


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        ("ww....", (2, 2, RW), "wwww"),
        ("..ww..", (0, 2, RW), "wwww"),
        ("ww..ww", (2, 2, RW), "wwwwww"),
        ("ww..ww", (2, 1, RW), "www.ww"),
        ("ww..rr", (2, 2, RW), "wwww|rr"),
        ("rr..rr", (2, 2, RW), "rr|ww|rr"),
        ("wwwwww", (2, 2, R), "ww|rr|ww"),
        ("ww|rr|ww", (2, 2, RW), "wwwwww"),
        ("rrww", (0, 3, RW), "wwww"),
        ("n.n", (1, 1, 0), "nnn"),
    ],
)
def test_new_ranges(before: str, new: tuple[int, int, int], after: str) -> None:
    world = space(before)
    world.put(*new)
    assert world.ruler() == after


@pytest.mark.parametrize(
    ("before", "changed", "after"),
    [
        ("wwww", (0, 2, R), "rr|ww"),
        ("wwww", (1, 2, R), "w|rr|w"),
        ("rr|ww", (2, 2, R), "rrrr"),
        ("rr|ww", (2, 1, R), "rrr|w"),
        ("ww|rr", (1, 1, R), "w|rrr"),
        ("r|w|r", (1, 1, R), "rrr"),
        ("wwww", (0, 4, RW), "wwww"),
        ("rr|ww|xx", (0, 6, R), "rrrrrr"),
    ],
)
def test_changed_ranges(before: str, changed: tuple[int, int, int], after: str) -> None:
    world = space(before)
    world.protect(*changed)
    assert world.ruler() == after


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ("wwwwww", (2, 2), "ww..ww"),
        ("wwwwww", (0, 2), "..wwww"),
        ("ww|rr|xx", (1, 4), "w....x"),
        ("ww..rr", (0, 6), ""),
        ("ww....", (2, 4), "ww"),
    ],
)
def test_unmapping(before: str, gone: tuple[int, int], after: str) -> None:
    world = space(before)
    world.unmap(*gone)
    assert world.ruler() == after


def test_equal_flags_do_not_merge_by_themselves() -> None:
    world = space("www")
    world.advise(1, 1, MADV_RANDOM)
    assert world.ruler() == "w|w|w"
    world.advise(1, 1, MADV_NORMAL)
    assert world.ruler() == "www"


def test_an_unchanged_vma_is_not_tried() -> None:
    world = space("w.w")
    world.write(0)
    world.write(2)
    world.put(1)
    world.protect(1, 1, RW)
    assert world.ruler() == "ww|w"


@pytest.mark.parametrize("advice", [MADV_DONTFORK, MADV_HUGEPAGE, MADV_MERGEABLE, MADV_WIPEONFORK])
def test_flags_keep_vmas_apart(advice: int) -> None:
    world = space("wwww")
    world.advise(0, 2, advice)
    assert world.ruler() == "ww|ww"
    world.advise(2, 2, advice)
    assert world.ruler() == "wwww"


def test_guard_regions_do_not_split() -> None:
    world = space("wwww")
    world.advise(1, 1, MADV_GUARD_INSTALL)
    assert world.ruler() == "wwww"
    assert "gu" in world.areas()[0].flags
    world.put(4)
    assert world.ruler() == "wwwww"
    assert "gu" in world.areas()[0].flags


def test_two_opens_are_two_files_and_a_dup_is_one() -> None:
    world = World()
    first = world.ok(sys_open, "/disk/big", 0)
    second = world.ok(sys_open, "/disk/big", 0)
    twin = world.ok(sys_dup, first)
    world.put(0, 1, R, PRIVATE, fd=first)
    world.put(1, 1, R, PRIVATE, fd=second, offset=PAGE)
    assert world.ruler() == "r|r"
    world.put(1, 1, R, PRIVATE, fd=twin, offset=PAGE)
    assert world.ruler() == "rr"
    world.put(2, 1, R, PRIVATE, fd=first, offset=5 * PAGE)
    assert world.ruler() == "rr|r"


def test_a_memfd_mapped_twice_is_one_vma() -> None:
    world = World()
    fd = world.ok(memfd.sys_memfd_create, "x", 0)
    world.ok(sys_ftruncate, fd, 4 * PAGE)
    world.put(0, 2, RW, SHARED, fd=fd)
    world.put(2, 2, RW, SHARED, fd=fd, offset=2 * PAGE)
    assert world.ruler() == "SSSS"
    assert world.areas()[0].label == "/memfd:x (deleted)"


def test_shared_anonymous_memory_never_merges_with_other() -> None:
    world = World()
    world.put(0, 2, RW, ANON | SHARED)
    world.put(2, 2, RW, ANON | SHARED)
    assert world.ruler() == "SS|SS"
    world.protect(1, 1, R)
    assert world.ruler() == "S|R|SS"
    world.protect(1, 1, RW)
    assert world.ruler() == "SS|SS"
    assert world.areas()[0].label == "/dev/zero (deleted)"


def test_a_close_hook_keeps_the_pieces() -> None:
    world = World()
    shmid = world.ok(shm.sys_shmget, 0, 3 * PAGE, 0o1600)
    world.ok(shm.sys_shmat, shmid, AT, 0)
    world.protect(1, 1, R)
    world.protect(1, 1, RW)
    assert world.ruler() == "S|S|S"
    assert world.areas()[0].label == "/SYSV00000000 (deleted)"


def test_sealed_ranges() -> None:
    world = space("wwwwww")
    world.ok(sys_mseal, AT + 2 * PAGE, 2 * PAGE, 0)
    assert world.ruler() == "ww|ww|ww"
    assert world.call(sys_munmap, AT + 3 * PAGE, PAGE).errno == "EPERM"
    assert world.call(sys_mprotect, AT, 6 * PAGE, R).errno == "EPERM"
    assert world.ruler() == "rr|ww|ww"
    assert world.call(mmap.sys_mmap, AT, 6 * PAGE, R, ANON | PRIVATE | FIXED, -1, 0).errno == "EPERM"
    assert world.ruler() == "rr|ww|ww"


def test_why_tells_what_merged_and_what_did_not() -> None:
    world = space("ww.r")
    merged = world.call(mmap.sys_mmap, AT + 2 * PAGE, PAGE, RW, ANON | PRIVATE | FIXED, -1, 0)
    assert "merged with the left neighbour" in merged.why
    assert "flags differ" in merged.why
