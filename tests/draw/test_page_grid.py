"""The page grid as text."""

from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.model.address import PAGE_SIZE
from tests.draw.pictures import HEAP, HEAP_VMA, LIBC_VMA, VVAR, drawn


def test_one_cell_a_page():
    grid = PageGrid(HEAP_VMA, 70)
    assert (grid.title, grid.scale) == ("[heap] 555555559000 · 399 pages", "one cell a page")
    assert drawn(grid) == [
        " 555555559000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 555555589000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 5555555b9000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 5555555e9000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 555555619000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 555555649000 ████████ ████████ ████████ ████████ ████████ ████████",
        " 555555679000 ████████ ████○○○○ ○○○○○○○○ ○○○○○○○○ ○○○○○○○○ ○○○○○○○○",
        " 5555556a9000 ○○○○░░░░ ░░░░░░░░ ········ ········ ········ ········",
        " 5555556d9000 ········ ·······",
    ]


def test_several_pages_a_cell():
    grid = PageGrid(HEAP_VMA, 40, 3)
    assert grid.scale == "one cell 8 pages, 32 KiB"
    assert drawn(grid) == [
        " 555555559000 ████████ ████████",
        " 5555555d9000 ████████ ████████",
        " 555555659000 ██████○○ ○○○░····",
        " 5555556d9000 ··",
    ]


def test_a_cell_less_than_half_full_is_dimmer():
    grid = PageGrid(LIBC_VMA, 40, 5)
    # Pages 192 to 223 hold 8 and 3 resident ones: 11 of 32.
    assert drawn(grid) == [" 7ffff7c28000 ▓▓▓▓▓▓▓· ···"]
    assert [run.role for run in grid.row(0)[2:4]] == ["residence.page_cache", "residence.page_cache.part"]


def test_pages_that_were_not_measured_are_a_dash():
    assert drawn(PageGrid(VVAR, 40)) == [" 7ffff7fc9000 —"]


def test_columns_skip_the_gaps():
    grid = PageGrid(HEAP_VMA, 70)
    assert [grid.column_of(HEAP + page * PAGE_SIZE) for page in (0, 7, 8, 47)] == [14, 21, 23, 66]
    assert grid.address_at(1, 22) == grid.address_at(1, 23) == HEAP + 56 * PAGE_SIZE
    assert grid.address_at(99, 99) == HEAP_VMA.end - PAGE_SIZE


def test_shift_to_fit():
    assert [shift_to_fit(HEAP_VMA, 70, rows) for rows in (20, 9, 8, 5, 1)] == [0, 0, 1, 1, 4]
