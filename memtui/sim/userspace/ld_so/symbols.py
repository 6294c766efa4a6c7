"""Symbols of mapped objects, as far as STB_GNU_UNIQUE ones are concerned (elf/dl-lookup.c, glibc 2.36)."""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from memtui.sim.userspace.ld_so.link_map import LinkMap, Namespace

SYM: Final = 24
RELA: Final = 24
STB_LOCAL: Final = 0
STB_GNU_UNIQUE: Final = 10
R_X86_64_COPY: Final = 5
UNIQUE_SYM: Final = 32
"""sizeof (struct unique_sym)."""
TABLE_SIZES: Final = (31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071)
"""Lengths of the table of unique symbols: primes below powers of two."""
_UNIQUE: Final = re.compile(rb"[\xa0-\xaf]")


class SymbolTable:
    """The dynamic symbols of one object."""

    def __init__(self, space: Namespace, map_: LinkMap) -> None:
        tables = map_.dynamic.tables
        read = space.calls.bytes_at
        self._map = map_
        self._space = space
        self._symbols = read(map_.image, tables.symtab, tables.symbols * SYM) if tables.symbols else b""
        self._strings = b""

    @property
    def has_unique(self) -> bool:
        """Whether any of them is STB_GNU_UNIQUE."""
        return _UNIQUE.search(self._symbols[4::SYM]) is not None

    def unique_names(self) -> set[bytes]:
        """Of the unique ones that are defined here."""
        return {
            self._name(name)
            for name, info, _other, section in self._entries()
            if info >> 4 == STB_GNU_UNIQUE and section
        }

    def definitions(self, names: set[bytes]) -> dict[bytes, bool]:
        """Which of `names` are defined here, and whether as unique symbols."""
        found = {}
        for name, info, other, section in self._entries():
            if section and info >> 4 != STB_LOCAL and other & 3 in (0, 3):
                text = self._name(name)
                if text in names:
                    found[text] = info >> 4 == STB_GNU_UNIQUE
        return found

    def looked_up(self, names: set[bytes], *, lazy: bool) -> Iterator[tuple[bytes, bool]]:
        """Which of `names` the object's relocations look up, in their order, and whether for a copy relocation."""
        wanted: dict[int, bytes] = {}
        for index, (name, info, other, _section) in enumerate(self._entries()):
            if info >> 4 != STB_LOCAL and other & 3 == 0:
                text = self._name(name)
                if text in names:
                    wanted[index] = text
        for info in self._relocations(lazy=lazy) if wanted else ():
            if info >> 32 in wanted:
                yield wanted[info >> 32], info & 0xFFFF_FFFF == R_X86_64_COPY

    def _entries(self) -> Iterator[tuple[int, int, int, int]]:
        usable = self._symbols[: len(self._symbols) // SYM * SYM]
        return struct.iter_unpack("<IBBH16x", usable)

    def _name(self, offset: int) -> bytes:
        if not self._strings:
            tables = self._map.dynamic.tables
            self._strings = self._space.calls.bytes_at(self._map.image, tables.strtab, tables.strsz)
        return self._strings[offset : self._strings.find(b"\0", offset)]

    def _relocations(self, *, lazy: bool) -> Iterator[int]:
        """r_info of those that look symbols up now."""
        tables = self._map.dynamic.tables
        size = tables.relasz
        if tables.rela and tables.jmprel and tables.rela + size == tables.jmprel + tables.pltrelsz:
            size -= tables.pltrelsz
        skipped = tables.relacount * RELA
        parts = [(tables.rela + skipped, size - skipped)]
        if not lazy:
            parts.append((tables.jmprel, tables.pltrelsz))
        for start, length in parts:
            data = self._space.calls.bytes_at(self._map.image, start, length) if length > 0 else b""
            for (info,) in struct.iter_unpack("<8xQ8x", data[: len(data) // RELA * RELA]):
                yield info


class UniqueSymbols:
    """The table of unique symbols of a namespace; its memory is all that shows of it."""

    def __init__(self, space: Namespace, scope: Sequence[LinkMap]) -> None:
        """Look for unique symbols.

        Args:
            space: of the process.
            scope: where symbols are looked up, in order.
        """
        self._space = space
        self._tables = {id(map_): SymbolTable(space, map_) for map_ in scope}
        names = [table.unique_names() for table in self._tables.values() if table.has_unique]
        self._names: set[bytes] = set().union(*names)
        self._entered: set[bytes] = set()
        self._size = 0
        self._owners: dict[bytes, bool] = {}
        self._copies: dict[bytes, bool] = {}
        for map_ in scope if self._names else ():
            for name, unique in self._tables[id(map_)].definitions(self._names).items():
                self._owners.setdefault(name, unique)
                if not map_.is_program:
                    self._copies.setdefault(name, unique)

    def relocate(self, map_: LinkMap, *, lazy: bool) -> None:
        """Enter what the relocations of an object bind."""
        if not self._names:
            return
        for name, copy in self._tables[id(map_)].looked_up(self._names, lazy=lazy):
            owners = self._copies if copy else self._owners
            if owners.get(name) and name not in self._entered:
                self._make_room()
                self._entered.add(name)

    def _make_room(self) -> None:
        """The table grows as soon as it is three quarters full."""
        if not self._size:
            self._size = TABLE_SIZES[0]
        elif self._size * 3 <= len(self._entered) * 4:
            self._size = next(size for size in TABLE_SIZES if size > self._size)
        else:
            return
        self._space.malloc.malloc(UNIQUE_SYM * self._size)
