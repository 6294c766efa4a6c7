"""What is in the page cache of a file of the test's own, after writing, syncing and dropping."""

import mmap
import os
from pathlib import Path

import pytest

from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.file_cache import FileCache
from memtui.model.request import Refresh

pytestmark = pytest.mark.oracle
PAGES = 64


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    path = tmp_path / "cached"
    path.write_bytes(b"x" * PAGES * PAGE_SIZE)
    return path


def look(path: Path) -> FileCache:
    mm = LiveSource(os.getpid(), procfs=Procfs(), smaps=False).apply(Refresh()).mm
    assert mm is not None
    found = next(file for file in mm.files if file.path == str(path))
    if found.why.startswith("this kernel has no cachestat"):
        pytest.skip(found.why)
    return found


def test_written_synced_and_dropped(mapped: Path) -> None:
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        os.fsync(file.fileno())
        clean = look(mapped)
        assert (clean.size, clean.cached, clean.dirty, clean.writeback) == (PAGES, PAGES, 0, 0)
        file.write(b"y" * 3 * PAGE_SIZE)
        file.flush()
        dirty = look(mapped).dirty
        assert dirty is not None
        assert 3 <= dirty <= PAGES, "a large folio is dirty as a whole"
        os.fsync(file.fileno())
        memory.madvise(mmap.MADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        dropped = look(mapped)
        assert (dropped.cached, dropped.dirty) == (0, 0)


def test_a_file_whose_name_another_one_has_now(mapped: Path) -> None:
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        mapped.rename(mapped.with_name("old"))
        mapped.write_bytes(b"other")
        mm = LiveSource(os.getpid(), procfs=Procfs(), smaps=False).apply(Refresh()).mm
        assert mm is not None
        assert any(file.path == str(mapped.with_name("old")) and file.size == PAGES for file in mm.files)
