"""The memory of another process, read while it runs: by /proc/PID/mem, else by process_vm_readv."""

import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Self

from memtui.live.pagemap import walk
from memtui.live.pagemap_scan import PAGE_IS_PRESENT, PageRange, Scanner
from memtui.live.procfs import PTRACE_HINT, Procfs
from memtui.model.address import Range, page_down, page_up
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone, SourceError

WORD: Final = 8


class TornError(Exception):
    """What was read does not agree with itself, or is not mapped (any more): the process went on meanwhile."""


class _Iovec(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("iov_base", ctypes.c_void_p), ("iov_len", ctypes.c_size_t))


class ProcessMemory:
    """Positioned reads of one process. Nothing is stopped and nothing is written.

    Pages that were never touched are not read where the kernel tells which they are, because reading them would map
    the zero page there and so change what is looked at; they read as zeros.

    Args:
        pid: of the process or of one of its threads.
        mem: an open /proc/PID/mem; None: process_vm_readv.
        pagemap: an open /proc/PID/pagemap, or None.
    """

    def __init__(self, pid: int, mem: int | None, pagemap: int | None) -> None:
        self._pid, self._mem, self._pagemap = pid, mem, pagemap
        self._scanner: Scanner | None = Scanner() if pagemap is not None else None

    @classmethod
    @contextmanager
    def opened(cls, procfs: Procfs, folder: str) -> Iterator[Self]:
        """The memory of the process in `folder` ("4242").

        Raises:
            AccessDenied: it may not be read: the hint names the right that is missing.
            ProcessGone: it exited.
        """
        with ExitStack() as files:
            mem = pagemap = None
            with suppress(NotSupported):
                mem = files.enter_context(procfs.opened(f"{folder}/mem"))
            with suppress(NotSupported, AccessDenied):
                pagemap = files.enter_context(procfs.opened(f"{folder}/pagemap"))
            yield cls(_pid_of(folder), mem, pagemap)

    def read(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            TornError: not all of it is mapped.
            ProcessGone: the process exited.
        """
        buffer = bytearray(size)
        self._into(memoryview(buffer), address)
        return bytes(buffer)

    def words(self, address: int, count: int) -> "memoryview[int]":
        """`count` words of 8 bytes; fails as `read`."""
        buffer = bytearray(count * WORD)
        self._into(memoryview(buffer), address)
        return memoryview(buffer).cast("Q")

    def window(self, start: int, end: int) -> "memoryview[int]":
        """The words of a range whose pages need not all have been touched; fails as `read`."""
        buffer = bytearray(end - start)
        whole = memoryview(buffer)
        for first, last in self.present(start, end):
            begin, stop = max(first, start), min(last, end)
            self._into(whole[begin - start : stop - start], begin)
        return whole.cast("Q")

    def present(self, start: int, end: int, *, swapped: bool = True) -> Sequence[Range]:
        """The parts of a range whose pages are there; all of it where the kernel does not tell.

        Args:
            start: first byte.
            end: behind the last one.
            swapped: those on swap too, which a reading brings back into memory.
        """
        if self._pagemap is None:
            return [Range(start, end)]
        try:
            found = self._told(self._pagemap, page_down(start), page_up(end))
        except OSError as error:
            raise _gone(error) from error
        joined: list[Range] = []
        for first, last, categories in found:
            if not swapped and not categories & PAGE_IS_PRESENT:
                continue
            if joined and joined[-1].end == first:
                joined[-1] = Range(joined[-1].start, last)
            else:
                joined.append(Range(first, last))
        return joined

    def _told(self, pagemap: int, start: int, end: int) -> list[PageRange]:
        if self._scanner is not None:
            try:
                return list(self._scanner.scan(pagemap, start, end))
            except NotSupported:
                self._scanner = None
        return list(walk(pagemap, start, end, None))

    def _into(self, buffer: "memoryview[int]", address: int) -> None:
        done = 0
        while done < len(buffer):
            try:
                got = self._some(buffer[done:], address + done)
            except OSError as error:
                if error.errno in (errno.EIO, errno.EFAULT, errno.EINVAL, errno.EOVERFLOW):
                    raise TornError(f"{address + done:#x} is not mapped") from error
                raise _gone(error) from error
            if got == 0:
                # An exited process has no memory: reads of its mem file give nothing.
                raise ProcessGone(f"process {self._pid} has exited")
            done += got

    def _some(self, buffer: "memoryview[int]", address: int) -> int:
        if self._mem is not None:
            return os.preadv(self._mem, [buffer], address) if address < 1 << 63 else _not_mapped()
        return _process_vm_readv(self._pid, buffer, address)


def _not_mapped() -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _pid_of(folder: str) -> int:
    return int(folder.rsplit("/", 1)[-1])


def _gone(error: OSError) -> SourceError:
    if error.errno == errno.ESRCH:
        return ProcessGone("the process has exited")
    if error.errno in (errno.EPERM, errno.EACCES):
        return AccessDenied("its memory may not be read", hint=PTRACE_HINT)
    return SourceError(f"its memory cannot be read: {error.strerror}")


def _process_vm_readv(pid: int, buffer: "memoryview[int]", address: int) -> int:
    """Models nothing: the system call of mm/process_vm_access.c by way of libc."""
    libc = ctypes.CDLL(None, use_errno=True)
    target = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    local = _Iovec(ctypes.addressof(target), len(buffer))
    remote = _Iovec(address, len(buffer))
    got: int = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    if got < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return got
