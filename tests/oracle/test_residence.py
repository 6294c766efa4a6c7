"""A process that builds every class of residence with known page counts, and what fork makes of them."""

import pytest

from memtui.sim.kernel.mm import Mm
from tests.oracle.conftest import Script
from tests.oracle.mm_ops import PAGE
from tests.oracle.mm_real import missing

RW, R, ANON, SHARED_ANON, FIXED = 3, 1, 0x22, 0x21, 0x10
DONTNEED, FREE, GUARD = 4, 8, 102
AT = 0x1000_0000

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


def mm_of(script: Script) -> Mm:
    """The simulated address space of the first process."""
    return next(iter(script.both.sim.kernel.tasks.values())).mm


@pytest.mark.parametrize("pages", [1, 16, 100, 513])
def test_every_class(script: Script, pages: int):
    """Each call is compared: result, VMAs, RssAnon, RssFile, RssShmem, VmSwap, VmPTE, and residence by page."""
    mm = mm_of(script)
    before = mm.rss_anon, mm.rss_shmem
    size = pages * PAGE
    script.call("mmap", AT, 4 * size, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT, size, 1)  # anon
    script.call("touch", AT + size, size, 0)  # zero
    script.call("mmap", AT + 8 * size, 2 * size, RW, SHARED_ANON | FIXED, -1, 0)
    script.call("touch", AT + 8 * size, size, 1)  # shmem
    script.call("touch", AT + 9 * size, size, 0)  # shmem, read first
    assert (mm.rss_anon - before[0], mm.rss_shmem - before[1]) == (pages, 2 * pages)
    script.call("madvise", AT + 2 * size, size, GUARD)
    script.call("touch", AT + size, size, 1)  # zero becomes anon
    assert mm.rss_anon - before[0] == 2 * pages
    script.call("madvise", AT, size, DONTNEED)
    assert mm.rss_anon - before[0] == pages
    script.call("fork", 1)
    assert mm.rss_anon - before[0] == pages
    script.call("touch", AT + size, size, 1)  # copies, for the child keeps the originals
    assert mm.rss_anon - before[0] == pages
