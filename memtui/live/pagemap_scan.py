"""Models the PAGEMAP_SCAN ioctl of fs/proc/task_mmu.c (6.7 and later): ranges of pages with equal categories."""

import errno
import fcntl
import struct
from array import array
from collections.abc import Iterator
from typing import Final

from memtui.model.address import PAGE_SHIFT
from memtui.model.errors import NotSupported

# Categories of include/uapi/linux/fs.h.
PAGE_IS_FILE: Final = 1 << 2
PAGE_IS_PRESENT: Final = 1 << 3
PAGE_IS_SWAPPED: Final = 1 << 4
PAGE_IS_PFNZERO: Final = 1 << 5
PAGE_IS_HUGE: Final = 1 << 6
PAGE_IS_GUARD: Final = 1 << 8
"""6.15 and later; before it guard markers look swapped."""

_PAGEMAP_SCAN: Final = 0xC060_6610
_ARGUMENT: Final = struct.Struct("12Q")
_WALK_END: Final = 4
_RANGES: Final = 512
"""Ranges that one call returns at most."""
_MAX_PAGES: Final = (16 << 20) >> PAGE_SHIFT
"""Pages that one call finds at most. The walk holds the lock of the address space, which the watched process waits for
when it maps or unmaps: of 16 MiB at a time it does not notice anything, and the calls cost a tenth more."""
_MAX_PAGES_OF_FILES: Final = _MAX_PAGES >> 2
"""The same where pages of files are told: that takes three to four times as long a page."""
RANGE_BYTES: Final = 24
"""Of a struct page_region: three numbers of 8 bytes."""
_WANTED: Final = PAGE_IS_PRESENT | PAGE_IS_SWAPPED
_TOLD: Final = _WANTED | PAGE_IS_FILE | PAGE_IS_PFNZERO | PAGE_IS_HUGE


PageRange = tuple[int, int, int]
"""First byte, byte behind the last, PAGE_IS_* bits: neighbouring pages of the same categories; may reach over several
VMAs. A plain tuple, for there are as many as VMAs at each refresh."""


class Scanner:
    """Scans one open pagemap file after another; finds out once whether the kernel knows guard regions."""

    def __init__(self) -> None:
        self._told = _TOLD | PAGE_IS_GUARD
        self._vector = array("Q", bytes(RANGE_BYTES * _RANGES))
        self._view = memoryview(self._vector).cast("B")

    def scan(self, fd: int, start: int, end: int) -> Iterator[PageRange]:
        """The ranges that are present or swapped, by ascending address: `pieces` as tuples."""
        for piece in self.pieces(fd, start, end):
            yield from ranges_of(piece)

    def pieces(self, fd: int, start: int, end: int, *, files: bool = True) -> Iterator[bytes]:
        """The same as the kernel wrote it, call by call, to be compared with what it wrote before.

        Args:
            fd: an open /proc/PID/pagemap.
            start: first byte, at a page.
            end: behind the last byte, in the user half of the address space.
            files: whether to tell pages of files: the kernel then looks at each page, which costs three times as much.

        Raises:
            NotSupported: this kernel has no such ioctl (before 6.7).
            OSError: the process is gone (ESRCH), or anything else.
        """
        while start < end:
            count, walk_end = self._call(fd, start, end, files=files)
            if not count:
                return
            yield bytes(self._view[: count * RANGE_BYTES])
            last = self._vector[3 * count - 2]
            if count < _RANGES and not last <= walk_end < end:
                # The kernel's walk_end may lie before the last range although the walk got to the end: it stays at
                # the place of the last flush of its own buffer. Who stopped for the pages stopped behind a range.
                return
            start = max(walk_end, last)

    def _call(self, fd: int, start: int, end: int, *, files: bool) -> tuple[int, int]:
        address, length = self._vector.buffer_info()
        told, pages = (self._told, _MAX_PAGES_OF_FILES) if files else (self._told & ~PAGE_IS_FILE, _MAX_PAGES)
        fields = (_ARGUMENT.size, 0, start, end, 0, address, length // 3, pages, 0, 0, _WANTED, told)
        argument = bytearray(_ARGUMENT.pack(*fields))
        try:
            count = fcntl.ioctl(fd, _PAGEMAP_SCAN, argument, True)
        except OSError as error:
            if error.errno == errno.EINVAL and self._told & PAGE_IS_GUARD:
                self._told = _TOLD
                return self._call(fd, start, end, files=files)
            if error.errno in (errno.ENOTTY, errno.EINVAL, errno.ENOSYS):
                raise NotSupported("this kernel has no PAGEMAP_SCAN (before 6.7)") from error
            raise
        return count, _ARGUMENT.unpack(argument)[_WALK_END]


def ranges_of(piece: bytes) -> Iterator[PageRange]:
    """What one call found."""
    words = array("Q", piece)
    return zip(words[::3].tolist(), words[1::3].tolist(), words[2::3].tolist(), strict=True)


def first_byte(piece: bytes) -> int:
    """Where the first of these ranges begins."""
    return int.from_bytes(piece[:8], "little")


def last_byte(piece: bytes) -> int:
    """Behind the last of them."""
    return int.from_bytes(piece[-16:-8], "little")
