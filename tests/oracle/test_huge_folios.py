"""2 MiB folios of anonymous memory that a fork shared: what a write splits, and what it copies."""

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_ops import HUGE, PAGE
from tests.oracle.mm_real import missing

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
READ, WRITE = 0, 1
RW, ANON, FIXED = 3, 0x22, 0x10
AT = 0x2400_0000
DONTNEED, FREE, HUGEPAGE, COLLAPSE = 4, 8, 14, 25


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
