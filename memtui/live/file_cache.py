"""What of each mapped file is in the page cache: cachestat(2) (mm/filemap.c, Linux 6.5 and later)."""

import ctypes
import errno
import os
import stat
import time
from collections.abc import Sequence
from typing import Final

from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.file_cache import FileCache
from memtui.model.vma import Vma, VmaKind

CACHESTAT: Final = 451
"""Its number on every architecture."""
_AGE: Final = 2.0
"""Seconds between two looks: the figures move slowly, and each file is opened."""
_CHEAP: Final = 0.05
"""Seconds that a look may cost without being spaced."""
_KINDS: Final = frozenset({VmaKind.FILE, VmaKind.SHMEM})
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class _Range(ctypes.Structure):
    """`struct cachestat_range`; a length of 0 is up to the end."""

    _fields_ = (("off", ctypes.c_uint64), ("len", ctypes.c_uint64))


class _Cachestat(ctypes.Structure):
    """`struct cachestat`, pages."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("nr_cache", "nr_dirty", "nr_writeback", "nr_evicted", "nr_recently_evicted")
    )


class FileCacheReader:
    """The files of one process; the same tuple as before if nothing changed."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._last: tuple[FileCache, ...] = ()
        self._vmas: Sequence[Vma] = ()
        self._looked = self._cost = 0.0

    def read(self, folder: str, vmas: Sequence[Vma]) -> tuple[FileCache, ...]:
        """Each mapped file once, by ascending address; looks again when other files are mapped, or after a while.

        Args:
            folder: of the process: "4242".
            vmas: by ascending address.
        """
        now = time.monotonic()
        if not self._is_due(now, changed=vmas is not self._vmas):
            return self._last
        first: dict[tuple[tuple[int, int], int], Vma] = {}
        for vma in vmas:
            if vma.kind in _KINDS and vma.path is not None:
                first.setdefault((vma.dev, vma.inode), vma)
        found = tuple(self._file(folder, vma) for vma in first.values())
        self._vmas, self._looked, self._cost = vmas, now, time.monotonic() - now
        if found != self._last:
            self._last = found
        return self._last

    def _is_due(self, now: float, *, changed: bool) -> bool:
        """After a while, or at once if other files may be mapped; but a dear look takes a fifth of the time at most."""
        age = now - self._looked
        return (changed or age >= _AGE) and (self._cost < _CHEAP or age >= self._cost * 5)

    def _file(self, folder: str, vma: Vma) -> FileCache:
        try:
            fd = self._opened(folder, vma)
        except OSError as error:
            return FileCache(vma.name, vma.start, why=f"the file cannot be opened: {error.strerror}")
        try:
            return self._asked(fd, vma)
        except OSError as error:
            return FileCache(vma.name, vma.start, why=_why(error))
        finally:
            os.close(fd)

    def _opened(self, folder: str, vma: Vma) -> int:
        """The very file: by map_files, which is for root only, else by its path, if it still is the same one."""
        try:
            return os.open(self._procfs.path(f"{folder}/map_files/{vma.start:x}-{vma.end:x}"), _OPEN)
        except OSError:
            pass
        fd = os.open(self._procfs.path(f"{folder}/root{vma.path}"), _OPEN)
        facts = os.fstat(fd)
        here = (os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino
        if here != (vma.dev, vma.inode) or not stat.S_ISREG(facts.st_mode):
            os.close(fd)
            raise OSError(errno.ESTALE, "another file has its name now, or it cannot be told")
        return fd

    def _asked(self, fd: int, vma: Vma) -> FileCache:
        wanted, found = _Range(0, 0), _Cachestat()
        if self._libc.syscall(CACHESTAT, fd, ctypes.byref(wanted), ctypes.byref(found), 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        pages = (os.fstat(fd).st_size + PAGE_SIZE - 1) // PAGE_SIZE
        cached, dirty = int(found.nr_cache), int(found.nr_dirty)
        return FileCache(vma.name, vma.start, pages, cached, dirty, int(found.nr_writeback), int(found.nr_evicted))


def _why(error: OSError) -> str:
    if error.errno == errno.ENOSYS:
        return "this kernel has no cachestat (Linux 6.5)"
    if error.errno in (errno.EPERM, errno.EACCES):
        return "cachestat is for who may write the file, or owns it (Linux 6.13)"
    return f"cachestat: {error.strerror}"
