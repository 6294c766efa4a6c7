"""Series of calls whose results were seen on a running 6.18.44 kernel, address by address."""

from memtui.sim.kernel import brk, mmap, mprotect, mremap
from memtui.sim.kernel.file import sys_open
from tests.sim.kernel.world import ANON, ANON_PRIVATE, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, W, World, X

TOP = 0x7FFFF7FF7000
MIB2 = 2 << 20


def high(world: World) -> list[tuple[int, int, str]]:
    """VMAs of the mmap area: start and end in pages below its top, permissions."""
    areas = world.areas(start=0x7FFF_0000_0000, end=TOP)
    return [
        ((AT + area.start * PAGE - TOP) // PAGE, (AT + area.end * PAGE - TOP) // PAGE, area.perms) for area in areas
    ]


def test_new_memory_grows_its_neighbours() -> None:
    world = World()
    assert world.map(pages=3) == 0x7FFFF7FF4000
    assert world.map() == 0x7FFFF7FF3000
    assert high(world) == [(-4, 0, "rw-p")]
    assert world.map(prot=R) == 0x7FFFF7FF2000
    assert world.map() == 0x7FFFF7FF1000
    assert high(world) == [(-6, -5, "rw-p"), (-5, -4, "r--p"), (-4, 0, "rw-p")]
    world.ok(mprotect.sys_mprotect, 0x7FFFF7FF2000, PAGE, RW)
    assert high(world) == [(-6, 0, "rw-p")]


def test_mprotect_splits_and_heals() -> None:
    world = World()
    world.put(0, 5)
    world.protect(1, 1, R)
    world.protect(3, 1, R)
    assert world.ruler() == "w|r|w|r|w"
    world.protect(2, 1, R)
    assert world.ruler() == "w|rrr|w"
    world.protect(1, 3, RW)
    assert world.ruler() == "wwwww"


def test_two_anon_vmas_keep_neighbours_apart() -> None:
    world = World()
    world.put(0)
    world.put(2)
    world.write(0)
    world.write(2)
    world.put(1)
    assert world.ruler() == "ww|w"


def test_one_anon_vma_joins_all() -> None:
    world = World()
    world.put(0)
    world.put(2)
    world.write(0)
    world.put(1)
    assert world.ruler() == "www"


def test_charge_is_given_back_only_by_untouched_memory() -> None:
    world = World()
    world.put(0, 4, 0)
    world.protect(0, 2, RW)
    world.protect(1, 1, 0)
    assert world.ruler() == "w|nnn"
    world.write(0)
    world.protect(0, 1, 0)
    assert world.ruler() == "n|nnn"
    assert [area.flags for area in world.areas()] == ["mr mw me ac", "mr mw me"]


def test_neighbours_cut_from_one_mapping_share_their_anon_vma() -> None:
    world = World()
    world.put(0, 2)
    world.protect(1, 1, RW | X)
    world.write(0, 2)
    world.protect(1, 1, RW)
    assert world.ruler() == "ww"


def test_forked_memory_does_not_merge() -> None:
    world = World()
    world.put(0)
    world.write(0)
    world.brk(0x6E0000)
    world.touch(0x6BE000, write=True)
    child = world.fork()
    world.ok(mmap.sys_mmap, AT + PAGE, PAGE, RW, ANON_PRIVATE | FIXED, -1, 0, task=child)
    assert world.ruler(child) == "w|w"
    world.ok(brk.sys_brk, 0x6E2000, task=child)
    world.ok(brk.sys_brk, 0x6E4000, task=child)
    heap = [
        (AT + area.start * PAGE, AT + area.end * PAGE, area.label) for area in world.areas(child, 0x6BE000, 0x700000)
    ]
    assert heap == [(0x6BE000, 0x6E0000, "[heap]"), (0x6E0000, 0x6E4000, "[heap]")]
    world.put(1)
    assert world.ruler() == "ww"


def test_the_break() -> None:
    world = World()
    ends = []
    for wanted in (0x6E1000, 0x6E1001, 0x6DF000):
        assert world.brk(wanted) == wanted
        ends.append([AT + area.end * PAGE for area in world.areas(start=0x6BE000, end=0x700000)])
    assert ends == [[0x6E1000], [0x6E2000], [0x6DF000]]
    world.map(0x6E2000, flags=ANON_PRIVATE | FIXED)
    assert world.brk(0x6E1000) == 0x6E1000
    assert world.brk(0x6E1001) == 0x6E1000


def test_touched_memory_keeps_its_offset_when_it_moves() -> None:
    world = World()
    world.put(0, 3)
    world.write(1)
    world.move(1, 1, to=9)
    assert world.ruler() == "w.w......w"
    world.move(9, 1, to=1)
    assert world.ruler() == "www"


def test_untouched_memory_merges_where_it_lands() -> None:
    world = World()
    world.put(0)
    world.put(5)
    world.move(5, 1, to=1)
    assert world.ruler() == "ww"
    world.put(5)
    world.write(5)
    world.move(5, 1, to=2)
    assert world.ruler() == "ww|w"


def test_whole_huge_pages_are_aligned() -> None:
    world = World()
    big = world.ok(sys_open, "/disk/big", 0)
    assert world.map(pages=512) == 0x7FFFF7C00000
    assert world.map() == 0x7FFFF7FF6000
    assert world.map(pages=1024) == 0x7FFFF7800000
    assert world.map(pages=513) == 0x7FFFF75FF000
    assert world.map(pages=512, prot=R, flags=PRIVATE, fd=big) == 0x7FFFF7200000
    assert world.map(pages=1023, prot=R, flags=PRIVATE, fd=big, offset=PAGE) == 0x7FFFF6E01000
    assert world.map(pages=512, flags=ANON | SHARED) == 0x7FFFF6C01000
    assert high(world)[-1][2] == "rw-p"


def test_hints() -> None:
    world = World()
    world.put(0)
    assert world.map(AT + 0x123) == TOP - PAGE
    assert world.map(AT + 0x1123) == AT + PAGE
    big = world.ok(sys_open, "/disk/big", 0)
    assert world.map(0x30000000, 512, R, PRIVATE, big) == 0x30000000
    assert world.map(0x2FE00000, 512, R, PRIVATE, big) == 0x7FFFF7C00000
    low = ANON_PRIVATE | 0x40
    assert [world.map(0, flags=low), world.map(0, flags=low)] == [0x40000000, 0x40001000]
    assert world.map(0x50000000, flags=low) == 0x50000000
    assert world.map(0x90000000, flags=low) == 0x40002000


def test_mremap() -> None:
    world = World()
    world.put(0, 2)
    assert world.ok(mremap.sys_mremap, AT, 2 * PAGE, 4 * PAGE, 0, 0) == AT
    world.put(4, 1, R)
    assert world.call(mremap.sys_mremap, AT, 4 * PAGE, 6 * PAGE, 0, 0).errno == "ENOMEM"
    moved = world.ok(mremap.sys_mremap, AT, 4 * PAGE, 6 * PAGE, 1, 0)
    assert moved == 0x7FFFF7FF1000
    assert world.ok(mremap.sys_mremap, moved, 6 * PAGE, 2 * PAGE, 0, 0) == moved
    assert world.ok(mremap.sys_mremap, moved, 2 * PAGE, 2 * PAGE, 3, AT) == AT
    assert world.ruler() == "ww..r"
    assert world.ok(mremap.sys_mremap, AT, 2 * PAGE, 2 * PAGE, 5, 0) == 0x7FFFF7FF5000
    assert world.ruler() == "ww..r"
    assert high(world) == [(-2, 0, "rw-p")]


def test_write_only_memory_is_charged() -> None:
    world = World()
    world.put(0, 1, W)
    assert world.areas()[0].flags == "wr mr mw me ac"
