"""Which errno, when several would do: tables in the order of the kernel's checks."""

import pytest

from memtui.sim.kernel import brk, madvise, memfd, mincore, mlock, mmap, mprotect, mremap, mseal, msync, munmap, prctl
from memtui.sim.kernel.fallocate import sys_fallocate
from memtui.sim.kernel.file import sys_close, sys_open, sys_unlink
from memtui.sim.kernel.mman import (
    MADV_DODUMP,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MADV_WIPEONFORK,
    MAP_DROPPABLE,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_SHARED_VALIDATE,
    MAP_SYNC,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_GROWSDOWN,
)
from memtui.sim.kernel.resource import sys_prlimit64, sys_setrlimit
from memtui.sim.kernel.truncate import sys_ftruncate
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, W, World, space

TOP = 0x7FFF_FFFF_F000


@pytest.fixture
def world() -> World:
    """Pages 0-3 rw-, 4-5 a hole, 6-7 r--; 8 locked; descriptor 3 read-only, 4 write-only, 5 a memfd of 4 pages."""
    world = space("wwww..rrw")
    world.lock(8, 1)
    world.ok(sys_open, "/disk/big", 0)
    world.ok(sys_open, "/disk/new", 0o101)
    world.ok(memfd.sys_memfd_create, "m", 0)
    world.ok(sys_ftruncate, 5, 4 * PAGE)
    world.put(12, 4, R, SHARED, fd=3)
    return world


@pytest.mark.parametrize(
    ("arguments", "errno"),
    [
        ((0, PAGE, RW, ANON_PRIVATE, -1, 100), "EINVAL"),
        ((0, 0, RW, PRIVATE, 99, 0), "EBADF"),
        ((0, 0, RW, ANON_PRIVATE, -1, 0), "EINVAL"),
        ((0, (1 << 64) - 10, RW, ANON_PRIVATE, -1, 0), "ENOMEM"),
        ((0, 1 << 47, RW, ANON_PRIVATE, -1, 0), "ENOMEM"),
        ((AT + 1, PAGE, RW, ANON_PRIVATE | FIXED, -1, 0), "EINVAL"),
        ((TOP, PAGE, RW, ANON_PRIVATE | FIXED, -1, 0), "ENOMEM"),
        ((AT, PAGE, RW, ANON_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0), "EEXIST"),
        ((0, PAGE, RW, ANON, -1, 0), "EINVAL"),
        ((0, PAGE, RW, ANON | MAP_SHARED_VALIDATE, -1, 0), "EINVAL"),
        ((0, PAGE, RW, ANON | SHARED | MAP_GROWSDOWN, -1, 0), "EINVAL"),
        ((0, PAGE, RW, ANON | MAP_DROPPABLE | MAP_LOCKED, -1, 0), "EINVAL"),
        ((0, PAGE, RW, ANON_PRIVATE | MAP_HUGETLB, -1, 0), "ENOMEM"),
        ((0, PAGE, R, PRIVATE | MAP_HUGETLB, 3, 0), "EINVAL"),
        ((0, PAGE, RW, SHARED, 3, 0), "EACCES"),
        ((0, PAGE, W, PRIVATE, 4, 0), "EACCES"),
        ((0, PAGE, R, 0, 3, 0), "EINVAL"),
        ((0, PAGE, R, PRIVATE | MAP_GROWSDOWN, 3, 0), "EINVAL"),
        ((0, PAGE, R, PRIVATE, 3, 1 << 63), "EOVERFLOW"),
        ((0, PAGE, R, MAP_SHARED_VALIDATE | MAP_SYNC, 5, 0), "EOPNOTSUPP"),
    ],
)
def test_mmap(world: World, arguments: tuple[int, ...], errno: str) -> None:
    before = world.areas(start=0, end=TOP)
    assert world.call(mmap.sys_mmap, *arguments).errno == errno
    assert world.areas(start=0, end=TOP) == before


@pytest.mark.parametrize(
    ("call", "arguments", "errno"),
    [
        (munmap.sys_munmap, (AT + 1, PAGE), "EINVAL"),
        (munmap.sys_munmap, (AT, 0), "EINVAL"),
        (munmap.sys_munmap, (TOP - PAGE, 2 * PAGE), "EINVAL"),
        (munmap.sys_munmap, (AT + 4 * PAGE, PAGE), ""),
        (munmap.sys_munmap, (0x7FFFF7FFD000, PAGE), "EINVAL"),
        (mprotect.sys_mprotect, (AT + 1, PAGE, R), "EINVAL"),
        (mprotect.sys_mprotect, (AT, 0, 99), ""),
        (mprotect.sys_mprotect, (AT, PAGE, 0x40), "EINVAL"),
        (mprotect.sys_mprotect, (AT + 4 * PAGE, PAGE, R), "ENOMEM"),
        (mprotect.sys_mprotect, (AT, PAGE, R | PROT_GROWSDOWN), "EINVAL"),
        (mprotect.sys_mprotect, (AT + 12 * PAGE, PAGE, RW), "EACCES"),
        (mprotect.sys_mprotect, (0x7FFFF7FFD000, PAGE, R), "EINVAL"),
        (mremap.sys_mremap, (AT, PAGE, PAGE, 8, 0), "EINVAL"),
        (mremap.sys_mremap, (AT + 1, PAGE, PAGE, 0, 0), "EINVAL"),
        (mremap.sys_mremap, (AT, PAGE, 0, 0, 0), "EINVAL"),
        (mremap.sys_mremap, (AT, 0, PAGE, MREMAP_MAYMOVE, 0), "EINVAL"),
        (mremap.sys_mremap, (AT, PAGE, PAGE, MREMAP_FIXED, AT + 90 * PAGE), "EINVAL"),
        (mremap.sys_mremap, (AT, 2 * PAGE, 2 * PAGE, 3, AT + PAGE), "EINVAL"),
        (mremap.sys_mremap, (AT, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), "EINVAL"),
        (mremap.sys_mremap, (AT + 4 * PAGE, PAGE, 2 * PAGE, 0, 0), "EFAULT"),
        (mremap.sys_mremap, (AT, 6 * PAGE, 9 * PAGE, MREMAP_MAYMOVE, 0), "EFAULT"),
        (mremap.sys_mremap, (AT, PAGE, 2 * PAGE, 0, 0), "ENOMEM"),
        (mremap.sys_mremap, (0x7FFFF7FFD000, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0), "EFAULT"),
        (mremap.sys_mremap, (0x7FFFF7FFD000, PAGE, PAGE, 3, AT + 90 * PAGE), "EINVAL"),
        (madvise.sys_madvise, (AT + 1, PAGE, MADV_DONTNEED), "EINVAL"),
        (madvise.sys_madvise, (AT, PAGE, 77), "EINVAL"),
        (madvise.sys_madvise, (AT, 0, MADV_DONTNEED), ""),
        (madvise.sys_madvise, (AT, 6 * PAGE, MADV_DONTNEED), "ENOMEM"),
        (madvise.sys_madvise, (AT + 8 * PAGE, PAGE, MADV_DONTNEED), "EINVAL"),
        (madvise.sys_madvise, (AT + 12 * PAGE, PAGE, MADV_FREE), "EINVAL"),
        (madvise.sys_madvise, (AT, PAGE, MADV_REMOVE), "EINVAL"),
        (madvise.sys_madvise, (AT + 12 * PAGE, PAGE, MADV_REMOVE), "EACCES"),
        (madvise.sys_madvise, (AT + 12 * PAGE, PAGE, MADV_WIPEONFORK), "EINVAL"),
        (madvise.sys_madvise, (0x7FFFF7FFD000, PAGE, MADV_DODUMP), "EINVAL"),
        (madvise.sys_madvise, (AT + 6 * PAGE, PAGE, MADV_POPULATE_WRITE), "EINVAL"),
        (madvise.sys_madvise, (AT + 4 * PAGE, PAGE, MADV_POPULATE_WRITE), "ENOMEM"),
        (mlock.sys_mlock, (AT, 6 * PAGE), "ENOMEM"),
        (mlock.sys_mlock2, (AT, PAGE, 2), "EINVAL"),
        (mlock.sys_munlock, (AT + 4 * PAGE, PAGE), "ENOMEM"),
        (mlock.sys_mlockall, (0,), "EINVAL"),
        (mlock.sys_mlockall, (4,), "EINVAL"),
        (msync.sys_msync, (AT, PAGE, 5), "EINVAL"),
        (msync.sys_msync, (AT + 1, PAGE, 4), "EINVAL"),
        (msync.sys_msync, (AT, 8 * PAGE, 4), "ENOMEM"),
        (msync.sys_msync, (AT + 8 * PAGE, PAGE, 2), "EBUSY"),
        (mincore.sys_mincore, (AT + 1, PAGE), "EINVAL"),
        (mincore.sys_mincore, (AT, 6 * PAGE), "ENOMEM"),
        (mseal.sys_mseal, (AT, PAGE, 1), "EINVAL"),
        (mseal.sys_mseal, (AT, 6 * PAGE, 0), "ENOMEM"),
        (sys_close, (77,), "EBADF"),
        (sys_open, ("/nowhere", 0), "ENOENT"),
        (sys_open, ("/disk", 1), "EISDIR"),
        (sys_unlink, ("/nowhere",), "ENOENT"),
        (sys_ftruncate, (5, -1), "EINVAL"),
        (sys_ftruncate, (3, 0), "EINVAL"),
        (sys_ftruncate, (4, 1 << 60), "EFBIG"),
        (sys_fallocate, (5, 2, 0, PAGE), "EOPNOTSUPP"),
        (sys_fallocate, (5, 0, 0, 0), "EINVAL"),
        (sys_setrlimit, (99, 0), "EINVAL"),
        (sys_setrlimit, (3, 10, 5), "EINVAL"),
        (sys_prlimit64, (4711, 3), "ESRCH"),
        (prctl.sys_prctl, (prctl.PR_SET_VMA, 0, AT, PAGE, 0), "EINVAL"),
    ],
)
def test_other_calls(world: World, call: object, arguments: tuple[object, ...], errno: str) -> None:
    outcome = world.call(call, *arguments)
    assert outcome.errno == errno, outcome
    assert (outcome.value == -1) == bool(errno)


def test_a_hole_stops_mprotect_behind_what_it_changed() -> None:
    world = space("ww.w")
    assert world.call(mprotect.sys_mprotect, AT, 4 * PAGE, R).errno == "ENOMEM"
    assert world.ruler() == "rr.w"


def test_a_hole_does_not_stop_madvise() -> None:
    world = space("ww.w")
    world.write(0, 2)
    world.write(3)
    assert world.call(madvise.sys_madvise, AT, 4 * PAGE, MADV_DONTNEED).errno == "ENOMEM"
    assert not world.task.mm.pages.get(AT + 3 * PAGE)


def test_the_break_never_fails() -> None:
    world = World()
    assert world.call(brk.sys_brk, 0).value == 0x6BE000
    refused = world.call(brk.sys_brk, TOP)
    assert (refused.value, refused.errno) == (0x6BE000, "")
    assert "the break stays" in refused.why
