"""The symbols of one ELF file by address: columns of numbers, names cut out when asked for."""

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

STT_NOTYPE: Final = 0
STT_OBJECT: Final = 1
STT_FUNC: Final = 2
STT_COMMON: Final = 5
STT_TLS: Final = 6
STT_GNU_IFUNC: Final = 10
STB_LOCAL: Final = 0
STB_GLOBAL: Final = 1
STB_WEAK: Final = 2
STB_GNU_UNIQUE: Final = 10

_SYM: Final = struct.Struct("<IBBHQQ")
_SHN_LORESERVE: Final = 0xFF00
_SHN_XINDEX: Final = 0xFFFF
_BUCKET: Final = 16
"""log2 of the bytes whose symbols are sorted at once: no single call holds the interpreter for long."""
_PLACED: Final = frozenset({STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON, STT_GNU_IFUNC})
_BINDINGS: Final = {STB_GLOBAL: 0, STB_GNU_UNIQUE: 0, STB_WEAK: 1}
_LOCAL: Final = 2
_UNTYPED: Final = 4
_LOOKED_AT: Final = 1 << 14
"""Symbols that a look-up passes by at most: those of a real file never are so many."""
_UNDERSCORE: Final = ord("_")
_MOST: Final = (1 << 64) - 1


class SymbolPart(NamedTuple):
    """One symbol table as it stands in a file."""

    symbols: bytes
    """Elf64_Syms."""
    strings: bytes


class Symbol(NamedTuple):
    """One symbol."""

    name: str
    """Bytes that are no UTF-8 as lone surrogates."""
    value: int
    """Its address before relocation."""
    size: int
    """Bytes; 0 if the file does not tell."""
    kind: int
    """STT_*."""


class SymbolTable:
    """Every symbol that has an address, by ascending address.

    Built in O(n log n) by `table_of`, without an object a symbol; a look-up costs O(log n), but for symbols that
    overlap. Sections, source files and thread-local variables are left out: they have no address of their own.
    """

    __slots__ = ("_infos", "_names", "_reach", "_sizes", "_starts", "_strings", "origin")

    def __init__(
        self, starts: "array[int]", sizes: "array[int]", names: "array[int]", infos: bytes, strings: bytes, origin: str
    ) -> None:
        self._starts, self._sizes, self._names = starts, sizes, names
        self._infos, self._strings = infos, strings
        self._reach = _reach(starts, sizes)
        self.origin = origin
        """Where they come from, in words."""

    def __len__(self) -> int:
        return len(self._starts)

    def nearest(self, address: int, *, low: int = 0) -> Symbol | None:
        """The symbol that holds `address`; if none does, the last that begins before it.

        Of several that hold it the one that begins last; of those the smallest,
        then global before weak before local, then malloc before __libc_malloc.

        Args:
            address: before relocation, bytes.
            low: symbols that begin below are not taken: the start of the section, say.
        """
        last = bisect_right(self._starts, address) - 1
        if last < 0 or self._starts[last] < low:
            return None
        start = self._holder(address, last, low)
        if start is None:
            start = self._starts[last]
        first = bisect_left(self._starts, start)
        rows = range(first, min(bisect_right(self._starts, start), first + _LOOKED_AT))
        return self._symbol(min(rows, key=lambda row: self._rank(row, address)))

    def _holder(self, address: int, last: int, low: int) -> int | None:
        """Where the innermost symbol that holds the address begins; looks back only as far as one can reach it."""
        for row in range(last, max(last - _LOOKED_AT, -1), -1):
            if self._reach[row] <= address or self._starts[row] < low:
                return None
            if self._starts[row] + self._sizes[row] > address:
                return self._starts[row]
        return None

    def _rank(self, row: int, address: int) -> tuple[bool, int, int, bool, int]:
        """The lower the better."""
        info, size = self._infos[row], self._sizes[row]
        holds = self._starts[row] + size > address
        rank = _BINDINGS.get(info >> 4, _LOCAL) + (_UNTYPED if info & 15 == STT_NOTYPE else 0)
        private = self._strings[self._names[row]] == _UNDERSCORE
        return not holds, size if holds else -size, rank, private, row

    def find(self, name: str) -> Symbol | None:
        """The symbol of this name, with or without its version ("environ@@GLIBC_2.2.5"); of several a global one.

        O(symbols + bytes of names), without making a name.
        """
        places = set(self._places_of(name.encode("utf-8", "surrogateescape")))
        # A name may also be the end of a longer one, so that only the columns tell whose it is.
        rows = [row for row, at in enumerate(self._names) if at in places] if places else []
        best = min(rows, key=lambda row: _BINDINGS.get(self._infos[row] >> 4, _LOCAL), default=None)
        return None if best is None else self._symbol(best)

    def _places_of(self, name: bytes) -> Iterator[int]:
        """Where in the strings the name stands with nothing, or a version, behind it."""
        at = -1
        while name and (at := self._strings.find(name, at + 1)) >= 0:
            if self._strings[at + len(name)] in b"\0@":
                yield at

    def _symbol(self, row: int) -> Symbol:
        at = self._names[row]
        end = self._strings.find(b"\0", at)
        name = self._strings[at : end if end >= 0 else len(self._strings)].decode("utf-8", "surrogateescape")
        return Symbol(name, self._starts[row], self._sizes[row], self._infos[row] & 15)

    def __iter__(self) -> Iterator[Symbol]:
        return map(self._symbol, range(len(self._starts)))


def table_of(parts: Iterable[SymbolPart], origin: str) -> SymbolTable:
    """One table of all the parts; what is no symbol with an address, or has no name in its strings, is left out."""
    starts, sizes, names, infos = array("Q"), array("Q"), array("L"), bytearray()
    strings = bytearray()
    for part in parts:
        _take(part, len(strings), (starts, sizes, names, infos))
        strings += part.strings + b"\0"
    order = _by_address(starts)
    return SymbolTable(
        array("Q", map(starts.__getitem__, order)),
        array("Q", map(sizes.__getitem__, order)),
        array("L", map(names.__getitem__, order)),
        bytes(map(infos.__getitem__, order)),
        bytes(strings),
        origin,
    )


def _take(part: SymbolPart, base: int, columns: "tuple[array[int], array[int], array[int], bytearray]") -> None:
    starts, sizes, names, infos = columns
    length, end = len(part.strings), len(part.symbols) // _SYM.size * _SYM.size
    placed = _PLACED
    for name, info, _other, shndx, value, size in _SYM.iter_unpack(memoryview(part.symbols)[:end]):
        if not shndx or info & 15 not in placed or not 0 < name < length:
            continue
        if shndx >= _SHN_LORESERVE and shndx != _SHN_XINDEX:
            continue
        starts.append(value)
        sizes.append(size)
        names.append(base + name)
        infos.append(info)


def _by_address(starts: "array[int]") -> "array[int]":
    """The rows by ascending start."""
    buckets: dict[int, list[int]] = {}
    for row, start in enumerate(starts):
        bucket = buckets.get(start >> _BUCKET)
        if bucket is None:
            buckets[start >> _BUCKET] = [row]
        else:
            bucket.append(row)
    order = array("L")
    for key in sorted(buckets):
        order.extend(sorted(buckets[key], key=starts.__getitem__))
    return order


def _reach(starts: "array[int]", sizes: "array[int]") -> "array[int]":
    """How far the symbols up to each row reach; addresses wrap nowhere."""
    reach, far = array("Q"), 0
    for start, size in zip(starts, sizes, strict=True):
        if start + size > far:
            far = min(start + size, _MOST)
        reach.append(far)
    return reach
