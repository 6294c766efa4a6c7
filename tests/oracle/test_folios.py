"""Large folios of a file of the test's own: made by writing, mapped whole or by one PMD, split by truncation."""

import os

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_both import Both
from tests.oracle.mm_ops import HUGE, PAGE, Path
from tests.oracle.mm_real import Place, missing
from tests.oracle.mm_series import Seed
from tests.oracle.test_page_cache import cachestat

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
READ, WRITE, SHARED, PRIVATE, FIXED = 0, 1, 1, 2, 0x10
RW = 3
AT = 0x1000_0000
O_RDWR_CREAT = 0o102
PAGEOUT, DONTNEED = 21, 4
ODD_RANGES = [
    (55649, 809), (31 * PAGE + 99, 55 * PAGE + 3), (5 * PAGE, 1), (0, 100), (50, 100), (63 * PAGE + 1, 2 * PAGE),
    (64 * PAGE, 32 * PAGE - 1), (99 * PAGE + 9, 3 * PAGE), (63 * PAGE, 2 * PAGE),
]  # fmt: skip
"""Offset and length in bytes of holes in a file of 100 pages, whose folios have 64, 32 and 4."""


@pytest.fixture
def script(runner, place: Place):
    """Calls whose page faults and RssFile are compared too; the files lie on the disk."""
    with Both(runner, place, Seed("folios", 0)) as both:
        if both.file_system("disk") not in ("ext4",):
            pytest.skip("the folios of this file system are not known")
        yield Script(both)


def opened(script: Script, count: int, at: int = 0) -> int:
    """A file with `count` bytes written at once at byte `at`; its descriptor."""
    fd = script.call("open", Path("disk", "folio"), O_RDWR_CREAT)
    script.call("pwrite64", fd, count, at)
    return fd


@pytest.mark.parametrize("pages", [1, 2, 3, 4, 7, 16, 31, 64, 100, 256, 511])
@pytest.mark.parametrize("shift", [0, 1, 9])
def test_one_fault_maps_a_folio(script: Script, pages: int, shift: int):
    fd = opened(script, (pages + 1) * PAGE)
    script.call("mmap", AT + shift * PAGE, pages * PAGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT + shift * PAGE, PAGE, READ)
    script.call("touch", AT + shift * PAGE, pages * PAGE, READ)
    script.call("touch", AT + shift * PAGE, pages * PAGE, WRITE)
    script.call("fsync", fd)
    script.call("touch", AT + shift * PAGE, pages * PAGE, WRITE)


def test_two_mib_by_a_pmd(script: Script):
    fd = opened(script, 2 * HUGE)
    script.call("mmap", AT, 2 * HUGE - PAGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT + 5 * PAGE, PAGE, READ)
    mm = next(iter(script.both.sim.kernel.tasks.values())).mm
    assert mm.pages.leaves[AT >> 21].huge
    script.call("touch", AT, HUGE, READ)
    script.call("touch", AT + 7 * PAGE, PAGE, WRITE)
    script.call("madvise", AT + 3 * PAGE, PAGE, DONTNEED)
    script.call("touch", AT, 4 * PAGE, READ)
    script.call("mprotect", AT + 9 * PAGE, PAGE, 1)
    script.call("touch", AT + 9 * PAGE, PAGE, READ)
    script.call("munmap", AT + HUGE, PAGE)
    script.call("ftruncate", fd, HUGE // 2)
    script.call("touch", AT, 4 * PAGE, WRITE)


def test_what_cuts_a_pmd(script: Script):
    fd = opened(script, 2 * HUGE)
    script.call("mmap", AT, 2 * HUGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT, 2 * HUGE - PAGE, WRITE)
    script.call("msync", AT + 3 * PAGE, PAGE, 4)
    script.call("touch", AT + 9 * PAGE, PAGE, WRITE)
    script.call("mremap", AT + HUGE, HUGE, HUGE, 3, AT + 8 * HUGE)
    script.call("touch", AT + 8 * HUGE, 3 * PAGE, WRITE)
    script.call("mremap", AT + 5 * PAGE, 2 * PAGE, 2 * PAGE, 3, AT + 12 * HUGE)
    script.call("touch", AT, 20 * PAGE - 13 * PAGE - 2 * PAGE, READ)
    script.call("touch", AT + 8 * HUGE, HUGE - PAGE, READ)
    script.call("madvise", AT + 8 * HUGE + 4 * PAGE, PAGE, 102)
    script.call("touch", AT + 8 * HUGE, PAGE, READ)


def test_a_private_write_takes_one_page_out(script: Script):
    fd = opened(script, HUGE + 16 * PAGE)
    script.call("mmap", AT, HUGE, RW, PRIVATE | FIXED, fd, 0)
    script.call("touch", AT, PAGE, READ)
    script.call("touch", AT + 40 * PAGE, 2 * PAGE, WRITE)
    script.call("touch", AT + 30 * PAGE, 30 * PAGE, READ)


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("end", [0, 1, 5 * PAGE, 5 * PAGE + 7, 63 * PAGE, 64 * PAGE - 1])
def test_truncation_cuts_a_folio(script: Script, synced: bool, end: int):
    fd = opened(script, 64 * PAGE)
    script.call("mmap", AT, 64 * PAGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT, PAGE, READ)
    if synced:
        script.call("fsync", fd)
    script.call("ftruncate", fd, end)
    if end > PAGE:
        script.call("touch", AT, end // PAGE * PAGE, READ)
    script.call("ftruncate", fd, 80 * PAGE)
    script.call("touch", AT, PAGE, READ)


@pytest.mark.parametrize("folios", [1, 3, 8, 20, 64, 70, 100, 200, 512])
@pytest.mark.parametrize(("behind", "count"), [(0, 1), (0, 6), (1, 2), (30, 5)])
def test_a_read_behind_large_folios(script: Script, folios: int, behind: int, count: int):
    """xas_prev() loses step in folios: what lies before a miss counts as read in sequence, or not."""
    fd = opened(script, folios * PAGE)
    script.call("fsync", fd)
    script.call("ftruncate", fd, 4 * HUGE)
    script.call("pread64", fd, PAGE, (folios + behind) * PAGE + HUGE)
    script.call("pread64", fd, count * PAGE, (folios - 1) * PAGE + 77)
    script.call("pread64", fd, count * PAGE, (folios + behind) * PAGE)
    script.call("mmap", AT, 4 * HUGE, 1, SHARED | FIXED, fd, 0)
    for page in range(folios + 40):
        script.call("touch", AT + page * PAGE, PAGE, READ)


@pytest.mark.parametrize("inside", [0, 1, 3])
def test_a_fault_in_the_middle_of_a_marked_folio(script: Script, inside: int):
    """It is not at the index where the next window is expected, which is the folio's first."""
    fd = opened(script, 1)
    script.call("ftruncate", fd, 16 * HUGE)
    for first, count in ((0, 20), (20, 14), (34, 4)):
        script.call("pread64", fd, count * PAGE, first * PAGE)
    inode = script.both.sim.tasks[0].files.open[fd].inode
    marked = min(inode.pages.readahead)
    assert inode.pages.large[marked] == 2
    script.call("mmap", AT, 16 * HUGE, 1, SHARED | FIXED, fd, 0)
    script.call("touch", AT + (marked + inside) * PAGE, PAGE, READ)
    real = os.open(f"/proc/{script.both.real.pids[0]}/fd/{fd}", os.O_RDONLY)
    assert cachestat(real)[0] == inode.pages.count
    os.close(real)


def test_a_page_that_truncation_made_is_read_by_its_first_fault(script: Script):
    """From then on faults beside it map it by the way."""
    fd = opened(script, 1)
    script.call("pwrite64", fd, HUGE, 2 * HUGE)
    script.call("ftruncate", fd, 3 * PAGE + 77)
    script.call("mmap", AT, 4 * PAGE, 5, SHARED | FIXED, fd, 0)
    script.call("touch", AT + 3 * PAGE, PAGE, READ)
    script.call("mmap", AT + 16 * PAGE, 3 * PAGE, 1, PRIVATE | FIXED, fd, 3 * PAGE)
    assert script.attempt("touch", AT + 18 * PAGE, PAGE, READ)[1] == "SIGBUS/2"


def test_locked_memory_that_becomes_writable_waits_with_the_lock_held(script: Script):
    """A page that has to be read then is a major fault; mlock() itself, which fails here, lets go and asks anew."""
    fd = opened(script, 1)
    script.call("ftruncate", fd, 8 * PAGE)
    script.call("mmap", AT, 8 * PAGE, 1, PRIVATE | FIXED, fd, 0)
    assert script.attempt("mlock", AT, 9 * PAGE)[1] == "ENOMEM"
    script.call("mprotect", AT, 8 * PAGE, RW)


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("mode", [3, 16, 17])
@pytest.mark.parametrize(("offset", "length"), ODD_RANGES)
def test_a_hole_splits_the_folios_of_its_first_and_last_byte(
    script: Script, mode: int, offset: int, length: int, synced: bool
):
    """Even inside a page; what a split makes of a folio shows in what one fault maps."""
    fd = opened(script, 100 * PAGE)
    script.call("mmap", AT, 128 * PAGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT, 100 * PAGE, READ)
    if synced:
        script.call("fsync", fd)
    script.call("fallocate", fd, mode, offset, length)
    for page in range(3, 100, 9):
        script.call("touch", AT + page * PAGE, PAGE, READ)


@pytest.mark.parametrize("where", ["disk", "shm"])
def test_a_hole_inside_the_first_page_unmaps_the_whole_file(script: Script, where: str):
    fd = script.call("open", Path(where, "first"), O_RDWR_CREAT)
    script.call("pwrite64", fd, 9 * PAGE, 0)
    script.call("mmap", AT, 9 * PAGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT, 9 * PAGE, READ)
    script.call("fallocate", fd, 3, 0, 100)
    script.call("touch", AT + 5 * PAGE, PAGE, READ)


@pytest.mark.parametrize("mode", [0, 16])
@pytest.mark.parametrize(("offset", "end"), [(4 * PAGE, 7 * PAGE), (5 * PAGE + 1, 7 * PAGE + 9), (0, 3 * PAGE + 90)])
def test_what_grows_a_file_clears_the_rest_of_its_last_page(script: Script, mode: int, offset: int, end: int):
    """That page is in memory then, but not uptodate: a fault beside it does not map it."""
    fd = opened(script, 1)
    script.call("ftruncate", fd, 3 * PAGE + 77)
    script.call("fallocate", fd, mode, offset, end - offset)
    script.call("mmap", AT, 8 * PAGE, RW, SHARED | FIXED, fd, 0)
    for page in (2, 3):
        script.call("touch", AT + page * PAGE, PAGE, READ)


@pytest.mark.parametrize(
    ("made", "grown"),
    [
        ((), (("fallocate", 3, 1238, 4096),)),
        ((("ftruncate", 4095), ("fsync",)), (("ftruncate", 4097),)),
        ((("ftruncate", 4095), ("fsync",)), (("fallocate", 0, 1934658, 100), ("fallocate", 3, 1238, 4096))),
        ((("fsync",),), (("fallocate", 3, 1238, 4096), ("fallocate", 3, 100 * PAGE + 7, 9 * PAGE))),
        ((("fsync",),), (("fallocate", 3, 0, 9 * PAGE), ("fallocate", 3, PAGE + 5, 20 * PAGE))),
        ((("fsync",),), (("fallocate", 32, 0, 9 * PAGE), ("pread64", 64 * PAGE, 0), ("fallocate", 17, 5, 20 * PAGE))),
    ],
)
def test_zeros_in_a_block_that_is_there_make_it_dirty(
    script: Script, made: tuple[tuple[str | int, ...], ...], grown: tuple[tuple[str | int, ...], ...]
):
    """And so keep its folio from being split, while those in a hole are none."""
    fd = opened(script, HUGE // 2)
    for name, *rest in (*made, *grown):
        script.call(str(name), fd, *rest)
    script.call("mmap", AT, HUGE, RW, SHARED | FIXED, fd, 0)
    for page in (6, 60, 120, 250):
        script.attempt("touch", AT + page * PAGE, PAGE, READ)


def test_a_hole_up_to_the_end_of_the_file_takes_its_last_page(script: Script):
    """So that the write after it makes a folio from there on."""
    fd = opened(script, 1)
    script.call("fallocate", fd, 3, 0, 100)
    script.call("pwrite64", fd, HUGE, 0)
    script.call("mmap", AT, HUGE, RW, SHARED | FIXED, fd, 0)
    script.call("touch", AT + 20 * PAGE, PAGE, READ)


def test_a_copy_makes_what_it_copies_uptodate(script: Script):
    """A later read maps it by the way."""
    fd = opened(script, 1, 63 * PAGE)
    script.call("fallocate", fd, 3, 16 * PAGE, 25271)
    script.call("mmap", AT, 64 * PAGE, RW, PRIVATE | FIXED, fd, 0)
    for page in range(16, 30):
        script.call("touch", AT + page * PAGE, PAGE, WRITE)
    script.call("mmap", AT + HUGE, 64 * PAGE, RW, PRIVATE | FIXED, fd, 0)
    script.call("touch", AT + HUGE + 16 * PAGE, PAGE, READ)
