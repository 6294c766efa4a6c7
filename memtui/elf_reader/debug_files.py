"""Where a file's symbols are: in it, in a separate debug file, or packed in .gnu_debugdata."""

import io
import lzma
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from memtui.elf_reader import symbol_cache
from memtui.elf_reader.bounded import Bounded, open_regular
from memtui.elf_reader.dynamic import dynamic_symbols
from memtui.elf_reader.headers import parse_elf
from memtui.model.elf import SHT_NOBITS, ElfImage, Section
from memtui.model.errors import ParseError
from memtui.model.symbols import SymbolPart, SymbolTable, table_of

DEBUG_FOLDER: Final = "/usr/lib/debug"
_SHT_SYMTAB: Final = 2
_SHT_DYNSYM: Final = 11
_SHF_COMPRESSED: Final = 0x800
_UNPACKED_MOST: Final = 64 << 20
"""Bytes that .gnu_debugdata may have when unpacked."""
_CHUNK: Final = 1 << 20
_SYMBOL: Final = 24


def read_symbols(path: str, image: ElfImage, *, name: str | None = None, root: str = "") -> SymbolTable:
    """The fullest table of symbols that there is of a file.

    .symtab; if the file is stripped of it that of the debug file which its build id or its .gnu_debuglink names; else
    .gnu_debugdata and .dynsym together.

    Args:
        path: what to open.
        image: its headers.
        name: the path by which its process knows it, which .gnu_debuglink is relative to; None: `path`.
        root: what to put before the paths of debug files: the root of a process in a container.

    Raises:
        OSError: the file cannot be read.
        ParseError: "no symbols", and why.
    """
    with open_regular(path) as stream:
        return symbols_in(stream, image, _debug_files(image, name or path, root))


def symbols_in(stream: BinaryIO, image: ElfImage, debug_files: Iterable[str] = ()) -> SymbolTable:
    """The same of a file that is open, or in memory."""
    file = Bounded(stream)
    whole = _symtab(stream, image, ".symtab")
    if whole is not None:
        return whole
    for debug_file in debug_files:
        whole = _debug_table(debug_file, image)
        if whole is not None:
            return whole
    packed = _debugdata(file, image)
    dynamic = _table(file, image, _SHT_DYNSYM) or _dynamic(file, image)
    parts = [found for found in (packed, dynamic) if found is not None]
    origin = " and ".join(
        text for text, found in ((".gnu_debugdata", packed), (".dynsym", dynamic)) if found is not None
    )
    return _named(parts, origin, image)


def _named(parts: list[SymbolPart], origin: str, image: ElfImage) -> SymbolTable:
    table = table_of(parts, origin)
    if not table:
        reason = image.unknown.get("sections", "it is stripped, and there is no debug file for it")
        raise ParseError(f"no symbols: {reason}", file=image.path)
    return table


def _symtab(stream: BinaryIO, image: ElfImage, origin: str) -> SymbolTable | None:
    """The .symtab of a file, from the cache if it is a large one."""
    found = _sections(image, _SHT_SYMTAB)
    if found is None:
        return None
    file, (symbols, strings) = Bounded(stream), found
    key = symbol_cache.key_of(stream, image, *found) if symbols.size >= symbol_cache.SMALLEST * _SYMBOL else ""
    columns = symbol_cache.load(key) if key else None
    if columns is not None:
        return SymbolTable(columns, _content(file, strings), origin)
    part = _table(file, image, _SHT_SYMTAB)
    if part is None:
        return None
    table = _named([part], origin, image)
    if key:
        symbol_cache.store(key, table.columns)
    return table


def _sections(image: ElfImage, kind: int) -> tuple[Section, Section] | None:
    """The symbol table of this type, and the strings that it refers to."""
    section = next((section for section in image.sections if section.type == kind), None)
    if section is None or section.flags & _SHF_COMPRESSED or not 0 < section.link <= len(image.sections):
        return None
    return section, image.sections[section.link - 1]


def _table(file: Bounded, image: ElfImage, kind: int) -> SymbolPart | None:
    """The bytes of the symbol table of this type, and of its strings."""
    found = _sections(image, kind)
    symbols = _content(file, found[0]) if found is not None else b""
    return SymbolPart(symbols, _content(file, found[1])) if found is not None and symbols else None


def _content(file: Bounded, section: Section) -> bytes:
    return b"" if section.type == SHT_NOBITS else file.read(section.offset, section.size)


def _dynamic(file: Bounded, image: ElfImage) -> SymbolPart | None:
    found = dynamic_symbols(file, image.segments)
    return None if found is None or not found[0] else SymbolPart(*found)


def _debugdata(file: Bounded, image: ElfImage) -> SymbolPart | None:
    """.gnu_debugdata, "MiniDebugInfo": the .symtab of an ELF file that is packed with xz; None if it is not one."""
    section = next((section for section in image.sections if section.name == ".gnu_debugdata"), None)
    if section is None:
        return None
    try:
        unpacked = io.BytesIO(_unpacked(_content(file, section)))
        return _table(Bounded(unpacked), parse_elf(unpacked, image.path), _SHT_SYMTAB)
    except (lzma.LZMAError, ParseError):
        return None


def _unpacked(packed: bytes) -> bytes:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_UNPACKED_MOST)
    pieces, size = [decompressor.decompress(packed, _CHUNK)], 0
    while not decompressor.eof and size < _UNPACKED_MOST:
        piece = decompressor.decompress(b"", _CHUNK)
        if not piece and decompressor.needs_input:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _debug_files(image: ElfImage, name: str, root: str) -> Iterator[str]:
    """The debug files that may belong to the file, in gdb's order."""
    if len(image.build_id) > 1:
        digits = image.build_id.hex()
        yield f"{root}{DEBUG_FOLDER}/.build-id/{digits[:2]}/{digits[2:]}.debug"
    if image.debuglink is not None:
        folder = os.path.dirname(name)
        for place in (folder, f"{folder}/.debug", f"{DEBUG_FOLDER}{folder}"):
            yield f"{root}{place}/{image.debuglink.name}"


def _debug_table(path: str, image: ElfImage) -> SymbolTable | None:
    """The .symtab of a debug file; None if there is no such file, or if it belongs to another build."""
    try:
        with open_regular(path) as stream:
            debug = parse_elf(stream, path)
            if not _belongs(stream, debug, image):
                return None
            return _symtab(stream, debug, path)
    except (OSError, ParseError):
        return None


def _belongs(stream: BinaryIO, debug: ElfImage, image: ElfImage) -> bool:
    """By the build id; of files without one by the checksum."""
    if image.build_id or debug.build_id:
        return debug.build_id == image.build_id
    if image.debuglink is None:
        return False
    crc = 0
    stream.seek(0)
    while chunk := stream.read(_CHUNK):
        crc = zlib.crc32(chunk, crc)
    return crc == image.debuglink.crc
