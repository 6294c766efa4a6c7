"""Pages that MADV_FREE gave up while a forked child had them too: a page is given up, or dirty, for all who map it."""

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_ops import HUGE, PAGE
from tests.oracle.mm_real import missing

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
READ, WRITE = 0, 1
RW, ANON, FIXED = 3, 0x22, 0x10
AT = 0x2400_0000
PAGES = 16
FREE, HUGEPAGE, COLD, PAGEOUT = 8, 14, 20, 21


def mapped(script: Script, pages: int = PAGES) -> None:
    script.call("mmap", AT, pages * PAGE, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT, pages * PAGE, WRITE)


def advise(script: Script, advice: int, first: int = 0, pages: int = PAGES, *, proc: int = 0) -> None:
    script.call("madvise", AT + first * PAGE, pages * PAGE, advice, proc=proc)


def resident(script: Script, proc: int = 0) -> int:
    return script.both.real.picture(proc).counters["RssAnon"]


def test_the_last_one_that_has_them_lets_them_go(script: Script):
    """Only of dirty folios, and those in the swap cache, does the advice ask who else has them."""
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE)
    script.call("exit_group", 0, proc=1)
    before = resident(script)
    advise(script, PAGEOUT)
    assert before - resident(script) == PAGES * 4


def test_shared_ones_are_not_paged_out(script: Script):
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE)
    advise(script, PAGEOUT)
    advise(script, PAGEOUT, proc=1)
    script.call("exit_group", 0, proc=1)
    advise(script, PAGEOUT)


def test_a_child_that_stays_keeps_them(script: Script):
    """Its entries are dirty: the first look finds that out, and the folio is dirty from then on."""
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE)
    script.call("munmap", AT, PAGES * PAGE)
    advise(script, PAGEOUT, proc=1)
    advise(script, PAGEOUT, proc=1)
    script.call("fork", 2, proc=1)
    advise(script, FREE, proc=1)
    script.call("exit_group", 0, proc=2)
    before = resident(script, 1)
    advise(script, PAGEOUT, proc=1)
    assert before == resident(script, 1)


def test_both_gave_them_up(script: Script):
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE)
    advise(script, FREE, 4, 8, proc=1)
    script.call("touch", AT, 3 * PAGE, READ)
    script.call("touch", AT + 3 * PAGE, 3 * PAGE, WRITE)
    script.call("munmap", AT, PAGES * PAGE)
    advise(script, PAGEOUT, proc=1)


def test_given_up_before_the_fork(script: Script):
    mapped(script)
    advise(script, FREE, 0, 12)
    script.call("touch", AT, 4 * PAGE, WRITE)
    script.call("fork", 1)
    script.call("touch", AT + 2 * PAGE, 4 * PAGE, WRITE)
    script.call("touch", AT + 5 * PAGE, 4 * PAGE, WRITE, proc=1)
    script.call("exit_group", 0, proc=1)
    advise(script, PAGEOUT)
    advise(script, FREE)
    advise(script, PAGEOUT)


def test_given_up_before_the_fork_and_written_after_it(script: Script):
    """The child's copy is its own, and dirty."""
    mapped(script)
    advise(script, FREE)
    script.call("fork", 1)
    script.call("touch", AT, 8 * PAGE, WRITE, proc=1)
    advise(script, PAGEOUT, proc=1)
    advise(script, PAGEOUT)
    script.call("exit_group", 0)
    advise(script, PAGEOUT, proc=1)


def test_pages_of_a_split_folio_are_dirty(script: Script):
    script.call("mmap", AT, HUGE, RW, ANON | FIXED, -1, 0)
    script.call("madvise", AT, HUGE, HUGEPAGE)
    script.call("touch", AT, HUGE, WRITE)
    advise(script, FREE, 100, 100)
    script.call("fork", 1)
    advise(script, FREE, 50, 100)
    advise(script, FREE, 150, 200)
    script.call("exit_group", 0, proc=1)
    advise(script, PAGEOUT, 0, 512)


@pytest.mark.parametrize("to", [4 * HUGE, 4 * HUGE + 7 * PAGE])
def test_moved_while_shared(script: Script, to: int):
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE, 0, 10)
    script.call("mremap", AT, PAGES * PAGE, PAGES * PAGE, 3, AT + to)
    script.call("touch", AT + to, 3 * PAGE, WRITE)
    script.call("exit_group", 0, proc=1)
    script.call("touch", AT + to + 2 * PAGE, 3 * PAGE, WRITE)
    script.call("madvise", AT + to, PAGES * PAGE, PAGEOUT)


def test_moved_after_they_were_written_again(script: Script):
    """Given up and dirty: the fork's MADV_FREE makes the parent's entries clean."""
    mapped(script)
    advise(script, FREE)
    script.call("touch", AT, 9 * PAGE, WRITE)
    script.call("mremap", AT, PAGES * PAGE, PAGES * PAGE, 3, AT + 4 * HUGE + 7 * PAGE)
    script.call("fork", 1)
    script.call("madvise", AT + 4 * HUGE + 7 * PAGE, 5 * PAGE, FREE)
    script.call("exit_group", 0, proc=1)
    script.call("madvise", AT + 4 * HUGE + 7 * PAGE, PAGES * PAGE, PAGEOUT)


def test_locked_by_the_other(script: Script):
    """What is on the unevictable list is not given up."""
    mapped(script)
    script.call("fork", 1)
    script.call("mlock", AT, 8 * PAGE, proc=1)
    advise(script, FREE)
    script.call("munlock", AT, 8 * PAGE, proc=1)
    script.call("exit_group", 0, proc=1)
    advise(script, PAGEOUT)


def test_locked_by_the_other_afterwards(script: Script):
    mapped(script)
    script.call("fork", 1)
    advise(script, FREE)
    script.call("mlock", AT, 8 * PAGE, proc=1)
    script.call("exit_group", 0, proc=1)
    advise(script, PAGEOUT)
