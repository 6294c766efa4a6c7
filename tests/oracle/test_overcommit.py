"""How much the kernel promises: the limits of modes 0 and 2, and what each call charges, on both kernels."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from tests.oracle.conftest import Script
from tests.oracle.mm_both import Both
from tests.oracle.mm_ops import PAGE, Key, Op
from tests.oracle.mm_real import Place, missing
from tests.oracle.mm_series import Seed

SYSCTL = FilePath("/proc/sys/vm")
GIB = 1 << 30
ROOM = 3000
"""Percent of RAM beyond what is promised already."""
RW, NONE, READ, ANON, SHARED_ANON, NORESERVE = 3, 0, 1, 0x22, 0x21, 0x4000
MAYMOVE, FIXED, DONTUNMAP = 1, 2, 4
WRITES = 1

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


def meminfo(name: str) -> int:
    """A figure of /proc/meminfo, pages."""
    match = re.search(rf"^{name}:\s*(\d+)", FilePath("/proc/meminfo").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) // 4


@contextlib.contextmanager
def overcommit(both: Both, mode: int) -> Iterator[None]:
    """Another mode for a moment on both kernels; mode 2 with so generous a limit that other processes do not notice."""
    names = ("overcommit_memory", "overcommit_ratio", "overcommit_kbytes")
    with both.real.alone():
        ratio = ROOM + 100 * meminfo("Committed_AS") // meminfo("MemTotal")
        before = {name: (SYSCTL / name).read_text() for name in names}
        try:
            (SYSCTL / "overcommit_ratio").write_text(str(ratio))
            (SYSCTL / "overcommit_memory").write_text(str(mode))
            set_to = {"overcommit_memory": mode, "overcommit_ratio": ROOM, "overcommit_kbytes": 0}
            both.sim.kernel.sysctl |= set_to
            yield
        finally:
            (SYSCTL / "overcommit_memory").write_text(before["overcommit_memory"])
            last = "overcommit_kbytes" if int(before["overcommit_kbytes"]) else "overcommit_ratio"
            (SYSCTL / last).write_text(before[last])  # writing one of the two sets the other to 0


@pytest.fixture
def may_set() -> None:
    """Skip where the sysctls cannot be set."""
    if not os.access(SYSCTL / "overcommit_memory", os.W_OK):
        pytest.skip("setting vm.overcommit_memory needs root")


def most(script: Script) -> int:
    """The largest private writable mapping in pages that the kernel grants; the simulator is not asked."""
    low, high = 1, 1 << 34
    while low < high:
        middle = (low + high + 1) // 2
        address = script.kernel_alone("mmap", 0, middle * PAGE, RW, ANON, -1, 0)
        if address > 0:
            script.kernel_alone("munmap", address, middle * PAGE)
            low = middle
        else:
            high = middle - 1
    return low


@pytest.mark.parametrize("how", ["mmap", "mprotect", "mremap"])
def test_mode_0_refuses_what_exceeds_ram_and_swap(how: str, script: Script) -> None:
    if (SYSCTL / "overcommit_memory").read_text().strip() != "0":
        pytest.skip("vm.overcommit_memory is not 0 here")
    total = meminfo("MemTotal") + meminfo("SwapTotal")
    for pages, errno in ((total, ""), (total + 1, "ENOMEM")):
        length = pages * PAGE
        if how == "mmap":
            value, error = script.attempt("mmap", 0, length, RW, ANON, -1, 0)
        elif how == "mprotect":
            address = script.call("mmap", 0, length, NONE, ANON, -1, 0)
            value, error = script.attempt("mprotect", address, length, RW)
            script.call("munmap", address, length)
        else:
            address = script.call("mmap", 0, PAGE, RW, ANON, -1, 0)
            value, error = script.attempt("mremap", address, PAGE, length + PAGE, MAYMOVE, 0)
        assert error == errno
        if not error and how != "mprotect":
            script.call("munmap", value, length + (PAGE if how == "mremap" else 0))
    assert not script.attempt("mmap", 0, (total + 1) * PAGE, RW, ANON | NORESERVE, -1, 0)[1]


def test_what_an_mremap_cuts_off_before_it_moves_has_to_be_charged_anew(script: Script) -> None:
    """Refused here, since it stays charged for ever where it is not (vrm->delta, mm/mremap.c)."""
    if (SYSCTL / "overcommit_memory").read_text().strip() != "0":
        pytest.skip("vm.overcommit_memory is not 0 here")
    half = (meminfo("MemTotal") + meminfo("SwapTotal")) // 3 * 2 * PAGE
    place = script.call("mmap", 0, PAGE, NONE, ANON, -1, 0)
    script.call("mmap", 0, half, RW, ANON, -1, 0)
    address = script.call("mmap", 0, half, RW, ANON, -1, 0)
    assert script.attempt("mremap", address, 2 * half, PAGE, MAYMOVE | FIXED, place)[1] == "ENOMEM"


def _quiet_and_equal(script: Script) -> bool:
    """Whether nobody else charged memory just now, and the largest mapping then was the predicted one.

    The kernel compares with a per-CPU counter, while meminfo adds all up. Writing the mode synchronizes them; from
    then on they part by what is charged on other processors, up to a batch each (mm_compute_batch()). So the limit is
    looked at until it stands still, within the batch of a machine without memory: what a wrong rule never meets.
    """
    kernel = script.both.sim.kernel
    (SYSCTL / "overcommit_memory").write_text("2")
    before, granted = meminfo("Committed_AS"), most(script)
    kernel.committed, after = meminfo("Committed_AS"), most(script)
    kernel.sysctl["overcommit_ratio"] = int((SYSCTL / "overcommit_ratio").read_text())
    if granted != after or not before == kernel.committed == meminfo("Committed_AS"):
        return False
    online = os.cpu_count() or 1
    lag = max(2 * online, 32) * (online - 1)
    too_much = _simulated(script, granted + lag + 1)
    return bool(too_much) and not _simulated(script, granted - lag)


def _simulated(script: Script, pages: int) -> str:
    """The errno of a mapping that only the simulator sees, and that is gone again."""
    args = (0, pages * PAGE, RW, ANON, -1, 0)
    result = script.both.sim.perform(Op(0, 0, "mmap", args), args)
    if not result.errno:
        script.simulator_alone("munmap", result.value, pages * PAGE)
    return result.errno


def test_mode_2_refuses_what_exceeds_the_limit(script: Script, may_set: None) -> None:
    cpus = os.sched_getaffinity(0)
    with overcommit(script.both, 2):
        for pid in (0, script.both.real.pids[0]):
            os.sched_setaffinity(pid, {min(cpus)})
        try:
            if not any(_quiet_and_equal(script) for _ in range(200)):
                pytest.fail("never was the limit the predicted one, not even when nobody else charged memory")
        finally:
            os.sched_setaffinity(0, cpus)


def test_what_each_call_charges(script: Script, may_set: None) -> None:
    """In units of 1 GiB, next to which the batches of the kernel's counter and other processes vanish."""
    with overcommit(script.both, 2):
        kernel = script.both.sim.kernel
        real, simulated = meminfo("Committed_AS"), kernel.committed

        def charged(expected: int) -> None:
            unit = GIB // PAGE
            assert round((kernel.committed - simulated) / unit) == expected
            assert round((meminfo("Committed_AS") - real) / unit) == expected

        address = script.call("mmap", 0, 2 * GIB, RW, ANON, -1, 0)
        charged(2)
        ignored = script.call("mmap", 0, GIB, RW, ANON | NORESERVE, -1, 0)
        charged(3)
        script.call("mprotect", ignored, GIB, READ)
        charged(2)
        script.call("mprotect", ignored, GIB, RW)
        script.call("touch", ignored, 1, WRITES)
        script.call("mprotect", ignored, GIB, READ)
        charged(3)
        script.call("munmap", ignored, GIB)
        charged(2)
        grown = script.call("mremap", address, 2 * GIB, 3 * GIB, MAYMOVE, 0)
        charged(3)
        script.call("touch", grown, 1, WRITES)
        moved = script.call("mremap", grown, 3 * GIB, 3 * GIB, MAYMOVE | DONTUNMAP, 0)
        charged(6)
        script.call("fork", 1)
        charged(12)
        script.call("munmap", moved, 3 * GIB, proc=1)
        charged(9)
        script.call("exit_group", 0, proc=1)
        charged(6)
        shared = script.call("mmap", 0, 2 * GIB, RW, SHARED_ANON, -1, 0)
        charged(8)
        script.call("munmap", shared, GIB)
        charged(8)
        script.call("munmap", shared + GIB, GIB)
        charged(6)
        script.call("mremap", moved, 3 * GIB, GIB, 0, 0)
        charged(4)
        script.call("munmap", grown, 3 * GIB)
        charged(1)
        script.call("shmget", Key(-1), GIB, 0o1600)
        charged(2)
        script.call("shmctl", script.last(), 0)
        charged(1)


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("mix", ["anon", "huge", "shared", "fork"])
def test_calls_in_the_other_modes(mix: str, mode: int, may_set: None, runner: FilePath, place: Place) -> None:
    with Both(runner, place, Seed(mix, 2000 + mode)) as both, overcommit(both, mode):
        found = both.fuzz(150)
    if found is not None:
        pytest.fail(found.trace(), pytrace=False)
