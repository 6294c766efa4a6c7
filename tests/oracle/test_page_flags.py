"""Pages looked at one by one: what the test made of each is what is told, and the counts are those of smaps."""

import ctypes
import mmap
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memtui.live.page_flags import MOST
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Examined, PageRun
from memtui.model.request import Examine, Measure, Refresh

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not os.access("/proc/kpageflags", os.R_OK), reason="reading kpageflags needs root"),
]
LIBC = ctypes.CDLL(None, use_errno=True)
MADV_FREE = 8
PAGES = 48


@pytest.fixture(autouse=True)
def one_cpu() -> Iterator[None]:
    """Pages that are new or were marked wait in a list of their CPU, which mlock empties."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    yield
    os.sched_setaffinity(0, cpus)


def drain() -> None:
    with mmap.mmap(-1, PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        at = address_of(page)
        assert LIBC.mlock(ctypes.c_void_p(at), PAGE_SIZE) == 0
        LIBC.munlock(ctypes.c_void_p(at), PAGE_SIZE)


def address_of(memory: mmap.mmap) -> int:
    view = ctypes.c_char.from_buffer(memory)
    address = ctypes.addressof(view)
    del view
    return address


def anonymous(pages: int = PAGES) -> mmap.mmap:
    return mmap.mmap(-1, pages * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def look(address: int) -> tuple[MmSnapshot, Examined]:
    drain()
    mm = LiveSource(os.getpid()).apply(Examine(address)).mm
    assert mm is not None
    assert mm.examined is not None
    assert mm.examined.why == ""
    return mm, mm.examined


def page_at(examined: Examined, address: int) -> PageRun:
    return next(run for run in examined.runs if run.start <= address < run.end)


def told(address: int, name: str, pages: int = PAGES) -> list[bool | None]:
    _, examined = look(address)
    return [getattr(page_at(examined, address + page * PAGE_SIZE), name) for page in range(pages)]


@pytest.mark.parametrize("seed", range(4))
def test_locked_pages_are_those_that_were_locked(seed: int) -> None:
    memory = anonymous()
    memory.write(b"x" * len(memory))
    at, chance = address_of(memory), random.Random(seed)
    wanted = [chance.random() < 0.4 for _ in range(PAGES)]
    for page, lock in enumerate(wanted):
        if lock:
            assert LIBC.mlock(ctypes.c_void_p(at + page * PAGE_SIZE), PAGE_SIZE) == 0
    # Each locked piece is a VMA of its own.
    locked = [told(at + page * PAGE_SIZE, "locked", 1)[0] for page in range(PAGES)]
    assert locked == wanted
    memory.close()


def test_shared_pages_are_those_that_a_fork_left_alone() -> None:
    memory = anonymous()
    memory.write(b"x" * len(memory))
    at = address_of(memory)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        for page in range(0, PAGES, 3):
            memory[page * PAGE_SIZE] = 121
        os.write(ready[1], b"r")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        # Where the child wrote it has a copy, and this process is alone again.
        assert told(at, "shared") == [page % 3 != 0 for page in range(PAGES)]
    finally:
        os.write(go[1], b"g")
        os.waitpid(child, 0)
        for fd in (*ready, *go):
            os.close(fd)
    assert not any(told(at, "shared"))
    memory.close()


def test_dirty_pages_of_a_file_are_those_that_were_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        for _ in range(PAGES):
            file.write(b"f" * PAGE_SIZE)
        os.fsync(file.fileno())
        with mmap.mmap(file.fileno(), 0) as memory:
            for page in range(PAGES):
                assert memory[page * PAGE_SIZE] == 102
            at = address_of(memory)
            assert not any(told(at, "dirty"))
            for page in (0, 7, 8, PAGES - 1):
                memory[page * PAGE_SIZE] = 120
            assert [page for page, dirty in enumerate(told(at, "dirty")) if dirty] == [0, 7, 8, PAGES - 1]
            os.fsync(file.fileno())
            assert not any(told(at, "dirty"))


def test_memory_that_was_given_up_is_not_dirty() -> None:
    memory = anonymous()
    memory.write(b"x" * len(memory))
    at = address_of(memory)
    assert all(told(at, "dirty"))
    assert LIBC.madvise(ctypes.c_void_p(at), 8 * PAGE_SIZE, MADV_FREE) == 0
    assert told(at, "dirty") == [page >= 8 for page in range(PAGES)]
    memory.close()


def test_a_file_that_is_read_again_and_again_becomes_referenced_then_active(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        for _ in range(PAGES):
            file.write(b"f" * PAGE_SIZE)
        os.fsync(file.fileno())
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            for page in range(PAGES):
                assert memory[page * PAGE_SIZE] == 102
            view = LIBC.mmap
            view.restype = ctypes.c_void_p
            view.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
            at = view(None, PAGES * PAGE_SIZE, 1, 1, file.fileno(), 0)
            ctypes.string_at(at, PAGES * PAGE_SIZE)
            states = []
            for _ in range(3):
                states.append((told(at, "referenced")[5], told(at, "active")[5]))
                # A page that is read twice in a row counts once.
                os.pread(file.fileno(), 100, 5 * PAGE_SIZE)
                os.pread(file.fileno(), 100, 30 * PAGE_SIZE)
            assert states == [(False, False), (True, False), (False, True)]
            assert not any(active for page, active in enumerate(told(at, "active")) if page not in (5, 30))
            LIBC.munmap(ctypes.c_void_p(at), PAGES * PAGE_SIZE)


def test_of_a_large_vma_the_pages_around_the_cursor_are_looked_at() -> None:
    memory = anonymous(MOST * 3)
    at = address_of(memory)
    middle = at + MOST * PAGE_SIZE * 3 // 2
    memory[middle - at] = 1
    _, examined = look(middle)
    assert examined.start < middle < examined.end
    assert (examined.end - examined.start) // PAGE_SIZE == MOST
    assert page_at(examined, middle).shared is False
    memory.close()


def test_shared_and_dirty_add_up_to_smaps() -> None:
    code = "import time; blocks = [bytearray(1 << 18) for _ in range(20)]; print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            time.sleep(0.01)
        source = LiveSource(child.pid)
        mm = source.apply(Measure()).mm
        assert mm is not None
        looked = 0
        for vma in mm.vmas:
            examined = source.apply(Examine(vma.start)).mm.examined  # type: ignore[union-attr]
            if examined is None or vma.smaps is None or vma.kind.value not in ("anon", "heap", "stack"):
                continue
            shared = sum(run.pages for run in examined.runs if run.shared)
            dirty = sum(run.pages for run in examined.runs if run.dirty)
            assert shared * 4 == vma.smaps.shared_clean + vma.smaps.shared_dirty, vma
            assert dirty * 4 == vma.smaps.private_dirty + vma.smaps.shared_dirty, vma
            looked += 1
        assert looked > 5
        source.apply(Refresh())
        child.communicate(b"\n")
