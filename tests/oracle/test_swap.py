"""Swap on a zram device of the test's own: calls written by hand and at random, compared after every one of them.

What is compared: results, VMAs, RssAnon, RssShmem, VmSwap, VmPTE, minor and major faults, and where each page lives.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.oracle import mm_real, mm_sim
from tests.oracle.conftest import Script
from tests.oracle.mm_both import Both, shrink
from tests.oracle.mm_machine import Machine
from tests.oracle.mm_ops import PAGE
from tests.oracle.mm_real import Place
from tests.oracle.mm_series import Seed

ZRAM = FilePath("/sys/block/zram0")
SIZE = 256 << 20
RW, ANON, SHARED_ANON, FIXED = 3, 0x22, 0x21, 0x10
DONTNEED, PAGEOUT = 4, 21
AT = 0x1000_0000


def missing() -> str | None:
    """Why no swap device can be made here, or None."""
    if mm_real.missing() is not None:
        return mm_real.missing()
    if os.geteuid():
        return "a swap device needs root"
    if not ZRAM.exists() or not os.access(ZRAM / "disksize", os.W_OK):
        return "there is no zram device"
    swaps = [line.split()[0] for line in FilePath("/proc/swaps").read_text().splitlines()[1:]]
    return f"the machine swaps already: {swaps[0]}" if swaps and swaps != ["/dev/zram0"] else None


pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


@pytest.fixture(scope="module", autouse=True)
def zram() -> Iterator[None]:
    """The device swaps, for this test process alone, and is off and empty afterwards."""
    machine = Machine()
    with pytest.MonkeyPatch.context() as patch, machine.alone():
        # The runners of this process come and go meanwhile, without waiting for it.
        patch.setattr(Machine, "_ROOM", os.devnull)
        patch.setattr(Machine, "_GATE", os.devnull)
        (ZRAM / "reset").write_text("1")
        (ZRAM / "disksize").write_text(str(SIZE))
        try:
            subprocess.run(["mkswap", "/dev/zram0"], check=True, capture_output=True)
            subprocess.run(["swapon", "/dev/zram0"], check=True, capture_output=True)
            mm_sim.host.cache_clear()
            yield
        finally:
            subprocess.run(["swapoff", "/dev/zram0"], check=False, capture_output=True)
            (ZRAM / "reset").write_text("1")
            mm_sim.host.cache_clear()
    machine.close()


@pytest.fixture
def counted(runner: FilePath, place: Place) -> Iterator[Script]:
    """Calls whose page faults are counted too."""
    with Both(runner, place, Seed("swap", 0)) as both:
        yield Script(both)


def test_out_and_back(counted: Script):
    script = counted
    mm = next(iter(script.both.sim.kernel.tasks.values())).mm
    script.call("mmap", AT, 512 * PAGE, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT, 200 * PAGE, 1)
    script.call("madvise", AT, 120 * PAGE, PAGEOUT)
    assert mm.swap_pages == 120
    script.call("touch", AT + 10 * PAGE, 30 * PAGE, 0)
    assert mm.swap_pages == 90
    script.call("touch", AT + 100 * PAGE, 40 * PAGE, 1)
    assert mm.swap_pages == 70
    script.call("madvise", AT + 40 * PAGE, 40 * PAGE, DONTNEED)
    assert mm.swap_pages == 30
    script.call("madvise", AT, 512 * PAGE, PAGEOUT)
    assert mm.swap_pages == 160
    script.call("munmap", AT, 100 * PAGE)
    assert mm.swap_pages == 100


def test_fork_copies_swap_entries(script: Script):
    mm = next(iter(script.both.sim.kernel.tasks.values())).mm
    script.call("mmap", AT, 64 * PAGE, RW, ANON | FIXED, -1, 0)
    script.call("touch", AT, 64 * PAGE, 1)
    script.call("madvise", AT, 64 * PAGE, PAGEOUT)
    script.call("fork", 1)
    assert mm.swap_pages == 64
    script.call("touch", AT, 16 * PAGE, 0, proc=1)
    script.call("touch", AT + 8 * PAGE, 16 * PAGE, 1)
    assert mm.swap_pages == 48
    script.call("exit_group", 0, proc=1)
    script.call("touch", AT, 64 * PAGE, 1)
    assert mm.swap_pages == 0


def test_shared_memory_goes_out_as_well(counted: Script):
    script = counted
    mm = next(iter(script.both.sim.kernel.tasks.values())).mm
    script.call("mmap", AT, 64 * PAGE, RW, SHARED_ANON | FIXED, -1, 0)
    script.call("touch", AT, 40 * PAGE, 1)
    script.call("touch", AT + 40 * PAGE, 10 * PAGE, 0)
    script.call("madvise", AT, 32 * PAGE, PAGEOUT)
    assert (mm.rss_shmem, mm.swap_pages) == (18, 0)
    script.call("touch", AT, 20 * PAGE, 0)
    script.call("touch", AT + 20 * PAGE, 20 * PAGE, 1)
    assert mm.rss_shmem == 50


@pytest.mark.parametrize("number", range(24))
def test_random_programs(number: int, runner: FilePath, place: Place):
    with Both(runner, place, Seed("swap", number)) as both:
        found = both.fuzz(120)
    if found is not None:
        shrunk = shrink(runner, place, found)
        pytest.fail((shrunk or found).trace(), pytrace=False)
