"""How many pages of an open file are in the page cache: cachestat(2) (mm/filemap.c, 6.5), before it mincore(2)."""

import ctypes
import errno
import os
from typing import Final, NamedTuple

from memtui.model.address import PAGE_SIZE

CACHESTAT: Final = 451
"""Its number on every architecture."""
OPEN_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_PROT_READ, _MAP_SHARED = 1, 1
_FAILED: Final = ctypes.c_void_p(-1).value
_CHUNK: Final = 1 << 16
"""Pages that one mincore asks for."""
_MOST: Final = 1 << 22
"""Pages of a file, at most, that are asked for one by one: 16 GiB."""


class Cached(NamedTuple):
    """Pages; None: only cachestat tells."""

    cached: int
    dirty: int | None = None
    writeback: int | None = None
    evicted: int | None = None


class _Range(ctypes.Structure):
    """`struct cachestat_range`; a length of 0 is up to the end."""

    _fields_ = (("off", ctypes.c_uint64), ("len", ctypes.c_uint64))


class _Cachestat(ctypes.Structure):
    """`struct cachestat`, pages."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("nr_cache", "nr_dirty", "nr_writeback", "nr_evicted", "nr_recently_evicted")
    )


class CachedPages:
    """Asks by the best way that this kernel has.

    Args:
        cachestat: False: as if the kernel had none.
    """

    def __init__(self, *, cachestat: bool = True) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mmap.restype = ctypes.c_void_p
        self._libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
        self._libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
        self._libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._cachestat = cachestat

    def of(self, fd: int) -> Cached:
        """Of an open regular file.

        Raises:
            OSError: EPERM for who neither owns nor may write it (6.13), EFBIG if it is too large for mincore, ...
        """
        if self._cachestat:
            try:
                return self._asked(fd)
            except OSError as error:
                if error.errno != errno.ENOSYS:
                    raise
                self._cachestat = False
        return self._counted(fd)

    def _asked(self, fd: int) -> Cached:
        wanted, found = _Range(0, 0), _Cachestat()
        if self._libc.syscall(CACHESTAT, fd, ctypes.byref(wanted), ctypes.byref(found), 0):
            raise _error()
        return Cached(int(found.nr_cache), int(found.nr_dirty), int(found.nr_writeback), int(found.nr_evicted))

    def _counted(self, fd: int) -> Cached:
        """By mincore of a mapping that is never touched.

        Since 5.2 mincore says "in memory" of every page to who neither owns the file nor may write it: nothing to
        count (can_do_mincore, mm/mincore.c).
        """
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid() and not os.access(f"/proc/self/fd/{fd}", os.W_OK):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        pages = -(-facts.st_size // PAGE_SIZE)
        if not pages:
            return Cached(0)
        if pages > _MOST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        at = self._libc.mmap(None, pages * PAGE_SIZE, _PROT_READ, _MAP_SHARED, fd, 0)
        if at == _FAILED:
            raise _error()
        try:
            return Cached(sum(self._chunk(at, first, min(_CHUNK, pages - first)) for first in range(0, pages, _CHUNK)))
        finally:
            self._libc.munmap(at, pages * PAGE_SIZE)

    def _chunk(self, at: int, first: int, pages: int) -> int:
        vector = ctypes.create_string_buffer(pages)
        if self._libc.mincore(at + first * PAGE_SIZE, pages * PAGE_SIZE, vector):
            raise _error()
        return sum(byte & 1 for byte in vector.raw)


def why_not(error: OSError) -> str:
    """In words, for the user."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return "what is cached is told to who owns the file or may write it, or to root"
    if error.errno == errno.EFBIG:
        return "this kernel has no cachestat (Linux 6.5), and the file is too large to be asked page by page"
    return f"cachestat: {error.strerror}"


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
