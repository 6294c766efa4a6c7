"""PT_DYNAMIC as the dynamic linker reads it: dependencies, search paths, versions, and where its tables lie."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from memtui.elf_reader.bounded import TEXT_MOST, Bounded
from memtui.elf_reader.dynamic import offset_of, read_tags, symbol_count
from memtui.model.elf import ProgramHeader
from memtui.model.elf_dynamic import (
    DF_1_NOW,
    DT_AUXILIARY,
    DT_FILTER,
    DT_NEEDED,
    Dependency,
    Dynamic,
    Required,
    Tables,
)

DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ = 2, 5, 6, 7, 8, 10
DT_RPATH, DT_TEXTREL, DT_JMPREL, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS = 15, 22, 23, 24, 29, 30
DT_VERSYM, DT_RELACOUNT, DT_FLAGS_1 = 0x6FFFFFF0, 0x6FFFFFF9, 0x6FFFFFFB
DT_VERDEF, DT_VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
DF_TEXTREL: Final = 4
DF_BIND_NOW: Final = 8
VER_FLG_WEAK: Final = 2
VERSION_MASK: Final = 0x7FFF
"""Of a version index: the top bit says that it is hidden."""
LIMIT: Final = 1 << 16
"""Entries of one list beyond which the file is taken for corrupt."""


def read_linking(file: Bounded, segments: Sequence[ProgramHeader]) -> Dynamic | None:
    """The dynamic section; None if there is none, or if it cannot be made sense of."""
    tags = read_tags(file, segments)
    if not tags:
        return None
    try:
        return _Reader(file, segments).dynamic(tags)
    except (struct.error, ValueError):
        return None


class _Reader:
    """Bytes of a file by virtual address."""

    def __init__(self, file: Bounded, segments: Sequence[ProgramHeader]) -> None:
        self._file = file
        self._segments = segments
        self._strings, self._strings_size = 0, 0
        """Of the string table: its address and its bytes."""

    def dynamic(self, tags: Sequence[tuple[int, int]]) -> Dynamic:
        by_tag = dict(tags)
        self._strings, self._strings_size = by_tag.get(DT_STRTAB, 0), by_tag.get(DT_STRSZ, 0)
        flags, flags_1 = by_tag.get(DT_FLAGS, 0), by_tag.get(DT_FLAGS_1, 0)
        required, highest = self._verneed(by_tag)
        defined, last = self._verdef(by_tag)
        kinds = (DT_NEEDED, DT_AUXILIARY, DT_FILTER)
        return Dynamic(
            dependencies=tuple(Dependency(tag, self._string(value)) for tag, value in tags if tag in kinds),
            rpath=self._string(by_tag[DT_RPATH]) if DT_RPATH in by_tag else None,
            runpath=self._string(by_tag[DT_RUNPATH]) if DT_RUNPATH in by_tag else None,
            flags_1=flags_1,
            bind_now=DT_BIND_NOW in by_tag or bool(flags & DF_BIND_NOW or flags_1 & DF_1_NOW),
            textrel=DT_TEXTREL in by_tag or bool(flags & DF_TEXTREL),
            version_index=max(highest, last),
            required=required,
            defined=defined,
            tables=self._tables(by_tag),
        )

    def _at(self, vaddr: int, length: int) -> bytes:
        offset = offset_of(self._segments, vaddr)
        return b"" if offset is None else self._file.read(offset, length)

    def _string(self, offset: int) -> str:
        """Read one by one, for all strings of a program may be megabytes."""
        text, end, _ = self._at(self._strings + offset, min(TEXT_MOST, self._strings_size - offset)).partition(b"\0")
        if not end:
            raise ValueError("a string outside of the string table, or without an end")
        return text.decode("utf-8", "surrogateescape")

    def _verneed(self, by_tag: dict[int, int]) -> tuple[tuple[Required, ...], int]:
        """DT_VERNEED, and its highest version index; the lists end where the next entry is 0 bytes away."""
        required, highest = [], 0
        for at in self._chain(by_tag.get(DT_VERNEED, 0), "<HHIII", 16):
            _version, _count, file, aux, _next = struct.unpack("<HHIII", self._at(at, 16))
            versions = []
            for place in self._chain(at + aux, "<IHHII", 16):
                _hash, flags, index, name, _next = struct.unpack("<IHHII", self._at(place, 16))
                versions.append((self._string(name), bool(flags & VER_FLG_WEAK)))
                highest = max(highest, index & VERSION_MASK)
            required.append(Required(self._string(file), tuple(versions)))
        return tuple(required), highest

    def _verdef(self, by_tag: dict[int, int]) -> tuple[tuple[str, ...], int]:
        """DT_VERDEF, and its highest version index."""
        defined, highest = [], 0
        for at in self._chain(by_tag.get(DT_VERDEF, 0), "<HHHHIII", 20):
            _version, _flags, index, _count, _hash, aux, _next = struct.unpack("<HHHHIII", self._at(at, 20))
            (name,) = struct.unpack("<I", self._at(at + aux, 4))
            defined.append(self._string(name))
            highest = max(highest, index & VERSION_MASK)
        return tuple(defined), highest

    def _chain(self, at: int, form: str, size: int) -> Iterator[int]:
        """Addresses of entries, each of which ends with the distance to the next one."""
        for _ in range(LIMIT if at else 0):
            yield at
            distance = struct.unpack(form, self._at(at, size))[-1]
            if not distance:
                return
            at += distance

    def _tables(self, by_tag: dict[int, int]) -> Tables:
        return Tables(
            symtab=by_tag.get(DT_SYMTAB, 0),
            symbols=symbol_count(self._file, self._segments, by_tag),
            strtab=by_tag.get(DT_STRTAB, 0),
            strsz=by_tag.get(DT_STRSZ, 0),
            versym=by_tag.get(DT_VERSYM, 0),
            rela=by_tag.get(DT_RELA, 0),
            relasz=by_tag.get(DT_RELASZ, 0),
            relacount=by_tag.get(DT_RELACOUNT, 0),
            jmprel=by_tag.get(DT_JMPREL, 0),
            pltrelsz=by_tag.get(DT_PLTRELSZ, 0),
        )
