"""PT_DYNAMIC: what the dynamic linker reads, and the symbols of a file without section headers."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.elf_reader.bounded import TEXT_MOST, Bounded, text_at
from memtui.model.elf import ProgramHeader

DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ = 0, 1, 4, 5, 6, 10
DT_SONAME, DT_RPATH, DT_RUNPATH, DT_FLAGS, DT_GNU_HASH, DT_FLAGS_1 = 14, 15, 29, 30, 0x6FFFFEF5, 0x6FFFFFFB
_DYN: Final = struct.Struct("<qQ")
_TAGS_MOST: Final = 1 << 14
_BUCKETS_MOST: Final = 1 << 22
_CHAIN_MOST: Final = 1 << 20
"""Bytes of hash tables."""
_SYMBOL: Final = 24
"""sizeof(Elf64_Sym)."""


class Dynamic(NamedTuple):
    """The dynamic section, as far as it is asked for."""

    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    flags: int = 0
    flags_1: int = 0


def read_tags(file: Bounded, segments: Sequence[ProgramHeader]) -> list[tuple[int, int]]:
    """Tags and values up to DT_NULL; empty for a static program."""
    segment = next((segment for segment in segments if segment.type == "PT_DYNAMIC"), None)
    if segment is None:
        return []
    data = file.read(segment.offset, min(segment.filesz, _TAGS_MOST * _DYN.size))
    tags = []
    for tag, value in _DYN.iter_unpack(data[: len(data) // _DYN.size * _DYN.size]):
        if tag == DT_NULL:
            break
        tags.append((tag, value))
    return tags


def offset_of(segments: Sequence[ProgramHeader], vaddr: int) -> int | None:
    """Where in the file the byte at `vaddr` stands; None: nowhere."""
    for segment in segments:
        if segment.type == "PT_LOAD" and segment.vaddr <= vaddr < segment.vaddr + segment.filesz:
            return vaddr - segment.vaddr + segment.offset
    return None


def read_dynamic(file: Bounded, segments: Sequence[ProgramHeader], unknown: dict[str, str]) -> Dynamic:
    """The names and flags of the dynamic section; what it says of a place outside of the file is not there."""
    tags = read_tags(file, segments)
    values = dict(
        tags
    )  # of a tag that comes twice the last counts (elf_get_dynamic_info, elf/get-dynamic-info.h, 2.36)
    if not tags:
        return Dynamic()
    base = offset_of(segments, values[DT_STRTAB]) if DT_STRTAB in values else None
    if base is None:
        unknown["dynamic"] = "its dynamic section names no string table in the file"
        return Dynamic(flags=values.get(DT_FLAGS, 0), flags_1=values.get(DT_FLAGS_1, 0))

    def string(offset: int) -> str:
        return text_at(file.read(base + offset, TEXT_MOST), 0)

    def named(tag: int) -> str | None:
        return string(values[tag]) if tag in values else None

    return Dynamic(
        soname=named(DT_SONAME),
        needed=tuple(string(value) for tag, value in tags if tag == DT_NEEDED),
        rpath=named(DT_RPATH),
        runpath=named(DT_RUNPATH),
        flags=values.get(DT_FLAGS, 0),
        flags_1=values.get(DT_FLAGS_1, 0),
    )


def dynamic_symbols(file: Bounded, segments: Sequence[ProgramHeader]) -> tuple[bytes, bytes] | None:
    """The dynamic symbols and their strings by the addresses in PT_DYNAMIC, for a file without section headers."""
    values = dict(read_tags(file, segments))
    places = [offset_of(segments, values.get(tag, -1)) for tag in (DT_SYMTAB, DT_STRTAB)]
    if places[0] is None or places[1] is None:
        return None
    count = symbol_count(file, segments, values)
    return file.read(places[0], count * _SYMBOL), file.read(places[1], values.get(DT_STRSZ, 0))


def symbol_count(file: Bounded, segments: Sequence[ProgramHeader], values: dict[int, int]) -> int:
    """How many dynamic symbols there are: only the hash tables tell."""
    if (at := offset_of(segments, values.get(DT_HASH, -1))) is not None:
        return int.from_bytes(file.read(at + 4, 4), "little")
    at = offset_of(segments, values.get(DT_GNU_HASH, -1))
    return 0 if at is None else _gnu_hash_count(file, at)


def _gnu_hash_count(file: Bounded, at: int) -> int:
    """The symbol of the last bucket that has one, and on to the end of its chain, which has its lowest bit set.

    Symbols stand in the order of their buckets.
    """
    header = file.read(at, 16)
    if len(header) < 16:
        return 0
    numbers: tuple[int, ...] = struct.unpack("<4I", header)
    nbuckets, symoffset, bloom, _shift = numbers
    buckets_at = at + 16 + 8 * bloom
    buckets = file.read(buckets_at, min(4 * nbuckets, _BUCKETS_MOST)).rstrip(b"\0")
    last = int.from_bytes(buckets[len(buckets) - 1 & -4 :], "little")
    if last < symoffset:
        return symoffset
    return last + _chain_length(file, buckets_at + 4 * nbuckets + 4 * (last - symoffset))


def _chain_length(file: Bounded, at: int) -> int:
    """The symbols of a chain of the hash table, which goes on to a value with its lowest bit set."""
    for start in range(at, at + _CHAIN_MOST, TEXT_MOST):
        piece = file.read(start, TEXT_MOST)
        for number in range(len(piece) // 4):
            if piece[4 * number] & 1:
                return (start - at) // 4 + number + 1
        if len(piece) < TEXT_MOST:
            return (start - at + len(piece)) // 4
    return _CHAIN_MOST // 4
