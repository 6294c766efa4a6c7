"""Faults: what a touch makes of a page, the counters, page tables and signals."""

import pytest

from memtui.model.pages import Residence
from memtui.sim.kernel import fault, memfd
from memtui.sim.kernel.file import sys_open
from memtui.sim.kernel.madvise import sys_madvise
from memtui.sim.kernel.mman import (
    MADV_DONTNEED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MAP_GROWSDOWN,
    MAP_POPULATE,
)
from memtui.sim.kernel.munmap import sys_munmap
from memtui.sim.kernel.truncate import sys_ftruncate
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, World, X

GIB = 1 << 30
MIB2 = 2 << 20
KINDS = {
    Residence.ZERO: "z",
    Residence.ANON: "a",
    Residence.PAGE_CACHE: "f",
    Residence.SHMEM: "s",
    Residence.GUARD: "g",
    Residence.SWAPPED: "x",
}


def resident(world: World, pages: int, task: object = None) -> str:
    """One letter a page from AT: . absent, z zero, a anonymous (A if shared), f file, s shmem, g guard."""
    mm = (task or world.task).mm  # type: ignore[attr-defined]
    line = ["."] * pages
    for run in mm.pages.runs(AT, AT + pages * PAGE):
        for page in range((run.start - AT) // PAGE, (run.end - AT) // PAGE):
            line[page] = KINDS[run.residence].upper() if run.shared else KINDS[run.residence]
    return "".join(line)


def rss(world: World, task: object = None) -> tuple[int, int, int]:
    mm = (task or world.task).mm  # type: ignore[attr-defined]
    return mm.rss_anon, mm.rss_file, mm.rss_shmem


def test_reading_costs_nothing_and_writing_a_page() -> None:
    world = World()
    world.put(0, 6)
    before = rss(world)[0]
    world.read(0, 3)
    assert (resident(world, 6), rss(world)[0] - before) == ("zzz...", 0)
    assert world.areas()[0].flags == "rd wr mr mw me ac"
    assert not world.task.mm.tree.at(AT).anon_vma  # type: ignore[union-attr]
    world.write(2, 2)
    assert (resident(world, 6), rss(world)[0] - before) == ("zzaa..", 2)
    world.advise(1, 2, MADV_DONTNEED)
    assert (resident(world, 6), rss(world)[0] - before) == ("z..a..", 1)


def test_lazily_freed_pages_are_still_there() -> None:
    world = World()
    world.put(0, 4)
    world.write(0, 4)
    world.advise(0, 2, MADV_FREE)
    runs = world.task.mm.pages.runs(AT, AT + 4 * PAGE)
    assert [(run.pages, run.dirty) for run in runs] == [(2, False), (2, True)]
    world.write(0, 1)
    runs = world.task.mm.pages.runs(AT, AT + 4 * PAGE)
    assert [(run.pages, run.dirty) for run in runs] == [(1, True), (1, False), (2, True)]


def test_copy_on_write_after_fork() -> None:
    world = World()
    world.put(0, 4)
    world.write(0, 4)
    child = world.fork()
    assert (resident(world, 4), resident(world, 4, child)) == ("AAAA", "AAAA")
    world.write(1, 1, task=child)
    assert (resident(world, 4), resident(world, 4, child)) == ("AaAA", "AaAA")
    world.write(0, 2)
    assert (resident(world, 4), resident(world, 4, child)) == ("aaAA", "aaAA")
    assert rss(world) == rss(world, child)
    grandchild = world.fork(child)
    assert resident(world, 4) == "aaAA"
    assert resident(world, 4, grandchild) == "AAAA"


def test_fork_copies_only_what_has_an_anon_vma() -> None:
    world = World()
    fd = world.ok(sys_open, "/disk/big", 0)
    world.put(0, 4, R, PRIVATE, fd=fd)
    world.read(0, 4)
    world.put(8, 4, RW, ANON | SHARED)
    world.write(8, 4)
    child = world.fork()
    assert resident(world, 12) == "ffff....ssss"
    assert resident(world, 12, child) == "." * 12


def test_private_file_pages() -> None:
    world = World()
    fd = world.ok(sys_open, "/disk/big", 0)
    anon, file, _ = rss(world)
    world.put(0, 32, RW, PRIVATE, fd=fd)
    world.read(0)
    assert resident(world, 32) == "f" * 16 + "." * 16
    world.write(1)
    world.write(20)
    assert resident(world, 32) == "fa" + "f" * 14 + "....a" + "." * 11
    assert rss(world) == (anon + 2, file + 15, 0)
    world.advise(0, 32, MADV_DONTNEED)
    assert resident(world, 32) == "." * 32


def test_fault_around_stays_inside_window_vma_and_file() -> None:
    world = World()
    small = world.ok(sys_open, "/disk/small", 0)
    world.put(7, 12, R, PRIVATE, fd=small)
    world.read(7)
    assert resident(world, 20) == "." * 7 + "ffffff" + "." * 7
    outcome = world.call(fault.access, AT + 7 * PAGE, 12 * PAGE, False)
    assert (outcome.value, outcome.signal) == (6, "SIGBUS BUS_ADRERR")


def test_shared_memory_belongs_to_the_object() -> None:
    world = World()
    fd = world.ok(memfd.sys_memfd_create, "m", 2)
    world.ok(sys_ftruncate, fd, 4 * PAGE)
    world.put(0, 4, RW, SHARED, fd=fd)
    world.put(10, 4, RW, PRIVATE, fd=fd)
    world.write(0, 2)
    world.read(10)
    assert resident(world, 14) == "ss........ss.."
    world.write(13)
    world.read(3)
    assert resident(world, 14) == "ss.s......ss.a"
    world.ok(sys_ftruncate, fd, PAGE)
    assert resident(world, 14) == "s.........s..."
    assert world.call(fault.access, AT + PAGE, 1, False).signal == "SIGBUS BUS_ADRERR"


@pytest.mark.parametrize(
    ("prot", "write", "execute", "signal"),
    [
        (0, False, False, "SIGSEGV SEGV_ACCERR"),
        (R, True, False, "SIGSEGV SEGV_ACCERR"),
        (R, False, True, "SIGSEGV SEGV_ACCERR"),
        (2, False, False, ""),
        (X, False, False, ""),
        (X, False, True, ""),
    ],
)
def test_permissions(prot: int, write: bool, execute: bool, signal: str) -> None:
    world = World()
    world.put(0, 1, prot)
    assert world.call(fault.access, AT, 1, write, execute).signal == signal


def test_guard_regions() -> None:
    world = World()
    world.put(0, 6)
    world.write(0, 6)
    world.advise(2, 2, MADV_GUARD_INSTALL)
    assert resident(world, 6) == "aaggaa"
    outcome = world.call(fault.access, AT, 6 * PAGE, False)
    assert (outcome.value, outcome.signal) == (2, "SIGSEGV SEGV_MAPERR")
    world.advise(0, 6, MADV_DONTNEED)
    assert resident(world, 6) == "..gg.."
    world.advise(3, 1, MADV_GUARD_REMOVE)
    world.write(3)
    assert resident(world, 6) == "..ga.."


def test_the_stack_grows_to_its_limit() -> None:
    world = World()
    lowest = 0x7FFFFF7FF000
    outcome = world.call(fault.access, lowest, 8, True)
    assert outcome.signal == ""
    assert world.task.mm.stack_vm == 2048
    assert world.call(fault.access, lowest - 1, 1, True).signal == "SIGSEGV SEGV_MAPERR"


def test_the_stack_keeps_its_distance() -> None:
    world = World()
    top = AT + 4096 * PAGE
    world.map(top, 1, RW, ANON_PRIVATE | FIXED | MAP_GROWSDOWN)
    world.map(top - 300 * PAGE, 1, RW, ANON_PRIVATE | FIXED)
    assert world.call(fault.access, top - 43 * PAGE, 1, True).signal == ""
    assert world.call(fault.access, top - 44 * PAGE, 1, True).signal == "SIGSEGV SEGV_MAPERR"


def test_page_tables_come_with_touches_and_go_with_the_room_around_them() -> None:
    world = World()
    before = world.task.mm.pages.tables
    base = 0x2000_0000_0000
    world.map(base, 3 * 512, RW, ANON_PRIVATE | FIXED)
    world.touch(base, write=False)
    assert world.task.mm.pages.tables == before + 3
    world.touch(base + MIB2, write=True)
    assert world.task.mm.pages.tables == before + 4
    world.ok(sys_munmap, base, 512 * PAGE)
    assert world.task.mm.pages.tables == before + 3
    world.ok(sys_munmap, base + MIB2, 1024 * PAGE)
    assert world.task.mm.pages.tables == before


def test_dropping_two_mib_frees_their_table() -> None:
    world = World()
    base = AT & -MIB2
    world.map(base, 1024, RW, ANON_PRIVATE | FIXED)
    world.touch(base, 1024, write=True)
    before = world.task.mm.pages.tables
    world.ok(sys_madvise, base, MIB2, MADV_DONTNEED)
    assert world.task.mm.pages.tables == before - 1


def test_huge_pages_where_advised() -> None:
    world = World()
    base = AT & -MIB2
    anon = rss(world)[0]
    world.map(base, 1024, RW, ANON_PRIVATE | FIXED)
    world.ok(sys_madvise, base, 2 * MIB2, MADV_HUGEPAGE)
    world.touch(base + 5 * PAGE, write=True)
    runs = world.task.mm.pages.runs(base, base + 2 * MIB2)
    assert [(run.pages, run.huge) for run in runs] == [(512, True)]
    assert rss(world)[0] - anon == 512
    world.touch(base + MIB2, write=False)
    assert rss(world)[0] - anon == 512
    world.ok(sys_madvise, base, PAGE, MADV_DONTNEED)
    runs = world.task.mm.pages.runs(base, base + MIB2)
    assert [(run.start - base, run.pages, run.huge) for run in runs] == [(PAGE, 511, False)]


def test_a_gibibyte_is_quick_to_touch_and_to_drop() -> None:
    world = World()
    world.map(0x2000_0000_0000, GIB // PAGE, RW, ANON_PRIVATE | FIXED)
    world.touch(0x2000_0000_0000, GIB // PAGE, write=True)
    assert len(world.task.mm.pages.runs(0x2000_0000_0000, 0x2000_0000_0000 + GIB)) == 1
    assert world.counters()["rss_anon"] == (GIB >> 10) + 4


def test_populate() -> None:
    world = World()
    world.put(0, 4, RW, ANON_PRIVATE | MAP_POPULATE)
    world.put(6, 2, R, ANON_PRIVATE | MAP_POPULATE)
    world.put(9, 2, RW, ANON | SHARED | MAP_POPULATE)
    assert resident(world, 11) == "aaaa..zz.ss"


def test_pages_that_vvar_does_not_have() -> None:
    world = World()
    reached = [world.call(fault.access, 0x7FFFF7FF7000 + page * PAGE, 1, False).signal for page in range(4)]
    assert reached == ["", "SIGBUS BUS_ADRERR", "", "SIGBUS BUS_ADRERR"]
