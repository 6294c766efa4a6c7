"""The OOM reaper on the running kernel: a victim that is held before it exits, against what was predicted of it."""

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from memtui.live.source import LiveSource
from memtui.model.host import MachineFacts
from memtui.model.mm import MmSnapshot
from memtui.model.request import Measure
from memtui.sim.kernel import import_mm
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.oom_reap import reap
from memtui.sim.kernel.profile import EXACT
from tests.oracle import test_oom_kill
from tests.oracle.test_oom_kill import SOURCE, Group, group

pytestmark = test_oom_kill.pytestmark
PTRACE_SEIZE, PTRACE_CONT, PTRACE_O_TRACEEXIT = 0x4206, 7, 0x40
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PATIENCE = 30
"""Seconds within which the reaper must have come, who sleeps two of them."""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    """The compiled child."""
    path = tmp_path_factory.mktemp("reap") / "oom_child"
    subprocess.run(["gcc", "-O1", "-static", "-o", str(path), str(SOURCE)], check=True, capture_output=True)
    return path


def told(child: "subprocess.Popen[bytes]", line: str) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{line}\n".encode())
    child.stdin.flush()
    assert child.stdout.readline() == b"ok\n"


def held(made: Group, child: "subprocess.Popen[bytes]") -> None:
    """Have the child killed for memory, and stopped on its way out of life."""
    assert child.stdin is not None
    if LIBC.ptrace(PTRACE_SEIZE, child.pid, None, PTRACE_O_TRACEEXIT):
        pytest.skip(f"ptrace: {os.strerror(ctypes.get_errno())}")
    child.stdin.write(b"20000\n")
    child.stdin.flush()
    _, status = os.waitpid(child.pid, 0)
    assert os.WIFSTOPPED(status), "it waits in PTRACE_EVENT_EXIT"


def picture(pid: int) -> MmSnapshot:
    mm = LiveSource(pid).apply(Measure()).mm
    assert mm is not None
    return mm


def rss(pid: int) -> tuple[int, int, int]:
    """Pages: anonymous, of files, shared."""
    status = FilePath(f"/proc/{pid}/status").read_text()
    figures = dict(line.split(":", 1) for line in status.splitlines())
    anon, file, shmem = (int(figures[name].split()[0]) // 4 for name in ("RssAnon", "RssFile", "RssShmem"))
    return anon, file, shmem


@pytest.fixture
def victims(binary: FilePath) -> Iterator[tuple[Group, "subprocess.Popen[bytes]"]]:
    with group(binary, "reap") as made:
        child = made.child(0, 0)
        yield made, child
        LIBC.ptrace(PTRACE_CONT, child.pid, None, None)


@pytest.mark.parametrize("has", [("l800", "s300"), ("300", "m900", "l40")])
def test_the_reaper_takes_what_was_predicted(has: tuple[str, ...], victims: tuple[Group, "subprocess.Popen[bytes]"]):
    made, child = victims
    for line in has:
        told(child, line)
    held(made, child)
    before = rss(child.pid)
    kernel = Kernel(MachineFacts(), EXACT)
    predicted = reap(EXACT, import_mm.load(kernel, picture(child.pid), 0x7FFF_F7FF_F000).mm)
    assert predicted.freed + predicted.left == before[0]
    until = time.monotonic() + PATIENCE
    while rss(child.pid)[0] == before[0] and time.monotonic() < until:
        time.sleep(0.05)
    for _ in range(20):  # it may be amid its work
        after = rss(child.pid)
        time.sleep(0.02)
        if rss(child.pid) == after:
            break
    assert before[0] - after[0] == predicted.freed
    assert after[0] == predicted.left == 0, "mlocked pages go too, since 5.18"
    assert after[2] == before[2] > 0, "shared memory stays, locked or not"
