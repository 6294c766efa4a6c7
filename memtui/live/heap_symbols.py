"""Symbols of an ELF64 file, and the file of its debug symbols: just what is needed to find a few names fast."""

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

DEBUG_FOLDERS: Final = ("/usr/lib/debug",)
"""Where distributions put separate debug files, below them .build-id/."""

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_SYM: Final = struct.Struct("<IBBHQQ")
_SHT_SYMTAB, _SHT_NOTE, _SHT_DYNSYM = 2, 7, 11
_PT_LOAD, _PT_TLS = 1, 7
_NT_GNU_BUILD_ID: Final = 3


class _Section(NamedTuple):
    type: int
    offset: int
    size: int
    link: int


class ElfFile:
    """An open ELF64 file. A file that is none has no sections.

    Args:
        data: its bytes.
    """

    def __init__(self, data: "mmap.mmap | bytes") -> None:
        self.data = data
        self.first_vaddr = 0
        """Of the first PT_LOAD, at a page."""
        self.tls_size, self.tls_align = 0, 1
        """Of PT_TLS."""
        self._sections: list[_Section] = []
        if data[:5] == b"\x7fELF\x02" and len(data) >= _EHDR.size:
            try:
                self._read()
            except (struct.error, IndexError, OverflowError):
                self._sections = []

    def _read(self) -> None:
        fields = _EHDR.unpack_from(self.data)
        phoff, shoff, phnum, shnum = fields[5], fields[6], fields[10], fields[12]
        loads = []
        for nth in range(phnum):
            p_type, _, _, vaddr, _, _, memsz, align = _PHDR.unpack_from(self.data, phoff + nth * _PHDR.size)
            if p_type == _PT_LOAD:
                loads.append(vaddr)
            elif p_type == _PT_TLS:
                self.tls_size, self.tls_align = memsz, max(align, 1)
        self.first_vaddr = min(loads, default=0) & -4096
        for nth in range(shnum):
            found = _SHDR.unpack_from(self.data, shoff + nth * _SHDR.size)
            self._sections.append(_Section(found[1], found[4], found[5], found[6]))

    @property
    def build_id(self) -> str | None:
        """In hex."""
        for section in self._sections:
            if section.type == _SHT_NOTE and 16 <= section.size <= len(self.data) - section.offset:
                namesz, descsz, kind = struct.unpack_from("<3I", self.data, section.offset)
                if kind == _NT_GNU_BUILD_ID and namesz == 4:
                    start = section.offset + 16
                    return bytes(self.data[start : start + descsz]).hex()
        return None

    def symbols(self, names: Iterable[str]) -> Mapping[str, int]:
        """The values of those names that the file defines, local ones too."""
        found: dict[str, int] = {}
        for section in self._sections:
            if section.type in (_SHT_SYMTAB, _SHT_DYNSYM) and section.link < len(self._sections):
                strings = self._sections[section.link]
                if strings.offset > len(self.data) or section.offset > len(self.data):
                    continue
                wanted = {place: name for name in names for place in self._places(strings, name)}
                if wanted:
                    table = memoryview(self.data)[section.offset : section.offset + section.size]
                    with table:
                        for name_at, _, _, shndx, value, _ in _SYM.iter_unpack(
                            table[: len(table) // _SYM.size * _SYM.size]
                        ):
                            if name_at in wanted and shndx:
                                found.setdefault(wanted[name_at], value)
        return found

    def names(self, prefixes: Iterable[str]) -> frozenset[str]:
        """Which of these the string tables of symbols hold as whole names."""
        tables = [self._sections[s.link] for s in self._sections if s.type in (_SHT_SYMTAB, _SHT_DYNSYM)]
        return frozenset(name for name in prefixes if any(any(True for _ in self._places(t, name)) for t in tables))

    def _places(self, strings: _Section, name: str) -> Iterator[int]:
        """Where a name stands in a string table; tails of longer names are shared with it (ld -O2)."""
        pattern, end = name.encode() + b"\0", strings.offset + strings.size
        at = self.data.find(pattern, strings.offset, end)
        while at >= 0:
            yield at - strings.offset
            at = self.data.find(pattern, at + 1, end)


@contextmanager
def opened_elf(path: str) -> Iterator[ElfFile | None]:
    """The file at `path`; None if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        data = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        yield None
        return
    finally:
        os.close(fd)
    with data:
        yield ElfFile(data)


def debug_symbols(build_id: str | None, names: Iterable[str]) -> Mapping[str, int]:
    """The values of names in the separate debug file of this build; {} if there is none."""
    if build_id is None or len(build_id) < 4:
        return {}
    for folder in DEBUG_FOLDERS:
        with opened_elf(f"{folder}/.build-id/{build_id[:2]}/{build_id[2:]}.debug") as elf:
            if elf is not None:
                return elf.symbols(names)
    return {}
