"""Swap on a zram device of the test's own: calls written by hand and at random, compared after every one of them.

What is compared: results, VMAs, RssAnon, RssShmem, VmSwap, VmPTE, minor and major faults, and where each page lives.
"""

import contextlib
import os
import re
import subprocess
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import NamedTuple

import pytest

from memtui.sim.kernel.page_leaf import SWAP
from tests.oracle import mm_real, mm_sim
from tests.oracle.conftest import Script
from tests.oracle.mm_both import Both, shrink
from tests.oracle.mm_machine import Machine
from tests.oracle.mm_ops import PAGE, Arg, Op, Result
from tests.oracle.mm_real import Place, Real
from tests.oracle.mm_series import Seed

ZRAM = FilePath("/sys/block/zram0")
DEVICES = ["zram", "ssd", "disk"] if FilePath("/dev/loop-control").exists() else ["zram"]
"""Loop devices stand for disks that turn and for those that do not."""
SIZE = 256 << 20
RW, ANON, SHARED_ANON, FIXED = 3, 0x22, 0x21, 0x10
DONTNEED, PAGEOUT = 4, 21
AT = 0x1000_0000
STEPS = ((0, 300), (300, 400), (100, 60), (256, 512), (0, 512))


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


Perform = Callable[[Real, Op, Sequence[Arg]], Result]


class Device(NamedTuple):
    """Where the machine swaps to."""

    kind: str
    path: str


@contextlib.contextmanager
def device(kind: str, directory: FilePath) -> Iterator[str]:
    """The path of an empty device of a kind."""
    if kind == "zram":
        (ZRAM / "reset").write_text("1")
        (ZRAM / "disksize").write_text(str(SIZE))
        yield "/dev/zram0"
        (ZRAM / "reset").write_text("1")
        return
    file = directory / "swap"
    with file.open("wb") as made:
        os.posix_fallocate(made.fileno(), 0, SIZE)
    path = subprocess.run(["losetup", "-f", "--show", file], check=True, capture_output=True, text=True).stdout.strip()
    try:
        (FilePath("/sys/block") / path[5:] / "queue/rotational").write_text("1" if kind == "disk" else "0")
        yield path
    finally:
        subprocess.run(["losetup", "-d", path], check=True)


@contextlib.contextmanager
def swapped_on(path: str) -> Iterator[None]:
    subprocess.run(["mkswap", path], check=True, capture_output=True)
    subprocess.run(["swapon", path], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["swapoff", path], check=True, capture_output=True)


def at_rest(perform: Perform) -> Perform:
    """Calls that wait until nothing is being written: reclaim passes over pages under writeback, which is the
    device's time and not the calls'.
    """

    def waiting(real: Real, op: Op, args: Sequence[Arg]) -> Result:
        meminfo = FilePath("/proc/meminfo")
        for _ in range(2000):
            if re.search(r"^Writeback: +0 kB$", meminfo.read_text(), re.MULTILINE):
                break
            time.sleep(0.002)
        return perform(real, op, args)

    return waiting


@pytest.fixture(scope="module", autouse=True, params=DEVICES)
def swap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The device swaps, for this test process alone, and is off and empty afterwards."""
    machine = Machine()
    with pytest.MonkeyPatch.context() as patch, machine.alone():
        # The runners of this process come and go meanwhile, without waiting for it.
        patch.setattr(Machine, "_ROOM", os.devnull)
        patch.setattr(Machine, "_GATE", os.devnull)
        try:
            if request.param != "zram":
                patch.setattr(Real, "perform", at_rest(Real.perform))
            with device(request.param, tmp_path_factory.mktemp("swap")) as path, swapped_on(path):
                mm_sim.host.cache_clear()
                yield Device(request.param, path)
        finally:
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


def slots(script: Script, count: int) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    """The slots of the pages from AT on that are out: the kernel's, and the predicted ones."""
    with open(f"/proc/{script.both.real.pids[0]}/pagemap", "rb") as pagemap:
        pagemap.seek(AT // PAGE * 8)
        entries = array("Q", pagemap.read(8 * count))
    real = tuple(entry >> 5 & (1 << 50) - 1 if entry >> 62 == 1 else None for entry in entries)
    pages = next(iter(script.both.sim.kernel.tasks.values())).mm.pages
    leaf, first = pages.leaves[AT >> 21], (AT >> 12) % 512
    runs = [leaf.slot_of(entry) if leaf.state[entry] == SWAP else None for entry in range(first, first + count)]
    return real, tuple(None if run is None else run.slot for run in runs)


def test_slots_have_the_kernels_numbers(swap: Device, runner: FilePath, place: Place):
    """On one CPU, with a device that nobody else used: over the end of a cluster; of zram also in holes left before."""
    subprocess.run(["swapoff", swap.path], check=True)
    try:
        with swapped_on(swap.path), Both(runner, place, Seed("swap", 0)) as both:
            script = Script(both)
            script.call("mmap", AT, 2048 * PAGE, RW, ANON | FIXED, -1, 0)
            for start, count in STEPS[: 5 if swap.kind == "zram" else 2]:
                script.call("touch", AT + start * PAGE, count * PAGE, 1)
                script.call("madvise", AT + start * PAGE, count * PAGE, PAGEOUT)
                assert len(set(slots(script, 512))) == 1
            for page in (3, 40, 41, 42, 120, 300):
                script.call("touch", AT + page * PAGE, PAGE, page % 2)
                assert len(set(slots(script, 512))) == 1
    finally:
        subprocess.run(["swapon", swap.path], check=True, capture_output=True)


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


@pytest.mark.parametrize("number", range(12))
def test_random_programs(swap: Device, number: int, runner: FilePath, place: Place):
    with Both(runner, place, Seed("swap", number)) as both:
        found = both.fuzz(120)
    if found is None:
        return
    shrunk = shrink(runner, place, found)
    # Who comes while a disk still writes or reads the page waits for it, and that fault is a major one.
    by_time = swap.kind != "zram" and (found.kind == "majflt" or shrunk.kind.endswith("not repeated"))
    # Whoever reads /proc/PID/cmdline holds a page of the stack meanwhile, and what is held is not paged out.
    last = shrunk.series[-1]
    held = shrunk.kind == "RssAnon, not repeated" and last.name == "madvise" and last.args[2] == PAGEOUT
    if not by_time and not held:
        pytest.fail(shrunk.trace(), pytrace=False)
