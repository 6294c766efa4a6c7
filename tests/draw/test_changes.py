"""What a second look finds changed."""

from dataclasses import replace

from memtui.draw.changes import changed
from memtui.model.address import PAGE_SIZE, Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from tests.draw.pictures import CAT, HEAP, HEAP_VMA, LIBC_VMA, PROCESS, SHM, STACK_VMA, run


def look(*vmas):
    return MmSnapshot(4242, "cat", vmas)


def pages(first, behind):
    return Range(HEAP + first * PAGE_SIZE, HEAP + behind * PAGE_SIZE)


def test_nothing_before_and_nothing_of_another_process():
    assert changed(None, PROCESS) == ()
    assert changed(MmSnapshot(1, "init", ()), PROCESS) == ()
    assert changed(PROCESS, PROCESS) == ()
    assert changed(look(CAT, HEAP_VMA), look(CAT._replace(), HEAP_VMA._replace())) == ()


def test_what_came_and_went():
    assert changed(look(CAT, STACK_VMA), look(CAT, LIBC_VMA, STACK_VMA)) == (Range(LIBC_VMA.start, LIBC_VMA.end),)
    assert changed(look(CAT, SHM), look(CAT)) == (Range(SHM.start, SHM.end),)


def test_growing_marks_the_new_end_only():
    grown = HEAP_VMA._replace(end=HEAP_VMA.end + 5 * PAGE_SIZE)
    assert changed(look(HEAP_VMA), look(grown)) == (pages(399, 404),)
    assert changed(replace(look(HEAP_VMA), read_to=HEAP_VMA.end), look(grown)) == ()
    assert changed(look(grown), look(HEAP_VMA)) == (pages(399, 404),)


def test_the_page_that_was_touched():
    runs = HEAP_VMA.runs or ()
    touched = HEAP_VMA._replace(runs=(*runs, run(HEAP, 360, 2, Residence.ANON)))
    assert changed(look(HEAP_VMA), look(touched)) == (pages(360, 362),)
    written = HEAP_VMA._replace(
        runs=(runs[0], run(HEAP, 300, 1, Residence.ANON), run(HEAP, 301, 39, Residence.ZERO), runs[2])
    )
    assert changed(look(HEAP_VMA), look(written)) == (pages(300, 301),)


def test_a_split_without_change_is_none_but_new_rights_are():
    low = HEAP_VMA._replace(end=HEAP + 100 * PAGE_SIZE)
    high = HEAP_VMA._replace(start=HEAP + 100 * PAGE_SIZE)
    assert changed(look(HEAP_VMA), look(low, high)) == ()
    assert changed(look(HEAP_VMA), look(low._replace(perms="r--p"), high)) == (pages(0, 100),)


def test_a_split_of_a_file_keeps_its_offsets():
    middle = LIBC_VMA.start + 10 * PAGE_SIZE
    low, high = LIBC_VMA._replace(end=middle), LIBC_VMA._replace(start=middle, offset=10 * PAGE_SIZE)
    assert changed(look(LIBC_VMA), look(low, high)) == ()
    assert changed(look(LIBC_VMA), look(low, high._replace(offset=0))) == (Range(middle, LIBC_VMA.end),)


def test_pages_that_one_look_did_not_measure_have_not_changed():
    assert changed(look(HEAP_VMA), look(HEAP_VMA._replace(runs=None))) == ()
