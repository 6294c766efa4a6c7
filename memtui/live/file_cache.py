"""What of each file is in the page cache: those that a process maps or has open, and those that a user names."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import Final

from memtui.live.cached_pages import OPEN_FLAGS, CachedPages, why_not
from memtui.live.changes import same_areas
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.errors import SourceError
from memtui.model.file_cache import FileCache
from memtui.model.vma import Vma, VmaKind

_AGE: Final = 2.0
"""Seconds between two looks: the figures move slowly, and each file is opened."""
_CHEAP: Final = 0.01
"""Seconds that a look may cost without being spaced."""
_TIMES: Final = 30
"""A dear look is made after so many times what it costs."""
_KINDS: Final = frozenset({VmaKind.FILE, VmaKind.SHMEM})
_MOST: Final = 1000
"""Descriptors of a process that are looked at."""


class FileCacheReader:
    """The files of one process, then those that were asked for; the same tuple as before if nothing changed."""

    def __init__(self, procfs: Procfs, *, cached: CachedPages | None = None) -> None:
        self._procfs = procfs
        self._cached = cached or CachedPages()
        self.paths: tuple[str, ...] = ()
        """Files that the user asked for."""
        self._last: tuple[FileCache, ...] = ()
        self._vmas: tuple[Vma, ...] = ()
        self._of: tuple[str, ...] = ()
        self._looked = self._cost = 0.0

    def read(self, folder: str, vmas: tuple[Vma, ...]) -> tuple[FileCache, ...]:
        """Each file once: the mapped ones by ascending address, the open ones by descriptor, those asked for.

        Looks again when other files are mapped or asked for, or after a while.

        Args:
            folder: of the process: "4242".
            vmas: by ascending address.
        """
        now = time.monotonic()
        if self.paths == self._of and not self._is_due(now, changed=not same_areas(self._vmas, vmas)):
            return self._last
        first: dict[tuple[tuple[int, int], int], Vma] = {}
        for vma in vmas:
            if vma.kind in _KINDS and vma.path is not None:
                first.setdefault((vma.dev, vma.inode), vma)
        found = [self._mapped(folder, vma) for vma in first.values()]
        found += self._open_ones(folder, {*first})
        found += [self._named(path) for path in self.paths]
        self._vmas, self._of, self._looked, self._cost = vmas, self.paths, now, time.monotonic() - now
        if tuple(found) != self._last:
            self._last = tuple(found)
        return self._last

    def _is_due(self, now: float, *, changed: bool) -> bool:
        """After a while, or at once if other files may be mapped; but a dear look is a small part of the time."""
        age = now - self._looked
        return (changed or age >= _AGE) and (self._cost < _CHEAP or age >= self._cost * _TIMES)

    def _mapped(self, folder: str, vma: Vma) -> FileCache:
        name = FileCache(vma.name, vma.start, file=(vma.dev, vma.inode))
        try:
            fd = self._opened(folder, vma)
        except OSError as error:
            return name._replace(why=f"the file cannot be opened: {error.strerror}")
        return self._asked(fd, name)

    def _opened(self, folder: str, vma: Vma) -> int:
        """The very file: by map_files, which is for root only, else by its path, if it still is the same one."""
        try:
            return os.open(self._procfs.path(f"{folder}/map_files/{vma.start:x}-{vma.end:x}"), OPEN_FLAGS)
        except OSError:
            pass
        fd = os.open(self._procfs.path(f"{folder}/root{vma.path}"), OPEN_FLAGS)
        facts = os.fstat(fd)
        if _id_of(facts) != (vma.dev, vma.inode) or not stat.S_ISREG(facts.st_mode):
            os.close(fd)
            raise OSError(errno.ESTALE, "another file has its name now, or it cannot be told")
        return fd

    def _open_ones(self, folder: str, seen: set[tuple[tuple[int, int], int]]) -> Iterator[FileCache]:
        """Regular files that the process has open and does not map."""
        try:
            numbers = self._procfs.numbers(f"{folder}/fd")[:_MOST]
        except SourceError:
            return
        for number in numbers:
            link = self._procfs.path(f"{folder}/fd/{number}")
            try:
                facts = os.stat(link)
                if not stat.S_ISREG(facts.st_mode) or not facts.st_size or _id_of(facts) in seen:
                    continue
                seen.add(_id_of(facts))
                name = FileCache(os.readlink(link), None, file=_id_of(facts))
                fd = os.open(link, OPEN_FLAGS)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EPERM):
                    yield FileCache(f"descriptor {number}", None, why=f"it cannot be opened: {error.strerror}")
                continue
            yield self._asked(fd, name)

    def _named(self, path: str) -> FileCache:
        name = FileCache(path, None, asked=True)
        try:
            fd = os.open(path, OPEN_FLAGS)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            return name._replace(why=f"the file cannot be opened: {words}")
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            os.close(fd)
            return name._replace(why="it is no regular file")
        return self._asked(fd, name._replace(file=_id_of(facts)))

    def _asked(self, fd: int, name: FileCache) -> FileCache:
        """Closes the descriptor."""
        try:
            pages = -(-os.fstat(fd).st_size // PAGE_SIZE)
            cached, dirty, writeback, evicted = self._cached.of(fd)
        except OSError as error:
            return name._replace(why=why_not(error))
        finally:
            os.close(fd)
        return name._replace(size=pages, cached=cached, dirty=dirty, writeback=writeback, evicted=evicted)


def _id_of(facts: os.stat_result) -> tuple[tuple[int, int], int]:
    return (os.major(facts.st_dev), os.minor(facts.st_dev)), facts.st_ino
