"""Reads of a file whose numbers cannot be trusted."""

import os
import stat
from typing import BinaryIO, Final

from memtui.model.errors import ParseError

READ_MOST: Final = 256 << 20
"""Bytes that one read takes at most."""
_BLOCK: Final = 32 << 10
"""Bytes that a small read takes along."""
TEXT_MOST: Final = 4096
"""Bytes of a name."""


def open_regular(path: str) -> BinaryIO:
    """Open a file to read; links are followed. What would wait (a FIFO) or act (a device) is not opened.

    Raises:
        OSError: it cannot be opened.
        ParseError: it is no regular file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ParseError("not an ELF file: it is no regular file", file=path)
    return open(path, "rb")


class Bounded:
    """A file that never gives more than it has, whatever is asked of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, os.SEEK_END)
        """Bytes."""
        self._block, self._block_start = b"", 0
        """What small reads are served from: they mostly lie side by side."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset`; fewer than `size` where the file ends, b"" for a place outside of it.

        Raises:
            OSError: the file cannot be read.
        """
        if not 0 <= offset < self.size or size <= 0:
            return b""
        start = offset - self._block_start
        if start >= 0 and start + size <= len(self._block):
            return self._block[start : start + size]
        if size > TEXT_MOST:
            self._stream.seek(offset)
            return self._stream.read(min(size, self.size - offset, READ_MOST))
        self._block_start = offset & -TEXT_MOST
        self._stream.seek(self._block_start)
        self._block = self._stream.read(_BLOCK)
        start = offset - self._block_start
        return self._block[start : start + size]


def text_at(strings: bytes, offset: int) -> str:
    """The string that begins at `offset` of a string table, up to its zero or `TEXT_MOST`; "" outside.

    Bytes that are no UTF-8 are lone surrogates.
    """
    if not 0 <= offset < len(strings):
        return ""
    end = strings.find(b"\0", offset, offset + TEXT_MOST)
    return strings[offset : end if end >= 0 else offset + TEXT_MOST].decode("utf-8", "surrogateescape")
