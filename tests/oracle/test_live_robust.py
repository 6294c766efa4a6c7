"""Processes that do not stand still, kernels without the newer windows, and very many VMAs."""

import ctypes
import itertools
import mmap
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from memtui.live.address_space import AddressSpaceReader
from memtui.live.pagemap_scan import Scanner
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.errors import NotSupported, ProcessGone
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.request import Examine, Measure, Refresh, ShowOldRule, ShowSharing

pytestmark = pytest.mark.oracle

BUSY = """
import mmap, os, random
kept = []
print("ready", flush=True)
while True:
    area = mmap.mmap(-1, random.randrange(1, 400) * 4096)
    area[0] = 1
    kept.append(area)
    if len(kept) > 60:
        kept.pop(random.randrange(60)).close()
    if random.random() < 0.02 and os.fork() == 0:
        os._exit(0)
    if random.random() < 0.1:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
"""


@pytest.fixture(autouse=True)
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memtui.live.pace.FREE", float("inf"))


def check(mm: MmSnapshot | None) -> int:
    """What every picture keeps; the address of a VMA."""
    assert mm is not None
    for vma, after in zip(mm.vmas, mm.vmas[1:], strict=False):
        assert vma.start < vma.end <= after.start
    for vma in mm.vmas:
        assert vma.runs is not None
        for run in vma.runs:
            assert vma.start <= run.start < run.end <= vma.end
    return mm.vmas[len(mm.vmas) // 2].start


def test_a_process_that_maps_forks_and_at_last_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        source = LiveSource(process.pid)
        for request in (ShowSharing(), ShowOldRule(), Measure()):
            source.apply(request)
        killer = threading.Timer(0.2, process.kill)

        def look_on() -> None:
            for look in itertools.count():
                source.apply(Examine(check(source.apply(Refresh()).mm)))
                if look == 4:
                    killer.start()

        with pytest.raises(ProcessGone, match=f"{process.pid} .*exited"):
            look_on()
        process.wait()
        source.close()


def test_a_kernel_without_the_scan_shows_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        time.sleep(0.2)
        with_scan = AddressSpaceReader(Procfs(), child.pid).read()

        def none(*_: object, **__: object) -> None:
            raise NotSupported("no PAGEMAP_SCAN")

        monkeypatch.setattr(Scanner, "pieces", none)
        without = AddressSpaceReader(Procfs(), child.pid).read()
        child.kill()

    def plain(mm: object) -> list[tuple[int, list[tuple[int, int, Residence]]]]:
        return [(vma.start, [(run.start, run.pages, run.residence) for run in vma.runs]) for vma in mm.vmas]

    if os.geteuid() == 0:
        assert plain(with_scan) == plain(without)
    assert all(run.huge is None for vma in without.vmas for run in vma.runs or ())


CHANGING = """
import ctypes, mmap, random, sys
chance = random.Random(int(sys.argv[1]))
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
file = open("/bin/sh", "rb")
PAGES = 1200
base = libc.mmap(None, PAGES * 4096, 0, 0x22, -1, 0)
def change():
    at, count = chance.randrange(PAGES), chance.randrange(1, 40)
    count = min(count, PAGES - at)
    what = chance.choice(["map", "file", "unmap", "protect", "write", "write", "read", "drop"])
    where, size = base + at * 4096, count * 4096
    if what == "map":
        libc.mmap(where, size, 3, 0x32 if chance.random() < 0.8 else 0x31, -1, 0)
    elif what == "file":
        libc.mmap(where, size, 3, 0x12, file.fileno(), 0)
    elif what == "unmap":
        libc.munmap(ctypes.c_void_p(where), size)
    elif what == "protect":
        libc.mprotect(ctypes.c_void_p(where), size, chance.choice([1, 3]))
    else:
        # MADV_POPULATE_WRITE, MADV_POPULATE_READ, MADV_DONTNEED
        libc.madvise(ctypes.c_void_p(where), size, {"write": 23, "read": 22, "drop": 4}[what])
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        change()
    print("done", flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_what_is_read_again_is_what_a_first_reading_gives(seed: int) -> None:
    chance = random.Random(seed)
    command = [sys.executable, "-c", CHANGING, str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        again = AddressSpaceReader(Procfs(), child.pid)
        for _ in range(60):
            child.stdin.write(f"{chance.choice([0, 1, 2, 30])}\n")
            child.stdin.flush()
            child.stdout.readline()
            found, first = again.read(), AddressSpaceReader(Procfs(), child.pid).read()
            assert [vma[:8] + vma[10:] for vma in found.vmas] == [vma[:8] + vma[10:] for vma in first.vmas]
            # What is shared with other programs changes with them.
            own = [vma[8:10] for vma in found.vmas if not vma.inode]
            assert own == [vma[8:10] for vma in first.vmas if not vma.inode]
        child.stdin.close()


def test_sixty_thousand_vmas() -> None:
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    pairs = min(30_000, (most - 2_000) // 2)
    area = mmap.mmap(-1, (2 * pairs + 1) * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    libc = ctypes.CDLL(None)
    at = ctypes.addressof(ctypes.c_char.from_buffer(area))
    try:
        # Else the last one could be one VMA with what lies above.
        assert libc.mprotect(ctypes.c_void_p(at + 2 * pairs * PAGE_SIZE), PAGE_SIZE, 0) == 0
        for page in range(0, 2 * pairs, 2):
            assert libc.mprotect(ctypes.c_void_p(at + page * PAGE_SIZE), PAGE_SIZE, 1) == 0
            area[(page + 1) * PAGE_SIZE] = 1
        source = LiveSource(os.getpid(), smaps=False)
        mm = source.apply(Refresh()).mm
        assert mm is not None
        inside = [vma for vma in mm.vmas if at <= vma.start < at + 2 * pairs * PAGE_SIZE]
        assert len(inside) == 2 * pairs
        touched = [vma for vma in inside if vma.runs]
        assert len(touched) == pairs
        assert {(run.pages, run.residence) for vma in touched for run in vma.runs or ()} == {(1, Residence.ANON)}
    finally:
        libc.mprotect(ctypes.c_void_p(at), len(area), 3)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="a pid namespace needs root")
def test_in_a_pid_namespace_the_ranking_says_whom_it_cannot_see() -> None:
    command = ["unshare", "-pf", "--mount-proc", sys.executable, "-m", "memtui", "oom", "--print", "summary"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if told.returncode and "unshare" in told.stderr:
        pytest.skip(told.stderr.strip())
    assert "pid namespace" in told.stdout
    assert told.stderr == ""
