"""Models elf/dl-cache.c (glibc 2.36): /etc/ld.so.cache."""

import re
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

PATH: Final = "/etc/ld.so.cache"
MAGIC: Final = b"glibc-ld.so.cache1.1"
OLD_MAGIC: Final = b"ld.so-1.7.0"
HEADER: Final = 48
ENTRY: Final = 24
OLD_HEADER: Final = 16
OLD_ENTRY: Final = 12
FLAGS_X8664_LIB64: Final = 0x303
"""FLAG_X8664_LIB64 | FLAG_ELF_LIBC6."""
FLAGS: Final = frozenset({1, FLAGS_X8664_LIB64})
EXTENSION: Final = 1 << 62
"""The entry is of a subfolder of glibc-hwcaps; the low half of hwcap is its number."""
EXTENSION_MAGIC: Final = 0xEAA42174
TAG_HWCAPS: Final = 1
PLATFORM_BITS: Final = 0xF << 48
TLS_BIT: Final = 1 << 63
PLATFORMS: Final = {"haswell": 1 << 48, "xeon_phi": 2 << 48}


class Entry(NamedTuple):
    """One library of one name."""

    flags: int
    path: str
    hwcap: int


class Cache:
    """A cache file that was mapped.

    Args:
        data: the whole file.
        address: where it is mapped.
    """

    def __init__(self, data: bytes, address: int) -> None:
        self.address = address
        self.size = len(data)
        self.ranked = False
        """Whether ld.so has compared the subfolders that the file knows with what the CPU can."""
        index = _index(data)
        self.readable = index is not None
        self._entries, self.levels = index if index is not None else ({}, ())

    def find(self, name: str, levels: Sequence[str], platform: str, hwcap: int) -> tuple[str | None, bool]:
        """search_cache(): the path of a library, and whether an entry for certain CPUs was met on the way.

        Args:
            name: of the library.
            levels: subfolders of glibc-hwcaps that the CPU is good for, best first.
            platform: of the CPU.
            hwcap: of the CPU.
        """
        best, rank, met = None, len(levels), False
        for entry in self._entries.get(_numeric(name), ()):
            if entry.flags not in FLAGS:
                continue
            if entry.hwcap & EXTENSION:
                met = True
                level = self._level(entry.hwcap & 0xFFFF_FFFF)
                if level in levels and levels.index(level) < rank:
                    best, rank = entry.path, levels.index(level)
                continue
            if best is not None and rank < len(levels):
                break
            if not _suits(entry.hwcap, platform, hwcap):
                continue
            best = entry.path
            if entry.flags == FLAGS_X8664_LIB64:
                break
        return best, met

    def _level(self, number: int) -> str:
        return self.levels[number] if number < len(self.levels) else ""


@lru_cache(maxsize=4)
def _index(data: bytes) -> tuple[Mapping[str, tuple[Entry, ...]], tuple[str, ...]] | None:
    """Entries by name, and the names of the subfolders of glibc-hwcaps; None if this is no such file."""
    start = _start(data)
    if start is None:
        return None
    (count,) = struct.unpack_from("<I", data, start + 20)
    found: dict[str, list[Entry]] = {}
    for flags, key, value, _osversion, hwcap in struct.iter_unpack("<iIIIQ", data[start + HEADER :][: ENTRY * count]):
        entry = Entry(flags, _string(data, start + value), hwcap)
        found.setdefault(_numeric(_string(data, start + key)), []).append(entry)
    return MappingProxyType({name: tuple(entries) for name, entries in found.items()}), _levels(data, start)


def _start(data: bytes) -> int | None:
    """Where the header of the new format lies; None if this is no such file."""
    start = 0
    if data.startswith(OLD_MAGIC):
        (count,) = struct.unpack_from("<I", data, OLD_HEADER - 4)
        start = (OLD_HEADER + OLD_ENTRY * count + 7) & ~7
    if not data.startswith(MAGIC, start) or len(data) < start + HEADER:
        return None
    (count,) = struct.unpack_from("<I", data, start + 20)
    return start if (len(data) - start - HEADER) // ENTRY >= count else None


def _levels(data: bytes, start: int) -> tuple[str, ...]:
    """The section of names of subfolders."""
    (at,) = struct.unpack_from("<I", data, start + 32)
    if not at or at + 8 > len(data):
        return ()
    magic, count = struct.unpack_from("<II", data, at)
    sections = data[at + 8 : at + 8 + 16 * count]
    if magic != EXTENSION_MAGIC or len(sections) != 16 * count:
        return ()
    for tag, _flags, offset, size in struct.iter_unpack("<IIII", sections):
        if tag == TAG_HWCAPS:
            numbers = data[offset : offset + size // 4 * 4]
            return tuple(_string(data, start + place) for (place,) in struct.iter_unpack("<I", numbers))
    return ()


def _string(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    return data[at : end if end >= 0 else len(data)].decode("utf-8", "surrogateescape")


def _numeric(name: str) -> str:
    """_dl_cache_libcmp() compares digits as numbers."""
    return re.sub(r"\d+", lambda match: str(int(match[0])), name)


def _suits(needed: int, platform: str, hwcap: int) -> bool:
    if needed & PLATFORM_BITS and needed & PLATFORM_BITS != PLATFORMS.get(platform):
        return False
    return not needed & ~(hwcap | PLATFORM_BITS | TLS_BIT)
