"""The page cache of a file of the test's own: cached and dirty pages by cachestat, beside the simulated file."""

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from memtui.model.host import FileFacts, MachineFacts
from memtui.sim.kernel import munmap, read_write
from memtui.sim.kernel.drop_caches import drop_caches
from memtui.sim.kernel.exec_mm import first_task
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.file import sys_open
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mmap import sys_mmap
from memtui.sim.kernel.profile import EXACT
from tests.oracle.mm_machine import Machine

DROP_CACHES = FilePath("/proc/sys/vm/drop_caches")
CACHESTAT = 451
PAGE = 4096
PAGES = 64


class _Range(ctypes.Structure):
    _fields_ = (("off", ctypes.c_uint64), ("len", ctypes.c_uint64))


class _Stat(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cache", "dirty", "writeback", "evicted", "recently"))


def cachestat(fd: int) -> tuple[int, int]:
    """Cached pages of a file, and those that the disk does not have."""
    stat = _Stat()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(CACHESTAT, fd, ctypes.byref(_Range(0, 0)), ctypes.byref(stat), 0):
        raise OSError(ctypes.get_errno(), "cachestat")
    return stat.cache, stat.dirty


def missing() -> str | None:
    """Why the comparison cannot be made here, or None."""
    if not os.access(DROP_CACHES, os.W_OK):
        return "dropping caches needs root"
    with open(os.devnull, "rb") as null:
        try:
            cachestat(null.fileno())
        except OSError as error:
            return f"no cachestat: {error}"
    return None


pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


class Pair:
    """One file on the disk, and the same in a simulated kernel. Written in pages: its folios are of one page."""

    def __init__(self, path: FilePath) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        facts = MachineFacts(totalram_pages=1 << 20, cold_cache=True)
        directory = FileFacts(PAGE, "ext4", (254, 0), 2, is_dir=True)
        self.kernel = Kernel(facts, EXACT, {"/disk": directory}.get)
        self.task = first_task(self.kernel, "test")
        self.task.mm.mmap_base = 0x7FFFF7FFF000
        self.sim_fd = sys_open(self.kernel, self.task, "/disk/file", 0o102).value
        self.inode = self.task.files.open[self.sim_fd].inode

    def write(self, pages: int) -> None:
        for page in range(pages):
            os.pwrite(self.fd, b"x" * PAGE, page * PAGE)
            read_write.sys_pwrite64(self.kernel, self.task, self.sim_fd, PAGE, page * PAGE)

    def sync(self) -> None:
        os.fsync(self.fd)
        read_write.sys_fsync(self.kernel, self.task, self.sim_fd)

    def drop(self, what: int) -> None:
        DROP_CACHES.write_text(str(what))
        drop_caches(self.kernel, what)

    def same(self) -> tuple[int, int]:
        """Cached and dirty pages, the same on both sides."""
        found = (self.inode.pages.count, self.inode.dirty.count + self.inode.writeback.count)
        assert cachestat(self.fd) == found
        return found


@pytest.fixture
def pair(tmp_path: FilePath) -> Iterator[Pair]:
    """While nobody else uses the machine: to drop caches takes from the others what they have read."""
    machine = Machine()
    with machine.alone():
        made = Pair(tmp_path / "file")
        yield made
        os.close(made.fd)
    machine.close()


def test_dirty_pages_stay_until_they_are_synced(pair: Pair):
    pair.write(PAGES)
    assert pair.same() == (PAGES, PAGES)
    pair.drop(1)
    assert pair.same() == (PAGES, PAGES)
    pair.sync()
    assert pair.same() == (PAGES, 0)
    pair.drop(2)
    pair.same()
    pair.drop(1)
    assert pair.same() == (0, 0)


def test_mapped_pages_stay_until_they_are_unmapped(pair: Pair):
    pair.write(PAGES)
    pair.sync()
    kernel, task = pair.kernel, pair.task
    with mmap.mmap(pair.fd, PAGES * PAGE, mmap.MAP_SHARED) as real:
        base = sys_mmap(kernel, task, 0, PAGES * PAGE, 3, 1, pair.sim_fd, 0).value
        for page in range(PAGES):
            real[page * PAGE]
        access(kernel, task, base, PAGES * PAGE, write=False)
        pair.drop(1)
        assert pair.same() == (PAGES, 0)
        real[3 * PAGE] = 1
        access(kernel, task, base + 3 * PAGE, 1, write=True)
        assert pair.same() == (PAGES, 1)
        real.flush()
        pair.sync()
        assert pair.same() == (PAGES, 0)
    munmap.sys_munmap(kernel, task, base, PAGES * PAGE)
    pair.drop(3)
    assert pair.same() == (0, 0)
