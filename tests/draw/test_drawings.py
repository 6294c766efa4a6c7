"""What holds for every drawing, whatever is drawn and however narrow: no error, no row too wide, no unknown role."""

import unicodedata
from itertools import pairwise
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from memtui.draw.address_map import AddressMap
from memtui.draw.changes import changed
from memtui.draw.header import header_row
from memtui.draw.legend import legend_rows
from memtui.draw.oom_table import OomTable, arithmetic
from memtui.draw.page_grid import PageGrid, shift_to_fit
from memtui.draw.residence_bars import residence_rows
from memtui.draw.roles import ROLES
from memtui.draw.step_list import StepList
from memtui.draw.vma_detail import hole_rows, vma_rows
from memtui.model.address import PAGE_SIZE, TASK_SIZE
from tests.draw.strategies import WIDTHS, address_spaces, names, snapshots, step_logs

anything = settings(deadline=None, max_examples=40)


def holds(rows, width):
    for row in rows:
        assert sum(len(run.text) for run in row) <= width
        for run in row:
            assert run.role in ROLES
            assert run.text
            for character in run.text:
                assert unicodedata.east_asian_width(character) not in "WF"
                assert not unicodedata.category(character).startswith(("C", "M"))


def lines_hold(lines):
    assert lines.row(-1) == lines.row(len(lines)) == ()
    # Huge drawings are looked at from both ends.
    indexes = {*range(min(len(lines), 60)), *range(max(len(lines) - 60, 0), len(lines))}
    holds((lines.row(index) for index in indexes), lines.width)


@anything
@given(address_spaces(), address_spaces(), WIDTHS, st.integers(0, 40))
def test_address_map(before, mm, width, fold):
    lines = AddressMap(mm, width, fold=fold, marks=changed(before, mm))
    lines_hold(lines)
    assert lines.scale
    for row in range(len(lines)):
        vma, hole = lines.vma_at(row), lines.hole_at(row)
        assert vma is None or hole is None
        for column in (0, width // 2, width - 1):
            address = lines.address_at(row, column)
            assert lines.row_of(address) == row
            assert 0 <= lines.column_of(address) < width
            assert lines.address_at(row, lines.column_of(address)) == address
            assert (vma or hole) is None or (vma or hole).start <= address < (vma or hole).end


@anything
@given(address_spaces(), st.data())
def test_every_address_of_the_user_has_a_row_that_shows_it(mm, data):
    lines = AddressMap(mm, 70)
    edges = [edge for vma in mm.vmas for edge in (vma.start, vma.end - 1, vma.end)]
    address = data.draw(st.sampled_from([0, *(edge for edge in edges if edge < TASK_SIZE)]))
    row = lines.row_of(address)
    vma, hole = lines.vma_at(row), lines.hole_at(row)
    inside = next((vma for vma in mm.vmas if vma.start <= address < vma.end), None)
    assert vma == inside
    assert hole is None or hole.contains(address)


@anything
@given(address_spaces(), WIDTHS, st.integers(0, 30))
def test_page_grid(mm, width, shift):
    for vma in mm.vmas:
        lines = PageGrid(vma, width, shift)
        lines_hold(lines)
        holds([[SimpleNamespace(text=lines.title, role="title")]], len(lines.title))
        for row in {0, 1, len(lines) // 2, len(lines) - 1} - {-1, len(lines)}:
            for column in range(width):
                address = lines.address_at(row, column)
                assert vma.start <= address < vma.end
                assert lines.row_of(address) == row
                assert lines.address_at(row, lines.column_of(address)) == address


@anything
@given(address_spaces(), WIDTHS, st.integers(1, 50))
def test_a_grid_fits_with_the_smallest_shift(mm, width, rows):
    for vma in mm.vmas:
        shift = shift_to_fit(vma, width, rows)
        assert len(PageGrid(vma, width, shift)) <= rows
        assert shift == 0 or len(PageGrid(vma, width, shift - 1)) > rows


@anything
@given(address_spaces(), WIDTHS, st.integers(0, 1 << 32))
def test_details(mm, width, offset):
    for vma in mm.vmas:
        holds(vma_rows(vma, width, unknown=mm.unknown), width)
        holds(vma_rows(vma, width, address=vma.start + offset % vma.size), width)
    for row in range(len(lines := AddressMap(mm, width))):
        if hole := lines.hole_at(row):
            holds(hole_rows(hole, width), width)


@anything
@given(snapshots(), WIDTHS, names)
def test_snapshot(snapshot, width, status):
    holds(residence_rows(snapshot, width), width)
    header = header_row(snapshot, width, status=status)
    holds([header], width)
    assert sum(len(run.text) for run in header) == width
    table = OomTable(snapshot, width)
    lines_hold(table)
    for row in range(len(table)):
        verdict = table.verdict_at(row)
        if verdict is not None:
            assert table.verdict_at(table.row_of(verdict.task.pid) or 0) is not None
            holds(arithmetic(verdict, snapshot.domain, snapshot.system.totalpages, width), width)


@anything
@given(step_logs(), WIDTHS)
def test_step_list(log, width):
    lines = StepList(log, width)
    lines_hold(lines)
    for step in log.steps:
        row = lines.row_of(step.number)
        assert lines.step_at(row) == step.number
        assert str(step.number) in "".join(run.text for run in lines.row(row)[1:2])


@anything
@given(WIDTHS)
def test_legend(width):
    holds(legend_rows(width), width)


@anything
@given(address_spaces(), address_spaces())
def test_changes_are_pages_in_order_and_apart(before, after):
    ranges = changed(before, after)
    assert all(one.end < other.start for one, other in pairwise(ranges))
    assert all(each.start < each.end for each in ranges)
    assert all(each.start % PAGE_SIZE == each.end % PAGE_SIZE == 0 for each in ranges)
    assert changed(after, before) == ranges
    assert changed(after, after) == ()
