"""Segments that the test makes, with what it touched of each: size, memory, users, and whether nobody is left."""

import ctypes
import mmap
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from memtui.live.procfs import Procfs
from memtui.live.shared_memory import SharingReader
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.request import Refresh, ShowSharing
from memtui.model.sharing import Segment, SegmentKind, Sharing

pytestmark = pytest.mark.oracle
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
LIBC.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
LIBC.shmdt.argtypes = [ctypes.c_void_p]
IPC_RMID, IPC_CREAT = 0, 0o1000
SHM = "/dev/shm"


def look() -> Sharing:
    return SharingReader(Procfs()).read()


def segment(name: str) -> Segment | None:
    return next((segment for segment in look().segments if name in segment.name), None)


def present(name: str) -> Segment:
    found = segment(name)
    assert found is not None, name
    return found


@pytest.fixture
def sysv() -> Iterator[tuple[int, int]]:
    """Id and pages of a segment."""
    pages = random.Random(os.getpid()).randrange(5, 200)
    number = LIBC.shmget(0, pages * PAGE_SIZE - 1, IPC_CREAT | 0o600)
    if number < 0:
        pytest.skip("no SysV shared memory here")
    yield number, pages
    LIBC.shmctl(number, IPC_RMID, None)


def test_a_sysv_segment_from_its_making_to_its_end(sysv: tuple[int, int]) -> None:
    number, pages = sysv
    name = f"id {number},"
    fresh = present(name)
    assert (fresh.kind, fresh.size, fresh.resident, fresh.swapped) == (SegmentKind.SYSV, pages * PAGE_SIZE - 1, 0, 0)
    assert (fresh.attached, fresh.uid, fresh.orphaned, fresh.removed) == (0, os.getuid(), True, False)
    first, second = LIBC.shmat(number, None, 0), LIBC.shmat(number, None, 0)
    for page in range(0, pages, 2):
        ctypes.c_char.from_address(first + page * PAGE_SIZE).value = b"x"
    used = present(name)
    assert (used.resident, used.attached, used.orphaned) == (-(-pages // 2) * PAGE_SIZE, 2, False)
    LIBC.shmdt(second)
    LIBC.shmctl(number, IPC_RMID, None)
    doomed = present(name)
    assert (doomed.attached, doomed.removed, doomed.orphaned) == (1, True, False)
    LIBC.shmdt(first)
    assert segment(name) is None


@pytest.mark.skipif(not os.access(SHM, os.W_OK), reason=f"{SHM} cannot be written")
@pytest.mark.parametrize("touched", [0, 1, 7, 16])
def test_a_file_in_dev_shm(touched: int) -> None:
    path = f"{SHM}/memtui-test-{os.getpid()}-{touched}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(fd, 16 * PAGE_SIZE)
        for page in range(touched):
            os.pwrite(fd, b"x", page * PAGE_SIZE)
        held = present(path)
        assert (held.kind, held.size, held.resident) == (SegmentKind.POSIX, 16 * PAGE_SIZE, touched * PAGE_SIZE)
        assert (held.swapped, held.attached, held.orphaned) == (0, 1, False)
        with mmap.mmap(fd, 0):
            os.close(fd)
            assert present(path).attached == 1, "one process, by its mapping"
        # Nobody is left: where some processes may not be looked at this is not known.
        left, unknown = present(path), look().unknown
        assert (left.attached, left.orphaned) == ((None, None) if "users" in unknown else (0, True))
    finally:
        os.unlink(path)
    assert segment(path) is None


def test_a_memfd_and_a_file_whose_name_is_gone_count_each_process_once() -> None:
    name = f"memtui-{os.getpid()}"
    memfd = os.memfd_create(name)
    os.ftruncate(memfd, 8 * PAGE_SIZE)
    path = f"{SHM}/{name}"
    gone = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    os.pwrite(gone, b"x" * 3 * PAGE_SIZE, 0)
    go = os.pipe()
    with mmap.mmap(memfd, 0) as memory:
        memory[0] = memory[5 * PAGE_SIZE] = 1
        child = os.fork()
        if child == 0:
            os.read(go[0], 1)
            os._exit(0)
        held, nameless = present(f"memfd:{name}"), present(path)
        os.write(go[1], b"g")
        os.waitpid(child, 0)
        assert (held.kind, held.resident, held.attached, held.removed) == (SegmentKind.MEMFD, 2 * PAGE_SIZE, 2, True)
        assert (nameless.resident, nameless.attached, nameless.removed) == (3 * PAGE_SIZE, 2, True)
        assert present(f"memfd:{name}").attached == 1
        os.close(memfd)
        assert present(f"memfd:{name}").resident == 2 * PAGE_SIZE, "by map_files alone"
    os.close(gone)
    assert segment(name) is None


def test_mounts_and_who_maps_a_file() -> None:
    source = LiveSource(os.getpid(), smaps=False)
    assert source.apply(Refresh()).sharing is None
    snapshot = source.apply(ShowSharing())
    assert snapshot.sharing is not None
    assert snapshot.mm is not None
    shm = next((mount for mount in snapshot.sharing.mounts if mount.point == SHM and not mount.why), None)
    if shm is not None:
        facts = os.statvfs(SHM)
        assert shm.size == facts.f_blocks * facts.f_frsize
    files = {vma.name: (vma.dev, vma.inode) for vma in snapshot.mm.vmas if vma.inode}
    for name, file in files.items():
        assert os.getpid() in snapshot.sharing.mappers[file], name
    libc = next(file for name, file in files.items() if "libc.so" in name or "libc-" in name)
    for pid in snapshot.sharing.mappers[libc]:
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
                assert f" {libc[1]} " in maps.read()
        except OSError:
            continue
    assert source.apply(ShowSharing(wanted=False)).sharing is None


HIDDEN = """
mount -t tmpfs -o size=8k below {0} && mount -t tmpfs -o size=16k above {0} && exec {1} -c '
from memtui.live.procfs import Procfs
from memtui.live.shared_memory import SharingReader
print([mount[2:] for mount in SharingReader(Procfs()).read().mounts if mount.point == "{0}"])
'"""


def test_a_mount_that_another_one_hides_has_no_figures(tmp_path: Path) -> None:
    line = HIDDEN.format(tmp_path, sys.executable)
    done = subprocess.run(["unshare", "-m", "sh", "-c", line], capture_output=True, text=True, check=False)
    if "permitted" in done.stderr:
        pytest.skip(done.stderr.strip())
    hidden = (None, None, None, "hidden by a mount")
    assert done.stdout == f"{[hidden, (16384, 0, 1, '')]}\n", done.stderr
