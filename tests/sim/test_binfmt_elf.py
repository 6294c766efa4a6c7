"""Exec's arithmetic, held against figures that a 6.18 kernel showed."""

import pytest

from memtui.model.elf import ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, ElfImage, Segment
from memtui.sim.kernel.binfmt_elf import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    load_interpreter,
    load_program,
    start_brk,
)
from memtui.sim.kernel.exec_stack import StackOffsets, StringsTooLong, mmap_base, stack_layout
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import RLIM_INFINITY

HELLO = (
    Segment(PF_R, 0, 0, 0x618, 0x618, 0x1000),
    Segment(PF_R | PF_X, 0x1000, 0x1000, 0x15D, 0x15D, 0x1000),
    Segment(PF_R, 0x2000, 0x2000, 0xDC, 0xDC, 0x1000),
    Segment(PF_R | PF_W, 0x2DD0, 0x3DD0, 0x248, 0x3000, 0x1000),
)


class Space:
    """Notes what exec asks for, and puts what has no address below the last one."""

    def __init__(self, top: int = 0x7FFFF7FFF000, fails: bool = False) -> None:
        self.top, self.fails = top, fails
        self.calls: list[tuple[object, ...]] = []

    def vm_mmap(self, addr: int, length: int, prot: int, flags: int, offset: int) -> int:
        self.calls.append(("mmap", addr, length, prot, flags, offset))
        if self.fails:
            raise Errno("ENOMEM")
        if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            return addr
        self.top -= length
        return self.top

    def vm_munmap(self, addr: int, length: int) -> None:
        self.calls.append(("munmap", addr, length))

    def vm_brk_flags(self, addr: int, length: int, *, executable: bool) -> None:
        self.calls.append(("brk", addr, length, executable))

    def clear_user(self, addr: int, length: int) -> bool:
        self.calls.append(("clear", addr, length))
        return True


def image(loads: tuple[Segment, ...], e_type: int = ET_DYN, interp: str | None = "/ld.so") -> ElfImage:
    return ElfImage("/prog", e_type, 0x1050, loads, interp)


def test_a_pie_lies_at_two_thirds_and_its_first_mapping_takes_the_room_of_all():
    space = Space()
    loaded = load_program(image(HELLO), space)
    assert space.calls == [
        ("mmap", 0x555555554000, 0x7000, 1, 0x100002, 0),
        ("munmap", 0x555555555000, 0x6000),
        ("mmap", 0x555555555000, 0x1000, 5, 0x12, 0x1000),
        ("mmap", 0x555555556000, 0x1000, 1, 0x12, 0x2000),
        ("mmap", 0x555555557000, 0x2000, 3, 0x12, 0x2000),
        ("clear", 0x555555558018, 0xFE8),
        ("brk", 0x555555559000, 0x2000, False),
    ]
    assert loaded.load_bias == 0x555555554000
    assert loaded.entry == 0x555555555050
    assert (loaded.start_code, loaded.end_code) == (0x555555555000, 0x55555555515D)
    assert (loaded.start_data, loaded.end_data) == (0x555555557DD0, 0x555555558018)
    assert start_brk(image(HELLO), loaded) == 0x55555555B000


def test_2_mib_segments_align_the_base():
    loads = tuple(load._replace(align=0x200000) for load in HELLO)
    assert load_program(image(loads), Space()).load_bias == 0x555555400000
    assert load_program(image(loads), Space(), rnd=0x1234000).load_bias == 0x555556600000


def test_alignments_that_are_no_power_of_two_do_not_count():
    loads = tuple(load._replace(align=0x300000) for load in HELLO)
    assert load_program(image(loads), Space()).load_bias == 0x555555554000


def test_a_fixed_program_goes_where_it_says():
    loads = tuple(load._replace(vaddr=load.vaddr + 0x400000) for load in HELLO)
    program = image(loads, ET_EXEC)
    space = Space()
    loaded = load_program(program, space)
    assert space.calls[0] == ("mmap", 0x400000, 0x1000, 1, 0x100002, 0)
    assert loaded.load_bias == 0
    assert start_brk(program, loaded) == 0x407000


def test_a_program_without_interpreter_lies_among_the_mappings_and_its_heap_does_not():
    program = image(HELLO, interp=None)
    loaded = load_program(program, Space())
    assert loaded.load_bias == 0x7FFFF7FF8000
    assert start_brk(program, loaded) == 0x555555555000


def test_a_static_pie_with_large_alignment_is_searched_twice():
    program = image(tuple(load._replace(align=0x200000) for load in HELLO), interp=None)
    space = Space()
    loaded = load_program(program, space)
    assert space.calls[:4] == [
        ("mmap", 0, 0x7000, 1, 2, 0),
        ("munmap", 0x7FFFF7FF9000, 0x6000),
        ("munmap", 0x7FFFF7FF8000, 0x6DD0),
        ("mmap", 0x7FFFF7E00000, 0x7000, 1, 0x100002, 0),
    ]
    assert loaded.load_bias == 0x7FFFF7E00000


def test_the_interpreter_has_no_hint():
    space = Space()
    assert load_interpreter(image(HELLO, interp=None), space).load_bias == 0x7FFFF7FF8000
    assert space.calls[0] == ("mmap", 0, 0x7000, 1, 2, 0)


def test_a_segment_that_is_all_bss_maps_no_file():
    space = Space()
    load_program(image((*HELLO[:3], Segment(PF_R | PF_W | PF_X, 0x3000, 0x5010, 0, 0x1FF0, 0x1000))), space)
    assert space.calls[-1] == ("brk", 0x555555559000, 0x2000, True)


def test_a_mapping_that_fails_ends_exec():
    with pytest.raises(Errno, match="ENOMEM"):
        load_program(image(HELLO), Space(fails=True))


@pytest.mark.parametrize(
    ("limit", "base"),
    [
        (8 << 20, 0x7FFFF7FFF000),
        (127 << 20, 0x7FFFF7FFF000),
        (128 << 20, 0x7FFFF7EFF000),
        (256 << 20, 0x7FFFEFEFF000),
        (1 << 30, 0x7FFFBFEFF000),
        (RLIM_INFINITY, 0x155555556000),
    ],
)
def test_mmap_base_by_stack_limit(limit: int, base: int):
    assert mmap_base(limit) == base


def test_mmap_base_moves_down_by_the_random_offset():
    assert mmap_base(8 << 20, 5, randomize=True) == 0x7FFFFFFFF000 - (8 << 20) - 0x3FFFFF000 - 0x100000 - 0x5000


def test_the_stack_of_a_small_program_is_132_kib():
    layout = stack_layout(b"/bin/true", [b"true"], [], 8 << 20)
    assert (layout.start, layout.end) == (0x7FFFFFFDE000, 0x7FFFFFFFF000)
    assert layout.start_stack == 0x7FFFFFFFEE30


def test_the_stack_grows_with_its_strings_and_stops_at_its_limit():
    assert stack_layout(b"/bin/true", [b"true"], [b"A=" + b"x" * 100_000], 8 << 20).start == 0x7FFFFFFC6000
    assert stack_layout(b"/bin/true", [b"true"], [], 16 << 10).start == 0x7FFFFFFFB000


def test_an_empty_argv_gets_an_empty_string():
    empty, one = stack_layout(b"/p", [], [], 8 << 20), stack_layout(b"/p", [b""], [], 8 << 20)
    assert empty == one


def test_strings_that_do_not_fit():
    with pytest.raises(StringsTooLong):
        stack_layout(b"/p", [b"x" * (2 << 20)], [], 8 << 20)
    with pytest.raises(StringsTooLong):
        stack_layout(b"/p", [b"x" * 100_000], [], 64 << 10)


def test_randomization_moves_the_stack_by_pages_and_its_pointer_by_bytes():
    plain = stack_layout(b"/p", [b"p"], [], 8 << 20)
    moved = stack_layout(b"/p", [b"p"], [], 8 << 20, StackOffsets(top=0x5000, pointer=0x123))
    assert moved.end == plain.end - 0x5000
    assert plain.start_stack - 0x5000 - 0x1000 < moved.start_stack < plain.start_stack - 0x5000
    assert moved.start_stack % 16 == 0
