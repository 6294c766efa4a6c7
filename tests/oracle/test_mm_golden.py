"""Short call series whose every address is known, on the running kernel and on the simulated one."""

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_ops import HUGE, PAGE, Key, Path
from tests.oracle.mm_real import missing

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

TOP = 0x7FFF_F7FF_7000
"""The highest free address of the runner: vvar lies above."""
ARENA = 0x1000_0000
NONE, READ, RW, RWX = 0, 1, 3, 7
ANON, SHARED_ANON, PRIVATE, FIXED, LOW = 0x22, 0x21, 0x2, 0x10, 0x40
MAYMOVE, MOVE_FIXED, DONTUNMAP = 1, 2, 4
READS, WRITES = 0, 1
FREE, HUGEPAGE, COLLAPSE, GUARD = 8, 14, 25, 102


def page(number: int) -> int:
    """Byte address of a page of the arena."""
    return ARENA + number * PAGE


def place(script: Script, number: int, pages: int, prot: int = RW) -> None:
    """Map anonymous private memory in the arena."""
    assert script.call("mmap", page(number), pages * PAGE, prot, ANON | FIXED, -1, 0) == page(number)


def write(script: Script, number: int, proc: int = 0) -> None:
    """Write one page of the arena."""
    script.call("touch", page(number), 1, WRITES, proc=proc)


def vma(first: int, last: int, perms: str = "rw-p") -> str:
    """A VMA of the arena from page to page."""
    return f"{page(first):x}-{page(last):x} {perms}"


def test_new_memory_grows_down_and_joins_its_like(script: Script) -> None:
    for pages, prot, below in ((3, RW, 3), (1, RW, 4), (1, READ, 5), (1, RW, 6)):
        assert script.call("mmap", 0, pages * PAGE, prot, ANON, -1, 0) == TOP - below * PAGE
    assert len(script.made()) == 3
    script.call("mprotect", TOP - 5 * PAGE, PAGE, RW)
    assert script.made() == [f"{TOP - 6 * PAGE:x}-{TOP:x} rw-p"]


def test_mprotect_cuts_and_heals(script: Script) -> None:
    place(script, 0, 5)
    script.call("mprotect", page(1), PAGE, READ)
    script.call("mprotect", page(3), PAGE, READ)
    assert len(script.made()) == 5
    script.call("mprotect", page(2), PAGE, READ)
    assert script.made() == [vma(0, 1), vma(1, 4, "r--p"), vma(4, 5)]
    script.call("mprotect", page(1), 3 * PAGE, RW)
    assert script.made() == [vma(0, 5)]


@pytest.mark.parametrize(("written", "expected"), [((0, 2), [vma(0, 2), vma(2, 3)]), ((0,), [vma(0, 3)])])
def test_two_anon_vmas_never_join(script: Script, written: tuple[int, ...], expected: list[str]) -> None:
    place(script, 0, 1)
    place(script, 2, 1)
    for number in written:
        write(script, number)
    place(script, 1, 1)
    assert script.made() == expected


def test_accountability_goes_only_from_what_was_never_touched(script: Script) -> None:
    place(script, 0, 4, NONE)
    script.call("mprotect", page(0), 2 * PAGE, RW)
    script.call("mprotect", page(1), PAGE, NONE)
    assert script.made() == [vma(0, 1), vma(1, 4, "---p")]
    write(script, 0)
    script.call("mprotect", page(0), PAGE, NONE)
    assert script.made() == [vma(0, 1, "---p"), vma(1, 4, "---p")]


def test_what_mprotect_cut_shares_its_anon_vma(script: Script) -> None:
    place(script, 0, 2)
    script.call("mprotect", page(1), PAGE, RWX)
    write(script, 0)
    write(script, 1)
    script.call("mprotect", page(1), PAGE, RW)
    assert script.made() == [vma(0, 2)]


def test_a_child_does_not_join_what_it_inherited(script: Script) -> None:
    start = script.call("brk", 0)
    script.call("brk", start + 2 * PAGE)
    script.call("touch", start, 1, WRITES)
    place(script, 0, 1)
    write(script, 0)
    script.call("fork", 1)
    for proc in (1, 0):
        script.call("mmap", page(1), PAGE, RW, ANON | FIXED, -1, 0, proc=proc)
        for pages in (4, 6):
            script.call("brk", start + pages * PAGE, proc=proc)
    heap = [f"{start:x}-{start + 2 * PAGE:x} rw-p [heap]", f"{start + 2 * PAGE:x}-{start + 6 * PAGE:x} rw-p [heap]"]
    assert script.made(1) == [*heap, vma(0, 1), vma(1, 2)]
    assert script.made(0) == [f"{start:x}-{start + 6 * PAGE:x} rw-p [heap]", vma(0, 2)]


def test_brk_leaves_one_page_free(script: Script) -> None:
    start = script.call("brk", 0)
    for where, end in ((0x23000, 0x23000), (0x23001, 0x24000), (0x21000, 0x21000)):
        assert script.call("brk", start + where) == start + where
        assert script.made() == [f"{start:x}-{start + end:x} rw-p [heap]"]
    script.call("mmap", start + 0x24000, PAGE, RW, ANON | FIXED, -1, 0)
    assert script.call("brk", start + 0x23000) == start + 0x23000
    assert script.call("brk", start + 0x23001) == start + 0x23000, "it would touch the mapping above"


def test_a_touched_page_keeps_its_offset_when_it_moves(script: Script) -> None:
    place(script, 0, 3)
    write(script, 1)
    far = ARENA * 2
    script.call("mremap", page(1), PAGE, PAGE, MAYMOVE | MOVE_FIXED, far)
    assert len(script.made()) == 3
    script.call("mremap", far, PAGE, PAGE, MAYMOVE | MOVE_FIXED, page(1))
    assert script.made() == [vma(0, 3)]


def test_an_untouched_page_joins_where_it_comes_to_lie(script: Script) -> None:
    for number in (0, 10, 20):
        place(script, number, 1)
    script.call("mremap", page(10), PAGE, PAGE, MAYMOVE | MOVE_FIXED, page(1))
    assert script.made() == [vma(0, 2), vma(20, 21)]
    write(script, 20)
    script.call("mremap", page(20), PAGE, PAGE, MAYMOVE | MOVE_FIXED, page(2))
    assert script.made() == [vma(0, 2), vma(2, 3)], "a touched one keeps its offset"


def test_large_mappings_are_aligned(script: Script) -> None:
    for length, address in ((HUGE, 0x7FFFF7C00000), (PAGE, 0x7FFFF7FF6000), (2 * HUGE, 0x7FFFF7800000)):
        assert script.call("mmap", 0, length, RW, ANON, -1, 0) == address
    assert script.call("mmap", 0, HUGE + PAGE, RW, ANON, -1, 0) == 0x7FFFF75FF000, "no multiple of 2 MiB"
    assert script.made() == ["7ffff75ff000-7ffff7e00000 rw-p", "7ffff7ff6000-7ffff7ff7000 rw-p"]


@pytest.fixture
def on_ext4(script: Script) -> int:
    """A descriptor of a file on ext4."""
    if script.both.file_system("disk") != "ext4":
        pytest.skip("the temporary directory is not on ext4")
    fd = script.call("open", Path("disk", "a"), 0o102)
    script.call("ftruncate", fd, 8 * HUGE)
    return fd


def test_files_on_ext4_are_aligned_by_their_offset(script: Script, on_ext4: int) -> None:
    script.call("mmap", 0, HUGE, RW, ANON, -1, 0)
    assert script.call("mmap", 0, HUGE, READ, PRIVATE, on_ext4, 0) == 0x7FFFF7A00000
    assert script.call("mmap", 0, 0x3FF000, READ, PRIVATE, on_ext4, PAGE) == 0x7FFFF7601000
    assert script.call("mmap", 0, HUGE, RW, SHARED_ANON, -1, 0) == 0x7FFFF7401000, "shared anonymous memory is not"


def test_hints(script: Script, on_ext4: int) -> None:
    place(script, 0, 1)
    assert script.call("mmap", page(0) + 0x123, PAGE, RW, ANON, -1, 0) == TOP - PAGE
    assert script.call("mmap", page(1) + 0x123, PAGE, RW, ANON, -1, 0) == page(1)
    assert script.call("mmap", 0x30000000, HUGE, READ, PRIVATE, on_ext4, 0) == 0x30000000
    assert script.call("mmap", 0x2FE00000, HUGE, READ, PRIVATE, on_ext4, 0) == 0x7FFFF7C00000, "2 MiB above is used"
    for hint, expected in ((0, 0x40000000), (0, 0x40001000), (0x50000000, 0x50000000), (0x90000000, 0x40002000)):
        assert script.call("mmap", hint, PAGE, RW, ANON | LOW, -1, 0) == expected


def test_mremap(script: Script) -> None:
    place(script, 0, 2)
    assert script.call("mremap", page(0), 2 * PAGE, 4 * PAGE, 0, 0) == page(0)
    place(script, 4, 1, READ)
    assert script.attempt("mremap", page(0), 4 * PAGE, 6 * PAGE, 0, 0)[1] == "ENOMEM"
    moved = script.call("mremap", page(0), 4 * PAGE, 6 * PAGE, MAYMOVE, 0)
    assert moved == TOP - 6 * PAGE
    assert script.call("mremap", moved, 6 * PAGE, 2 * PAGE, 0, 0) == moved
    assert script.call("mremap", moved, 2 * PAGE, 2 * PAGE, MAYMOVE | MOVE_FIXED, page(0)) == page(0)
    copy = script.call("mremap", page(0), 2 * PAGE, 2 * PAGE, MAYMOVE | DONTUNMAP, 0)
    assert script.made() == [vma(0, 2), vma(4, 5, "r--p"), f"{copy:x}-{copy + 2 * PAGE:x} rw-p"]
    assert copy == TOP - 2 * PAGE


@pytest.mark.parametrize(("seal", "error"), [(0, ""), (4, ""), (8, ""), (16, "EPERM")])
def test_a_sealed_memfd_has_no_holes_punched(script: Script, seal: int, error: str) -> None:
    fd = script.call("memfd_create", "sealed", 2)
    script.call("mmap", page(0), 4 * PAGE, READ, SHARED_ANON & ~0x20 | FIXED, fd, 0)
    assert script.attempt("add_seals", fd, seal)[1] == ("EBUSY" if seal == 8 else "")  # the mapping may be written
    assert script.attempt("madvise", page(0), PAGE, 9)[1] == error


@pytest.mark.parametrize(
    ("read", "guarded", "error"), [((), (), "EINVAL"), ((1,), (), ""), ((1,), (1,), "EINVAL"), ((1,), (2,), "EINVAL")]
)
def test_collapse_needs_a_page_table_and_no_guards(
    script: Script, read: tuple[int, ...], guarded: tuple[int, ...], error: str
) -> None:
    """Blocks behind the first that fails stay as they are; who has guards in them fails."""
    place(script, 0, 3 * HUGE // PAGE)
    for block in (0, 2):
        write(script, block * HUGE // PAGE)
    for block in read:
        script.call("touch", ARENA + block * HUGE, 1, READS)
    for block in guarded:
        script.call("madvise", ARENA + block * HUGE + PAGE, PAGE, GUARD)
    assert script.attempt("madvise", ARENA, 3 * HUGE, COLLAPSE)[1] == error


def test_collapse_skips_what_has_no_tables_at_all(script: Script) -> None:
    low, high = (1 << 30) - HUGE, (2 << 30) + HUGE
    script.call("mmap", low, high - low, RW, ANON | FIXED | 0x4000, -1, 0)
    script.call("touch", low, 1, WRITES)
    script.call("touch", high - 1, 1, WRITES)
    assert script.attempt("madvise", low, high - low, COLLAPSE)[1] == "EINVAL", "yet both ends are huge now"


def test_a_write_takes_back_all_of_a_huge_page_that_was_given_up(script: Script) -> None:
    script.call("mmap", ARENA, 2 * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", ARENA, 2 * HUGE, HUGEPAGE)
    write(script, 3)
    script.call("madvise", ARENA, HUGE, FREE)
    script.call("touch", page(5), 4 * PAGE, READS)
    script.call("touch", page(9), 4 * PAGE, WRITES)
    assert script.both.sim.tasks[0].mm.pages.leaves[ARENA // HUGE].huge, "one entry of 2 MiB has one dirty bit"
    script.call("munmap", page(20), PAGE)
    script.call("madvise", ARENA, 20 * PAGE, FREE)
    script.call("touch", page(9), 4 * PAGE, WRITES)


@pytest.mark.parametrize(("lock", "parts"), [(0, 1), (2, 2), (6, 2)])
def test_droppable_memory_is_unlocked_too_late_to_merge(script: Script, lock: int, parts: int) -> None:
    script.attempt("mlockall", lock)
    for number in (0, 3):
        script.call("mmap", page(number), 3 * PAGE, RW, 8 | 0x20 | FIXED, -1, 0)
    assert len(script.made()) == parts


def test_a_sealed_attach_outlives_its_detach(script: Script) -> None:
    script.call("shmget", Key(-1), 2 * PAGE, 0o1600)
    shmid = script.last()
    script.call("shmat", shmid, page(0), 0)
    script.call("mseal", page(0), PAGE, 0)
    assert script.call("shmdt", page(0)) == 0
    assert script.made() == [f"{vma(0, 1, 'rw-s')} /SYSV00000000 (deleted)"]
    script.call("shmctl", shmid, 0)


def test_a_stack_grows_to_its_limit_by_touch(script: Script) -> None:
    top = 0x7FFF_FFFF_F000
    script.call("touch", top - (8 << 20), 1, WRITES)
    assert f"{top - (8 << 20):x}-{top:x} rw-p [stack]" in script.made()
    assert script.attempt("touch", top - (8 << 20) - 1, 1, WRITES)[1] == "SIGSEGV/1"


def test_the_number_of_vmas_is_limited(script: Script) -> None:
    """Up to vm.max_map_count one by one; only results are compared on the way, since a picture has 65,530 lines."""
    limit = script.both.sim.kernel.sysctl["max_map_count"]
    if limit > 70_000:
        pytest.skip(f"vm.max_map_count is {limit:,} here: it would take too long")
    there = len(script.both.real.picture(0).areas) - 1  # without vsyscall
    pages = limit + 100
    script.call("mmap", ARENA, pages * PAGE, NONE, ANON | FIXED, -1, 0)
    cuts = (limit - there - 1) // 2 - 1
    for number in range(cuts):
        script.quick("mprotect", ARENA + (2 * number + 1) * PAGE, PAGE, READ)
    end = ARENA + (2 * cuts + 1) * PAGE
    results = [script.quick("mprotect", end + 2 * number * PAGE, PAGE, READ) for number in range(3)]
    assert results[0] == ""
    assert results[-1] == "ENOMEM"
    far = ARENA + 2 * pages * PAGE
    mapped = [script.quick("mmap", far + 2 * number * PAGE, PAGE, READ, ANON | FIXED, -1, 0) for number in range(4)]
    assert mapped[-1] == "ENOMEM"
    script.quick("munmap", end + 50 * PAGE, PAGE)
    script.quick("brk", 0)
    script.quick("mremap", far, PAGE, PAGE, MAYMOVE | MOVE_FIXED, far + PAGE)
    script.quick("madvise", end + 40 * PAGE, PAGE, 1)
    script.quick("mlock", end + 40 * PAGE, PAGE)
    script.quick("munmap", ARENA, 3 * PAGE)
    script.quick("mprotect", end + 30 * PAGE, PAGE, READ)
    real, sim = script.both.real.picture(0), script.both.sim.picture(0)
    assert (real.areas, real.counters) == (sim.areas, sim.counters)


def test_dontunmap_forgets_that_pages_are_mlocked(script: Script) -> None:
    """The rest of the VMA loses its flag, but its pages stay mlocked: reclaim passes them over."""
    script.call("mmap", page(0), 8 * PAGE, RW, SHARED_ANON | FIXED | 0x2000, -1, 0)
    script.call("mremap", page(4), PAGE, PAGE, MAYMOVE | MOVE_FIXED | DONTUNMAP, page(20))
    script.call("madvise", page(0), 8 * PAGE, 21)
    assert script.both.real.picture(0).counters["RssShmem"] == 8 * 4
    script.call("madvise", page(6), PAGE, 9)
    script.call("touch", page(6), 1, WRITES)
    script.call("madvise", page(0), 8 * PAGE, 21)
    assert script.both.real.picture(0).counters["RssShmem"] == 7 * 4


def test_a_locked_segment_is_passed_over_by_reclaim(script: Script) -> None:
    script.call("shmget", Key(-1), 2 * PAGE, 0o1600)
    shmid = script.last()
    script.call("shmat", shmid, page(0), 0)
    script.call("touch", page(0), PAGE, READS)
    for command, left in ((11, 4), (12, 0)):
        script.call("shmctl", shmid, command)
        script.call("madvise", page(0), 2 * PAGE, 21)
        assert script.both.real.picture(0).counters["RssShmem"] == left
    script.call("shmctl", shmid, 0)


def test_anonymous_pages_that_stay_mlocked_are_not_given_up(script: Script) -> None:
    script.call("mmap", page(0), 8 * PAGE, RW, ANON | FIXED | 0x2000, -1, 0)
    script.call("mremap", page(4), PAGE, PAGE, MAYMOVE | MOVE_FIXED | DONTUNMAP, page(20))
    script.call("madvise", page(2), PAGE, 4)
    write(script, 2)
    script.call("mremap", page(0), 2 * PAGE, 2 * PAGE, MAYMOVE | MOVE_FIXED, page(30))
    for first, count in ((2, 6), (30, 2)):
        script.call("madvise", page(first), count * PAGE, 8)
        script.call("madvise", page(first), count * PAGE, 21)
