"""Reads of the proc file system: whole files as bytes, and the one place where errno becomes a domain error."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final

from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError

LIMIT: Final = 256 << 20
"""Bytes that one read takes at most: smaps of 65,530 VMAs has 48 MiB."""
PTRACE_HINT: Final = "needs the user of the process, CAP_SYS_PTRACE or root"
"""What grants maps, smaps, pagemap and exe (ptrace_may_access, kernel/ptrace.c)."""

_CHUNK: Final = 1 << 16
_OF_A_PROCESS: Final = re.compile(r"\d|self\b|thread-self\b")
_TOGETHER: Final = 16
"""Reads of a long file, of 4 KiB mostly, that make one piece: some 50 us of work for whoever looks through it."""


class Procfs:
    """The tree below `root`; tests hand in a folder of plain files instead.

    Every method names a file by its path below the root: "meminfo", "4242/maps".

    Raises (every method):
        ProcessGone: there is no such process, or it exited meanwhile (ESRCH, ENOENT with its folder).
        NotSupported: the folder is there, but this kernel was built without the file.
        AccessDenied: EACCES or EPERM; the hint names what would grant it.
        SourceError: any other error, or a file above `LIMIT` bytes.
    """

    def __init__(self, root: str = "/proc") -> None:
        self.root = root
        self.heed: Callable[[str], None] = lambda path: None
        """Hears again and again of a file that is read, by the file's path; what it raises ends the reading."""

    @property
    def mounted(self) -> bool:
        """Whether there is a proc file system at all."""
        return os.path.lexists(f"{self.root}/self")

    def path(self, name: str) -> str:
        """The full path of `name`."""
        return f"{self.root}/{name}"

    def read(self, name: str) -> bytes:
        """The whole file, read in pieces during which other threads run."""
        path = self.path(name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return self._read_all(fd, path)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._domain_error(error, name) from error

    def _read_all(self, fd: int, path: str) -> bytes:
        pieces, size = [], 0
        while piece := os.read(fd, _CHUNK):
            self.heed(path)
            size += len(piece)
            if size > LIMIT:
                raise SourceError(f"{path} is larger than {LIMIT >> 20} MiB")
            pieces.append(piece)
        return b"".join(pieces)

    def read_filled(self, name: str) -> bytes:
        """The same for a file that is empty only if its process has no memory any more.

        Raises:
            ProcessGone: it is empty (the mm is gone).
        """
        text = self.read(name)
        if not text:
            raise ProcessGone(f"{self.path(name)} is empty: the process has exited")
        return text

    def pieces_filled(self, name: str) -> Iterator[bytes]:
        """The same piece by piece: for what is too large to be kept.

        Raises:
            ProcessGone: it is empty (the mm is gone).
        """
        with self.opened(name) as fd:
            reads = iter(partial(os.read, fd, _CHUNK), b"")
            piece = b"".join(islice(reads, _TOGETHER))
            if not piece:
                raise ProcessGone(f"{self.path(name)} is empty: the process has exited")
            while piece:
                self.heed(self.path(name))
                yield piece
                piece = b"".join(islice(reads, _TOGETHER))

    def readlink(self, name: str) -> str:
        """The target of a link, undecodable bytes as lone surrogates."""
        path = self.path(name)
        try:
            return os.readlink(path)
        except OSError as error:
            raise self._domain_error(error, name) from error

    def numbers(self, name: str = "") -> list[int]:
        """The entries of a folder that are numbers, ascending: the processes ("") or the threads ("4242/task")."""
        path = self.path(name)
        try:
            return sorted(map(int, filter(str.isdecimal, os.listdir(path))))
        except OSError as error:
            raise self._domain_error(error, name) from error

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """A descriptor for positioned reads and ioctls; errors inside the block are translated too."""
        path = self.path(name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield fd
            finally:
                os.close(fd)
        except OSError as error:
            raise self._domain_error(error, name) from error

    def write(self, name: str, text: str, *, hint: str) -> None:
        """Write `text` in one call; `hint` says what would grant it if the kernel refuses."""
        path = self.path(name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise self._domain_error(error, name, hint=hint) from error

    def _domain_error(self, error: OSError, name: str, *, hint: str = PTRACE_HINT) -> SourceError:
        path = self.path(name)
        if error.errno == errno.ENOENT and not _OF_A_PROCESS.match(name) and self.mounted:
            if not os.path.lexists(self.path("meminfo")):
                return NotSupported(f"{path} is not shown", hint="proc is mounted with subset=pid: processes alone")
            return NotSupported(f"this kernel has no {path}")
        if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path)):
            return NotSupported(f"this kernel has no {path}")
        if error.errno == errno.EINVAL and name.endswith("/mountinfo"):
            return ProcessGone(f"{path} tells nothing: the process is exiting, and has no namespaces any more")
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return ProcessGone(f"{path} does not exist (any more)")
        if error.errno in (errno.EACCES, errno.EPERM):
            return AccessDenied(f"{path} is denied", hint=hint)
        return SourceError(f"{path}: {error.strerror}")
