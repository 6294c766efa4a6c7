"""The symbols of one ELF file by address: columns of numbers, names cut out when asked for."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import partial, reduce
from itertools import compress
from operator import add, or_
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

_SYM: Final = 24
"""sizeof(Elf64_Sym): st_name 4, st_info 1, st_other 1, st_shndx 2, st_value 8, st_size 8."""
BLOCK: Final = 64
"""Rows of which is known how far they reach."""
_PIECE: Final = 1 << 14
"""Symbols that are worked on at once: no single call holds the interpreter for long."""
_SAMPLES: Final = 64
"""Of a piece, the symbols that tell where the table can be cut into equal parts."""
_HAVE_PLACE: Final = frozenset({STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON, STT_GNU_IFUNC})
_PLACED: Final = bytes(info & 15 in _HAVE_PLACE for info in range(256))
_NOT_0: Final = bytes(byte != 0 for byte in range(256))
_NOT_FF: Final = bytes(byte != 0xFF for byte in range(256))
_IS_FF: Final = bytes(byte == 0xFF for byte in range(256))
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


class Columns:
    """The numbers of a table, a row a symbol, by ascending address; and a figure for each `BLOCK` rows."""

    __slots__ = ("infos", "names", "reach", "sizes", "starts")

    def __init__(self) -> None:
        self.starts, self.sizes = array("Q"), array("Q")
        """st_value, and bytes."""
        self.names, self.infos = array("I"), array("B")
        """Where in the strings each name begins, and st_info."""
        self.reach = array("Q")
        """How far the symbols up to the end of each block reach: the highest end of any."""

    @staticmethod
    def lengths(rows: int) -> tuple[int, ...]:
        """How many numbers each column of a table of so many rows has."""
        return rows, rows, rows, rows, -(-rows // BLOCK)

    def __iter__(self) -> "Iterator[array[int]]":
        return iter((self.starts, self.sizes, self.names, self.infos, self.reach))


class SymbolTable:
    """Every symbol that has an address, by ascending address.

    Built in O(n log n) by `table_of`, without an object a symbol; a look-up costs O(log n), but for symbols that
    overlap. Sections, source files and thread-local variables are left out: they have no address of their own.
    """

    __slots__ = ("_infos", "_names", "_reach", "_sizes", "_starts", "_strings", "columns", "origin")

    def __init__(self, columns: Columns, strings: bytes, origin: str) -> None:
        self.columns = columns
        self._starts, self._sizes, self._names, self._infos, self._reach = columns
        self._strings = strings
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
            if self._reach[row // BLOCK] <= address or self._starts[row] < low:
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
            if self._strings[at + len(name) : at + len(name) + 1] in (b"", b"\0", b"@"):
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
    starts, sizes, names, infos, strings = list[int](), list[int](), list[int](), list[int](), b""
    for part in parts:
        for low in range(0, len(part.symbols) // _SYM * _SYM, _PIECE * _SYM):
            piece = _Piece(part.symbols[low : low + _PIECE * _SYM], len(part.strings))
            starts += compress(piece.values, piece.chosen)
            sizes += compress(piece.sizes, piece.chosen)
            named = compress(piece.names, piece.chosen)
            names += map(partial(add, len(strings) + 1), named) if strings else named
            infos += compress(piece.infos, piece.chosen)
        strings = strings + b"\0" + part.strings if strings else part.strings
    columns, order = Columns(), _by_address(starts)
    for low in range(0, len(order), _PIECE):
        rows = order[low : low + _PIECE]
        for column, unsorted in zip(columns, (starts, sizes, names, infos), strict=False):
            column.extend(array(column.typecode, [unsorted[row] for row in rows]))
        _append_reach(columns, low)
    return SymbolTable(columns, strings, origin)


class _Piece:
    """Some Elf64_Syms of a table, column by column: no Python code runs for a single one.

    Args:
        symbols: they, and perhaps some bytes more.
        length: of the strings.
    """

    def __init__(self, symbols: bytes, length: int) -> None:
        self._symbols = symbols[: len(symbols) // _SYM * _SYM]
        words = array("Q", self._symbols)
        self.names = array("I", self._symbols)[:: _SYM // 4]
        self.infos = self._byte(4)
        self.values, self.sizes = words[1::3], words[2::3]
        self.chosen = self._placed()
        """1 for each that has an address and a name, else 0."""
        if max(compress(self.names, self.chosen), default=0) >= length:
            pairs = zip(self.chosen, self.names, strict=True)
            self.chosen = bytes(one and name < length for one, name in pairs)

    def _placed(self) -> bytes:
        """A type with an address, a name, and a section: st_shndx is neither 0 nor reserved, but for SHN_XINDEX."""
        low, high = self._byte(6), self._byte(7)
        named = reduce(or_, (_bits(self._byte(place), _NOT_0) for place in range(4)))
        section = (_bits(low, _NOT_0) | _bits(high, _NOT_0)) & (_bits(high, _NOT_FF) | _bits(low, _IS_FF))
        chosen = _bits(self.infos, _PLACED) & named & section
        return chosen.to_bytes(len(self.infos), "little")

    def _byte(self, offset: int) -> bytes:
        return self._symbols[offset::_SYM]


def _bits(column: bytes, table: bytes) -> int:
    """A column of bytes as one number of as many bytes, each of which the table has made 0 or 1."""
    return int.from_bytes(column.translate(table), "little")


def _by_address(starts: list[int]) -> list[int]:
    """The rows by ascending start."""
    count, at = len(starts), starts.__getitem__
    pieces = [sorted(range(low, min(low + _PIECE, count)), key=at) for low in range(0, count, _PIECE)]
    if len(pieces) < 2:
        return pieces[0] if pieces else []
    sample = sorted(starts[:: _PIECE // _SAMPLES])
    order, done = list[int](), [0] * len(pieces)
    for limit in (*sample[_SAMPLES::_SAMPLES], None):
        rows = list[int]()
        for number, piece in enumerate(pieces):
            end = len(piece) if limit is None else bisect_left(piece, limit, done[number], key=at)
            rows += piece[done[number] : end]
            done[number] = end
        rows.sort(key=at)
        order += rows
    return order


def _append_reach(columns: Columns, low: int) -> None:
    """How far the symbols up to each block from row `low` on reach; addresses wrap nowhere."""
    far, ends = columns.reach[-1] if columns.reach else 0, list(map(add, columns.starts[low:], columns.sizes[low:]))
    for first in range(0, len(ends), BLOCK):
        far = min(max(far, *ends[first : first + BLOCK]), _MOST)
        columns.reach.append(far)
