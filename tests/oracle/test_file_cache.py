"""What is in the page cache of a file of the test's own, after writing, syncing and dropping."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memtui.live.cached_pages import CachedPages
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.address import PAGE_SIZE
from memtui.model.file_cache import FileCache
from memtui.model.request import Refresh, WatchFile

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


@pytest.mark.parametrize("cached", [0, 1, 5, 300])
def test_mincore_counts_what_cachestat_counts(tmp_path: Path, cached: int) -> None:
    path = tmp_path / "some"
    with path.open("w+b", buffering=0) as file:
        for _ in range(300):
            file.write(b"x" * PAGE_SIZE)
        file.write(b"end")
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), cached * PAGE_SIZE, 0, os.POSIX_FADV_DONTNEED)
        asked, counted = CachedPages().of(file.fileno()), CachedPages(cachestat=False).of(file.fileno())
        assert counted.cached == asked.cached
        assert counted[1:] == (None, None, None)
        if cached == 0:
            assert asked.cached == 0


def test_files_that_are_open_and_files_that_are_asked_for(mapped: Path, tmp_path: Path) -> None:
    other = tmp_path / "open"
    other.write_bytes(b"y" * 5 * PAGE_SIZE)
    source = LiveSource(os.getpid(), smaps=False)
    with mapped.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), other.open("rb"):
        mm = source.apply(Refresh()).mm
        assert mm is not None
        found = {file.path: file for file in mm.files}
        assert (found[str(mapped)].start is None, found[str(other)].start, found[str(other)].size) == (False, None, 5)
        assert [file.path for file in mm.files].count(str(mapped)) == 1, "open and mapped"
    third = tmp_path / "asked"
    third.write_bytes(b"z" * 3 * PAGE_SIZE)
    mm = source.apply(WatchFile(str(third))).mm
    assert mm is not None
    asked = next(file for file in mm.files if file.asked)
    assert (asked.path, asked.size, asked.cached) == (str(third), 3, 3)
    mm = source.apply(WatchFile(str(tmp_path))).mm
    assert mm is not None
    assert [file.why for file in mm.files if file.asked and file.path == str(tmp_path)] == ["it is no regular file"]
    source.apply(WatchFile(str(tmp_path)))
    mm = source.apply(WatchFile(str(third))).mm
    assert mm is not None
    assert not any(file.asked for file in mm.files)


AS_NOBODY = """
import os, sys
from memtui.live.cached_pages import CachedPages, why_not
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
fd = os.open(sys.argv[1], os.O_RDONLY)
for way in (CachedPages(), CachedPages(cachestat=False)):
    try:
        print(way.of(fd).cached)
    except OSError as error:
        print(why_not(error))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming nobody needs root")
def test_a_file_of_somebody_else_is_refused_by_both_ways() -> None:
    path = "/usr/lib/os-release"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", AS_NOBODY, path]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment).stdout.splitlines()
    refused = "what is cached is told to who owns the file or may write it, or to root"
    # cachestat asks for that right since 6.13.
    assert told[1] == refused
    assert told[0] == refused or told[0].isdecimal()
