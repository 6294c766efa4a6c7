"""2 MiB folios of anonymous memory that a fork shared: what a write splits, and what it copies."""

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_ops import HUGE, PAGE
from tests.oracle.mm_real import missing

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
READ, WRITE = 0, 1
RW, ANON, FIXED = 3, 0x22, 0x10
AT = 0x2400_0000
FREE, HUGEPAGE, NOHUGEPAGE, COLD, PAGEOUT, COLLAPSE = 8, 14, 15, 20, 21, 25


def mapped(script: Script, tables: int) -> None:
    script.call("mmap", AT, tables * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, tables * HUGE, HUGEPAGE)
    script.call("touch", AT, tables * HUGE, WRITE)


def huge_tables(script: Script, proc: int = 0) -> int:
    return script.both.real.picture(proc).counters["AnonHugePages"] // 2048


@pytest.mark.parametrize(("left", "huge"), [((0, 512), 0), ((500, 12), 0), ((0, 1), 0), ((0, 0), 1)])
def test_a_write_splits_what_has_any_page_in_common(script: Script, left: tuple[int, int], huge: int):
    """Whether or not it is written itself."""
    mapped(script, 1)
    script.call("fork", 1)
    first, count = left
    for low, high in ((0, first), (first + count, 512)):
        if low < high:
            script.call("munmap", AT + low * PAGE, (high - low) * PAGE, proc=1)
    script.call("touch", AT + 100 * PAGE, 30 * PAGE, WRITE)
    assert huge_tables(script) == huge


def test_pages_of_a_shared_folio_are_copied_though_nobody_else_has_them(script: Script):
    """So that a split of it later finds them elsewhere."""
    script.call("mmap", AT, HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, HUGE, HUGEPAGE)
    script.call("touch", AT, PAGE, WRITE)
    script.call("fork", 1)
    script.call("munmap", AT, 400 * PAGE, proc=1)
    script.call("touch", AT + 10 * PAGE, 10 * PAGE, WRITE)
    script.call("exit_group", 0, proc=1)
    script.call("madvise", AT + 15 * PAGE, 200 * PAGE, FREE)
    script.call("touch", AT, HUGE, READ)


def test_collapse_in_a_child_of_locked_memory(script: Script):
    """Its pages are new, and not locked, however few of the old ones were its own."""
    script.call("mmap", AT, 2 * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("mlock", AT, 2 * HUGE)
    script.call("fork", 1)
    script.call("touch", AT + PAGE, 25 * PAGE, WRITE, proc=1)
    script.call("madvise", AT, 2 * HUGE, COLLAPSE, proc=1)
    assert (huge_tables(script), huge_tables(script, 1)) == (0, 2)


def blank_but_for_the_first(script: Script) -> None:
    script.call("mmap", AT, HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, HUGE, HUGEPAGE)
    script.call("touch", AT, PAGE, WRITE)


@pytest.mark.parametrize("advice", [FREE, COLD])
@pytest.mark.parametrize("to", [4 * HUGE, 4 * HUGE + 7 * PAGE])
def test_advice_splits_all_that_an_mremap_cut(script: Script, advice: int, to: int):
    """Pages of zeros become the zero page in every table that has a part of the folio."""
    blank_but_for_the_first(script)
    script.call("mmap", AT + 6 * HUGE, HUGE, RW, ANON | FIXED, -1, 0)
    script.call("mremap", AT + 100 * PAGE, 300 * PAGE, 300 * PAGE, 3, AT + to)
    before = script.both.real.picture(0).counters["RssAnon"]
    script.call("madvise", AT + to + 5 * PAGE, 3 * PAGE, advice)
    assert before - script.both.real.picture(0).counters["RssAnon"] == 511 * 4


def test_halves_in_two_processes_are_one_shared_folio(script: Script):
    """Though neither maps what the other does: advice lets it be, and a write copies."""
    blank_but_for_the_first(script)
    script.call("fork", 1)
    script.call("munmap", AT, 256 * PAGE, proc=1)
    script.call("munmap", AT + 256 * PAGE, 256 * PAGE)
    for proc, first in ((0, 0), (1, 256)):
        script.call("madvise", AT + (first + 9) * PAGE, 200 * PAGE, FREE, proc=proc)
        script.call("touch", AT + (first + 20) * PAGE, 5 * PAGE, WRITE, proc=proc)
    script.call("exit_group", 0, proc=1)
    script.call("madvise", AT + 9 * PAGE, 200 * PAGE, FREE)


def test_what_was_given_up_is_no_longer_shared_with_the_next_child(script: Script):
    script.call("mmap", AT, 8 * PAGE, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT, 8 * PAGE, WRITE)
    script.call("fork", 1)
    script.call("touch", AT, PAGE, WRITE, proc=1)
    script.call("exit_group", 0, proc=1)
    script.call("madvise", AT, 4 * PAGE, FREE)
    script.call("madvise", AT, 8 * PAGE, PAGEOUT)
    script.call("fork", 1)
    assert script.both.sim.pages(0)


@pytest.mark.parametrize("advice", [FREE, COLD])
def test_a_split_leaves_locked_pages_of_zeros(script: Script, advice: int):
    """Only those that no VMA locks become the zero page."""
    script.call("mmap", AT, 2 * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT + 5 * PAGE, 3 * PAGE, WRITE)
    script.call("touch", AT, 2 * HUGE, READ)
    script.call("madvise", AT, 2 * HUGE, COLLAPSE)
    script.call("mlock", AT + HUGE + PAGE, HUGE - 9 * PAGE)
    script.call("madvise", AT + 100 * PAGE, HUGE - 99 * PAGE, advice)


def test_what_dontunmap_leaves_of_a_locked_folio_is_not_mlocked(script: Script):
    """Its PMD was split, so that the folio was munlocked: pages of zeros go when it is split itself."""
    script.call("mmap", AT, 2 * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, 2 * HUGE, HUGEPAGE)
    script.call("mlock", AT, 2 * HUGE)
    script.call("mremap", AT + 100 * PAGE, 100 * PAGE, 100 * PAGE, 7, AT + 6 * HUGE + 7 * PAGE)
    before = script.both.real.picture(0).counters["RssAnon"]
    script.call("madvise", AT + 50 * PAGE, 20 * PAGE, COLD)
    assert before > script.both.real.picture(0).counters["RssAnon"]
    script.call("madvise", AT + HUGE + 50 * PAGE, 20 * PAGE, COLD)


@pytest.mark.parametrize("move", [0, 3, 7])
def test_the_huge_zero_page_is_replaced_whole_also_where_no_huge_pages_may_be_made_any_more(script: Script, move: int):
    script.call("mmap", AT, 2 * HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, 2 * HUGE, HUGEPAGE)
    script.call("touch", AT, 2 * HUGE, READ)
    script.call("madvise", AT, 2 * HUGE, NOHUGEPAGE)
    to = AT + HUGE
    if move:
        to = AT + 6 * HUGE
        script.call("mremap", AT + HUGE, HUGE, HUGE, move, to)
    script.call("touch", to, 3 * PAGE, WRITE)
    assert huge_tables(script) == 1
