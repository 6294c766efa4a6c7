"""The address map as text, and its way from cells to addresses."""

from dataclasses import replace

import pytest

from memtui.draw.address_map import AddressMap, nothing_rows
from memtui.draw.run import plain
from memtui.model.address import PAGE_SIZE, TASK_SIZE, Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from memtui.model.vma import VmaKind
from tests.draw.pictures import CAT, HEAP, HEAP_VMA, LIBC_VMA, PROCESS, STACK, STACK_VMA, VSYSCALL, drawn, run, vma


def test_wide_pane():
    assert drawn(AddressMap(PROCESS, 70)) == [
        " fffff…600000 ┤ [vsyscall]           4 KiB --xp  —",
        "              ┆ user space ends at 7ffffffff000",
        " 7ffffffde000 ┤ [stack]            132 KiB rw-p  ···················██",
        "              ┆ 128 MiB free",
        " 7ffff7fc9000 ┤ [vvar]              16 KiB r--p  —",
        "              ┆ 2.3 MiB free",
        " 7ffff7d7f000 ┤ shared anon         16 KiB rw-s  ▒▒▒·",
        " 7ffff7d7d000 ┤ libc.so.6            8 KiB rw-p  █·",
        " 7ffff7d0b000 ┐ libc.so.6          1.3 MiB r-xp  ·····················",
        " 7ffff7c99000 │                                  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓·▓··",
        " 7ffff7c28000 ┘                                  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓",
        "              ┆ 42.7 TiB free",
        " 555555663000 ┐ [heap]             1.6 MiB rw-p  █████○○○○○○○░░·······",
        " 5555555de000 │                                  █████████████████████",
        " 555555559000 ┘                                  █████████████████████",
        " 555555554000 ┤ cat                 20 KiB r-xp  ▓▓▓▓▓",
        "              ┆ 85.3 TiB free",
    ]


def test_where_nobody_looked_yet_nothing_is_free():
    lines = AddressMap(replace(PROCESS, vmas=PROCESS.vmas[:2], read_to=HEAP_VMA.end), 70)
    assert drawn(lines)[0] == "              ┆ what lies above is being read"
    assert lines.hole_at(0) is None
    assert drawn(lines)[-1] == "              ┆ 85.3 TiB free"


def test_narrow_panes_drop_the_size_then_the_rights_then_the_bar():
    def heap(width):
        return drawn(AddressMap(PROCESS, width))[12]

    assert heap(51) == " 555555663000 ┐ [heap]       rw-p  ████○○○○○░░·····"
    assert heap(35) == " 555555663000 ┐ [heap]   ███○○○░···"
    assert heap(24) == " 555555663000 ┐ [heap]"
    assert heap(10) == " 555555663"


def test_marks_changes_in_the_first_column():
    marks = (Range(HEAP, HEAP + PAGE_SIZE), Range(STACK - PAGE_SIZE, STACK))
    lines = drawn(AddressMap(PROCESS, 40, marks=marks))
    assert [line for line in lines if line.startswith("▌")] == [
        "▌             ┆ 128 MiB free",
        "▌555555559000 ┘               ██████████",
    ]


def test_height_follows_size_on_the_stated_scale():
    def heights(pages, fold=AddressMap.FOLD):
        mm = MmSnapshot(1, "x", (vma(0, pages, "rw-p", "", VmaKind.ANON),))
        return len(AddressMap(mm, 60, fold=fold)) - 1

    assert [heights(pages) for pages in (1, 64, 65, 256, 257, 1024, 1025)] == [1, 1, 2, 2, 3, 3, 4]
    assert heights(1 << 28) == 12
    assert heights(1 << 28, fold=64) == 1
    assert AddressMap(PROCESS, 60).scale == "1 row up to 256 KiB, +1 for each ×4"
    assert AddressMap(PROCESS, 60, fold=12).scale == "1 row up to 4 KiB, +1 for each ×4"


def test_an_empty_address_space_is_one_hole():
    lines = AddressMap(MmSnapshot(1, "x", ()), 40)
    assert drawn(lines) == ["              ┆ 128 TiB free"]
    assert lines.hole_at(0) == Range(0, TASK_SIZE)
    assert lines.row_of(0x1234) == 0


def test_neighbours_have_no_hole_between_them():
    above = vma(CAT.end, 1, "rw-p", "/usr/bin/cat", VmaKind.FILE, inode=260131)
    lines = AddressMap(MmSnapshot(1, "x", (CAT, above)), 60)
    assert [plain(lines.row(index))[14:20] for index in range(len(lines))] == ["┆ 42.7", "┤ cat ", "┤ cat ", "┆ 85.3"]
    assert [row[3].role for row in (lines.row(1), lines.row(2))] == ["map.label", "map.label.again"]


def test_five_level_paging_has_a_higher_end():
    high = vma(1 << 52, 1, "rw-p", "", VmaKind.ANON)
    lines = AddressMap(MmSnapshot(1, "x", (CAT, high, VSYSCALL)), 60)
    assert drawn(lines)[1:3] == [
        "              ┆ 60 PiB free · user space ends at ffffffffff…",
        " 10000…000000 ┤ anon            4 KiB rw-p  —",
    ]


def test_a_cell_with_any_page_never_looks_untouched():
    start = 0x10000
    pages = 4096
    for page in (0, 1234, 4095):
        runs = (PageRun(start + page * PAGE_SIZE, 1, Residence.ANON),)
        lone = vma(start, pages, "rw-p", "", VmaKind.ANON)._replace(runs=runs)
        lines = AddressMap(MmSnapshot(1, "x", (lone,)), 70, fold=64)
        assert plain(lines.row(1)).count("█") == 1
        assert [part.role for part in lines.row(1) if "█" in part.text] == ["residence.anon.part"]


def test_the_most_frequent_residence_wins_a_cell_and_the_lower_page_a_tie():
    start = 0x10000
    runs = (
        run(start, 0, 4, Residence.ANON),
        run(start, 4, 6, Residence.SWAPPED),
        run(start, 10, 6, Residence.ANON),
        run(start, 16, 4, Residence.SWAPPED),
        run(start, 20, 5, Residence.ZERO),
        run(start, 25, 5, Residence.ANON),
    )
    lone = vma(start, 100, "rw-p", "", VmaKind.ANON, *runs)
    # Ten cells of ten pages.
    lines = AddressMap(MmSnapshot(1, "x", (lone,)), 40, fold=64)
    assert plain(lines.row(1)) == " 000000010000 ┤ anon    rw-p  ░█○·······"


def test_addresses_of_cells():
    lines = AddressMap(PROCESS, 70)
    stack = lines.row_of(STACK)
    assert (stack, lines.vma_at(stack)) == (2, STACK_VMA)
    # 33 pages on 21 cells: the second cell begins with page 1, the last with page 31.
    assert [lines.address_at(stack, column) - STACK for column in (0, 49, 50, 69, 200)] == [
        0,
        0,
        PAGE_SIZE,
        31 * PAGE_SIZE,
        31 * PAGE_SIZE,
    ]
    assert lines.column_of(STACK + 31 * PAGE_SIZE) == 69
    assert lines.hole_at(stack + 1) == Range(0x7FFFF7FCD000, STACK)
    assert lines.address_at(stack + 1, 5) == 0x7FFFF7FCD000
    assert lines.vma_at(-1) is lines.hole_at(len(lines)) is None


def test_rows_of_one_vma_go_down_with_its_addresses():
    lines = AddressMap(PROCESS, 70)
    rows = [lines.row_of(HEAP + page * PAGE_SIZE) for page in range(HEAP_VMA.pages)]
    assert rows == sorted(rows, reverse=True)
    assert {rows.count(row) for row in set(rows)} == {133}
    assert lines.row_of(LIBC_VMA.end - 1) == lines.row_of(LIBC_VMA.start) - 2


def test_sixty_thousand_vmas_look_at_no_page_before_a_row_is_asked_for():
    class Untouchable(tuple):
        __slots__ = ()

        def __iter__(self):
            raise AssertionError("the layout looked at pages")

    runs = Untouchable((PageRun(0, 1, Residence.ANON),))
    space = tuple(
        vma(0x10000 + 3 * number * PAGE_SIZE, 2, "rw-p", "", VmaKind.ANON)._replace(runs=runs)
        for number in range(60_000)
    )
    lines = AddressMap(MmSnapshot(1, "x", space), 70)
    assert len(lines) == 2 * 60_000 + 1
    assert lines.row_of(space[0].start) == len(lines) - 2
    assert lines.vma_at(lines.row_of(space[31_415].start)) == space[31_415]


@pytest.mark.parametrize(
    ("cursor", "hint"), [(0, "n makes the next step"), (1, "n makes the next step"), (2, "b takes the last step back")]
)
def test_without_a_map_a_key_is_told_that_leads_to_one(cursor: int, hint: str):
    steps = StepLog((StepRecord(1, "brk(NULL)", 1), StepRecord(2, "exit_group(0)", 1)), cursor)
    picture = Snapshot("sim", "x", SystemSnapshot("6.18", {}), steps=steps)
    assert plain(nothing_rows(picture, 40)[-1]).strip() == hint
