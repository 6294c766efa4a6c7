"""Pages on swap: anonymous ones and shared ones, by count, on a zram device of the test's own."""

import contextlib
import ctypes
import mmap
import os
import shutil
import subprocess
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from memtui.draw.machine_rows import machine_rows
from memtui.draw.run import plain
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.request import Examine, Measure, Peek, ShowSharing
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from tests.oracle.mm_machine import Machine

pytestmark = pytest.mark.oracle
CONTROL = Path("/sys/class/zram-control")
SIZE = 64 << 20
MADV_PAGEOUT = 21
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def swap() -> Iterator[str]:
    """The path of a device that is swapped on, while no other test uses the machine."""
    if os.geteuid() != 0 or not CONTROL.exists() or shutil.which("mkswap") is None:
        pytest.skip("needs root, zram and mkswap")
    machine = Machine()
    try:
        with machine.alone(), swapped_on() as path:
            yield path
    finally:
        machine.close()


@contextlib.contextmanager
def swapped_on() -> Iterator[str]:
    number = int((CONTROL / "hot_add").read_text())
    path = f"/dev/zram{number}"
    try:
        Path(f"/sys/block/zram{number}/disksize").write_text(str(SIZE))
        subprocess.run(["mkswap", path], check=True, stdout=subprocess.DEVNULL)
        if LIBC.swapon(path.encode(), 0) != 0:
            pytest.skip(f"swapon: {os.strerror(ctypes.get_errno())}")
        try:
            yield path
        finally:
            assert LIBC.swapoff(path.encode()) == 0
    finally:
        Path(f"/sys/block/zram{number}/reset").write_text("1")
        (CONTROL / "hot_remove").write_text(str(number))


def look(address: int) -> tuple[Snapshot, MmSnapshot, Vma]:
    source = LiveSource(os.getpid())
    source.apply(ShowSharing())
    source.apply(Examine(address))
    snapshot = source.apply(Measure())
    assert snapshot.mm is not None
    return snapshot, snapshot.mm, next(vma for vma in snapshot.mm.vmas if vma.start <= address < vma.end)


def pages(vma: Vma, start: int, count: int) -> dict[Residence, int]:
    found = dict.fromkeys((Residence.ANON, Residence.SHMEM, Residence.SWAPPED), 0)
    for run in vma.runs or ():
        part = within(run, start, start + count * PAGE_SIZE)
        if part:
            found[run.residence] += part
    return found


def within(run: PageRun, start: int, end: int) -> int:
    return max(min(run.end, end) - max(run.start, start), 0) // PAGE_SIZE


def out(address: int, count: int) -> None:
    """Send them out; pages that wait in a list of their CPU go with a later call."""
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for _ in range(200):
            assert LIBC.madvise(ctypes.c_void_p(address), count * PAGE_SIZE, MADV_PAGEOUT) == 0
            entries = array("Q", os.pread(pagemap.fileno(), 8 * count, address // PAGE_SIZE * 8))
            if not any(entry >> 63 for entry in entries):
                return
            time.sleep(0.01)
    pytest.skip("the kernel does not let go of all pages")


def address_of(memory: mmap.mmap) -> int:
    view = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(view)
    del view
    return address


@pytest.mark.parametrize("gone", [1, 17, 64])
def test_anonymous_pages_out_and_in(swap: str, gone: int) -> None:
    memory = mmap.mmap(-1, 64 * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(64):
        memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = os.urandom(PAGE_SIZE)
    at = address_of(memory)
    _, before, _ = look(at)
    out(at, gone)
    snapshot, mm, vma = look(at)
    assert pages(vma, at, 64) == {Residence.ANON: 64 - gone, Residence.SHMEM: 0, Residence.SWAPPED: gone}
    assert (mm.counters.vm_swap or 0) - (before.counters.vm_swap or 0) == 4 * gone
    swapped = sum(run.pages for of in mm.vmas for run in of.runs or () if run.residence is Residence.SWAPPED)
    assert swapped * 4 == mm.counters.vm_swap
    assert vma.smaps is not None
    assert vma.smaps.swap >= 4 * gone
    assert mm.examined is not None
    assert sum(within(run, at, at + 64 * PAGE_SIZE) for run in mm.examined.runs if run.shared is False) == 64 - gone
    device = next(device for device in snapshot.system.swaps if device.name == swap)
    assert device.used >= 4 * gone
    assert any(swap in plain(row) for row in machine_rows(snapshot, 120))
    content = LiveSource(os.getpid()).apply(Peek(at)).content
    assert content is not None
    assert "bring it back" in content.why
    assert pages(look(at)[2], at, 64)[Residence.SWAPPED] == gone, "looking brings nothing back"
    for page in range(gone):
        assert memory[page * PAGE_SIZE] >= 0
    _, mm, vma = look(at)
    assert pages(vma, at, 64) == {Residence.ANON: 64, Residence.SHMEM: 0, Residence.SWAPPED: 0}
    memory.close()


def test_shared_pages_that_are_out_are_told_by_smaps_and_by_their_segment(swap: str) -> None:
    name = f"memtui-swap-{os.getpid()}"
    fd = os.memfd_create(name)
    os.ftruncate(fd, 32 * PAGE_SIZE)
    with mmap.mmap(fd, 0) as memory:
        for page in range(32):
            memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = os.urandom(PAGE_SIZE)
        at = address_of(memory)
        out(at, 10)
        snapshot, mm, vma = look(at)
        assert pages(vma, at, 32) == {Residence.ANON: 0, Residence.SHMEM: 22, Residence.SWAPPED: 0}
        assert vma.smaps is not None
        assert vma.smaps.swap == 40
        assert "40 KiB of shared memory are on swap" in mm.unknown["runs"]
        assert snapshot.sharing is not None
        segment = next(segment for segment in snapshot.sharing.segments if name in segment.name)
        assert (segment.resident, segment.swapped) == (22 * PAGE_SIZE, 10 * PAGE_SIZE)
        assert swap in [device.name for device in snapshot.system.swaps]
    os.close(fd)
