"""Symbols held against nm and addr2line of binutils, on the files of this machine and on small ones made here."""

import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from memtui.elf_reader import read_elf, read_symbols
from memtui.model.errors import ParseError
from memtui.model.symbols import STT_FUNC, SymbolTable
from tests.elf_reader.elves import needs_binutils, output, real_files

ADDRESSES = 300
"""Compared a file."""
LINE = re.compile(r"^([0-9a-f]{16})(?: ([0-9a-f]{16}))? (\S) (\S+)(?: \S+)?$")


def nm(path: Path | str, *options: str) -> list[tuple[int, int, str, str]]:
    """What nm lists, without what has no address of its own: absolute and thread-local symbols."""
    rows = []
    local = tls(path)
    for line in output("nm", "-S", *options, path).splitlines():
        match = LINE.match(line)
        if match and match[3] not in "aANU" and match[4].partition("@")[0] not in local:
            rows.append((int(match[1], 16), int(match[2] or "0", 16), match[3], match[4].partition("@")[0]))
    return rows


def tls(path: Path | str) -> set[str]:
    rows = re.findall(r" TLS +\w+ +\w+ +\w+ (\S+)", output("readelf", "-sW", path))
    return {row.partition("@")[0] for row in rows}


def table(path: Path) -> SymbolTable | None:
    try:
        return read_symbols(str(path), read_elf(str(path)))
    except ParseError:
        return None


def expected(rows: Iterable[tuple[int, int, str, str]], address: int) -> set[str]:
    """Who may be named: the innermost that hold the address, else the last that begin before it."""
    holding = [row for row in rows if row[0] <= address < row[0] + row[1]]
    if holding:
        start = max(row[0] for row in holding)
        size = min(row[1] for row in holding if row[0] == start)
        return {row[3] for row in holding if row[:2] == (start, size)}
    start = max((row[0] for row in rows if row[0] <= address), default=-1)
    return {row[3] for row in rows if row[0] == start}


@needs_binutils
@pytest.mark.parametrize("path", real_files(12), ids=lambda path: path.name)
def test_nearest_symbols_are_those_of_nm(path: Path):
    symbols = table(path)
    source = path if symbols is None or not symbols.origin.startswith("/") else Path(symbols.origin)
    listed = nm(source) if symbols is not None and symbols.origin != ".dynsym" else nm(path, "-D")
    if symbols is None:
        assert listed == []
        return
    hidden = tls(source)
    names = {(symbol.value, symbol.name.partition("@")[0]) for symbol in symbols}
    assert {row for row in names if row[1] not in hidden} == {(row[0], row[3]) for row in listed}
    places = random.Random(path.name).choices(listed, k=ADDRESSES)
    for start, size, _, _ in places:
        address = start + random.Random(start).randrange(max(size * 5 // 4, 1))
        found = symbols.nearest(address)
        assert found is not None
        assert found.name.partition("@")[0] in expected(listed, address), hex(address)
        assert found.value <= address


@needs_binutils
@pytest.mark.parametrize("path", real_files(12), ids=lambda path: path.name)
def test_every_name_of_nm_is_found(path: Path):
    symbols = table(path)
    if symbols is None or symbols.origin != ".dynsym":
        return
    by_name: dict[str, set[int]] = {}
    for start, _, _, name in nm(path, "-D"):
        by_name.setdefault(name, set()).add(start)
    for name in random.Random(5).sample(sorted(by_name), min(ADDRESSES, len(by_name))):
        found = symbols.find(name)
        assert found is not None, name
        assert found.value in by_name[name]
        assert symbols.find(name + "?") is None


@needs_binutils
@pytest.mark.parametrize("path", real_files(3, seed=9), ids=lambda path: path.name)
def test_functions_are_those_of_addr2line(path: Path):
    symbols = table(path)
    if symbols is None:
        return
    source = Path(symbols.origin) if symbols.origin.startswith("/") else path
    functions = [symbol for symbol in symbols if symbol.kind == STT_FUNC and symbol.size > 4]
    places = [
        symbol.value + symbol.size // 2 for symbol in random.Random(3).sample(functions, min(ADDRESSES, len(functions)))
    ]
    if not places:
        return
    lines = output("addr2line", "-fe", source, *(f"{place:#x}" for place in places)).splitlines()
    for place, name in zip(places, lines[::2], strict=True):
        holding = {symbol.name.partition("@")[0] for symbol in functions if 0 <= place - symbol.value < symbol.size}
        found = symbols.nearest(place)
        assert found is not None
        assert found.name.partition("@")[0] in holding
        # From the line table addr2line knows also what was inlined, which is no symbol.
        assert name in holding or symbols.find(name) is None or source != path
