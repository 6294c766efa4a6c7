"""Symbol tables that were once put in order, on disk: addresses, sizes and places of names; never the names.

What cannot be read, or is damaged, is made again; what cannot be written is not kept.
"""

import contextlib
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, Final

from platformdirs import user_cache_path

from memtui.model.elf import ElfImage, Section
from memtui.model.symbols import Columns

SMALLEST: Final = 20_000
"""Symbols of a table that is kept: smaller ones are ready as soon as they are read."""
MOST: Final = 64
"""Tables that are kept; the ones that were used longest ago go."""
_ID_MOST: Final = 32
"""Bytes of a build id that are told."""
_MAGIC: Final = b"memtui symbols 2 " + sys.byteorder.encode()
_HEADER: Final = struct.Struct(f"={len(_MAGIC)}sQI")
"""Magic, rows, Adler-32 of the columns."""


def key_of(stream: BinaryIO, image: ElfImage, symbols: Section, strings: Section) -> str:
    """What tells a table from all others: the build, the very file, and where in it the table lies; "" without a file.

    The build id alone does not: a program and its debug file have the same.
    """
    try:
        facts = os.fstat(stream.fileno())
    except OSError:  # it is in memory
        return ""
    build = image.build_id[:_ID_MOST].hex() or f"{facts.st_dev:x}.{facts.st_ino:x}"
    places = (symbols.offset, symbols.size, strings.offset, strings.size)
    return "-".join([build, *(f"{number:x}" for number in (facts.st_size, facts.st_mtime_ns, *places))])


def load(key: str) -> Columns | None:
    """The columns of a table; None if they are not there, or damaged."""
    path = _folder() / key
    try:
        data = memoryview(path.read_bytes())
        magic, rows, checksum = _HEADER.unpack_from(data)
    except (OSError, struct.error):
        return None
    data, columns = data[_HEADER.size :], Columns()
    sizes = [length * column.itemsize for length, column in zip(Columns.lengths(rows), columns, strict=True)]
    if magic != _MAGIC or len(data) != sum(sizes) or zlib.adler32(data) != checksum:
        return None
    for size, column in zip(sizes, columns, strict=True):
        column.frombytes(data[:size])
        data = data[size:]
    with contextlib.suppress(OSError):
        os.utime(path)
    return columns


def store(key: str, columns: Columns) -> None:
    """Keep the columns of a table."""
    content = b"".join(column.tobytes() for column in columns)
    header = _HEADER.pack(_MAGIC, len(columns.starts), zlib.adler32(content))
    folder = _folder()
    if not folder.is_absolute():  # a user without a home
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        whole = folder / f".{os.getpid()}"
        whole.write_bytes(header + content)
        os.replace(whole, folder / key)
        _keep_newest(folder)


def _keep_newest(folder: Path) -> None:
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST:]:
        file.unlink(missing_ok=True)


def _folder() -> Path:
    return user_cache_path("memtui") / "symbols"
