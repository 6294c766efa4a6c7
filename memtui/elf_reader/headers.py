"""The headers of an ELF64 file as an `ElfImage`.

Read as fs/binfmt_elf.c (6.18) does: what the kernel does not look at may be damaged. Tables, which may have thousands
of rows, are unpacked at once; pyelftools, which is slow to import, names only what is foreign.
"""

import os
import stat
import struct
from typing import BinaryIO, Final, NamedTuple

from memtui.elf_reader.bounded import Bounded, open_regular, text_at
from memtui.elf_reader.dynamic import Dynamic, read_dynamic
from memtui.elf_reader.linking import read_linking
from memtui.elf_reader.notes import build_id
from memtui.model.elf import (
    ET_DYN,
    ET_EXEC,
    PF_X,
    SHT_NOBITS,
    DebugLink,
    ElfImage,
    ProgramHeader,
    Section,
    Segment,
    Tls,
)
from memtui.model.errors import ParseError

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_PATH_MAX: Final = 4096
_HEADERS_MOST: Final = 65536
"""Bytes of program headers that exec takes (load_elf_phdrs)."""
_SECTIONS_MOST: Final = 1 << 16
_NAMES_MOST: Final = 16 << 20
_EXTENDED: Final = 0xFFFF
"""SHN_XINDEX: the index stands in the first section header."""
_NAMES: Final = {
    **dict(enumerate(["PT_NULL", "PT_LOAD", "PT_DYNAMIC", "PT_INTERP", "PT_NOTE", "PT_SHLIB", "PT_PHDR", "PT_TLS"])),
    0x6474E550: "PT_GNU_EH_FRAME",
    0x6474E551: "PT_GNU_STACK",
    0x6474E552: "PT_GNU_RELRO",
    0x6474E553: "PT_GNU_PROPERTY",
    0x6474E554: "PT_GNU_SFRAME",
}


class _Header(NamedTuple):
    """Elf64_Ehdr."""

    ident: bytes
    e_type: int
    e_machine: int
    e_version: int
    e_entry: int
    e_phoff: int
    e_shoff: int
    e_flags: int
    e_ehsize: int
    e_phentsize: int
    e_phnum: int
    e_shentsize: int
    e_shnum: int
    e_shstrndx: int


def read_elf(path: str) -> ElfImage:
    """Read the headers of the file at `path`; links are followed.

    Raises:
        OSError: it cannot be read.
        ParseError: it is not an ELF64 x86-64 program or library, in one line.
    """
    with open_regular(path) as stream:
        mode = os.fstat(stream.fileno()).st_mode
        return parse_elf(stream, path, set_id=bool(mode & (stat.S_ISUID | stat.S_ISGID)))


def parse_elf(stream: BinaryIO, path: str, *, set_id: bool = False) -> ElfImage:
    """The headers of an ELF file that is open, or in memory.

    Args:
        stream: the file from its start; it can seek.
        path: what it is called.
        set_id: whether it is set-uid or set-gid.

    Raises:
        ParseError: it is not an ELF64 x86-64 program or library.
    """
    file = Bounded(stream)
    header = _header(file, path)
    segments = _segments(file, header, path)
    unknown: dict[str, str] = {}
    sections = _sections(file, header, unknown)
    dynamic = read_dynamic(file, segments, unknown)
    return _image(file, header, segments, sections, dynamic, unknown)._replace(path=path, set_id=set_id)


def _header(file: Bounded, path: str) -> _Header:
    """The ELF header, short ones padded with zeros as exec does."""
    data = file.read(0, _EHDR.size)
    if data[:4] != b"\x7fELF":
        raise ParseError("not an ELF file", file=path)
    header = _Header(*_EHDR.unpack(data.ljust(_EHDR.size, b"\0")))
    foreign = _foreign(data, header)
    if foreign:
        raise ParseError(f"not an x86-64 ELF file: {foreign}", file=path)
    if header.e_type not in (ET_EXEC, ET_DYN):
        from memtui.elf_reader.foreign import type_name

        raise ParseError(f"not a program or library, but ELF type {type_name(header.e_type)}", file=path)
    return header


def _foreign(data: bytes, header: _Header) -> str:
    """What machine the file is for if that is another one, in words; class and byte order exec does not look at."""
    wide, big = data[4:5] != b"\1", data[5:6] == b"\2"
    machine = data[18:20].ljust(2, b"\0")
    if machine != b"\x3e\0":
        from memtui.elf_reader.foreign import machine_name

        order = ", big-endian" if big else ""
        name = machine_name(int.from_bytes(machine, "big" if big else "little"))
        return f"ELF{64 if wide else 32}{order} for {name}"
    if not wide and header.e_phentsize != _PHDR.size:
        return "ELF32 for x86-64 (x32)"
    return ""


def _segments(file: Bounded, header: _Header, path: str) -> tuple[ProgramHeader, ...]:
    """load_elf_phdrs()."""
    count, offset = header.e_phnum, header.e_phoff
    if header.e_phentsize != _PHDR.size:
        raise ParseError("not a readable ELF file: its program headers have another size", file=path)
    if not 0 < count * _PHDR.size <= _HEADERS_MOST:
        raise ParseError(f"not a readable ELF file: {count} program headers", file=path)
    data = file.read(offset, count * _PHDR.size)
    if len(data) != count * _PHDR.size:
        raise ParseError("not a readable ELF file: it ends before its program headers do", file=path)
    return tuple(
        ProgramHeader(_NAMES.get(kind, f"{kind:#x}"), flags, offset, vaddr, filesz, memsz, align)
        for kind, flags, offset, vaddr, _paddr, filesz, memsz, align in _PHDR.iter_unpack(data)
    )


def _sections(file: Bounded, header: _Header, unknown: dict[str, str]) -> tuple[Section, ...]:
    """The section headers; nothing needs them to run, so that they may be missing or nonsense."""
    offset, count, names_at = header.e_shoff, header.e_shnum, header.e_shstrndx
    if not offset:
        unknown["sections"] = "it has no section headers"
        return ()
    if header.e_shentsize != _SHDR.size:
        unknown["sections"] = "its section headers have another size"
        return ()
    first = file.read(offset, _SHDR.size)
    if len(first) < _SHDR.size:
        unknown["sections"] = "it ends before its section headers"
        return ()
    numbers = _SHDR.unpack(first)
    count = count or numbers[5]
    names_at = numbers[6] if names_at == _EXTENDED else names_at
    if not 0 < count <= _SECTIONS_MOST or file.size < offset + count * _SHDR.size:
        unknown["sections"] = f"{count} section headers do not fit in it"
        return ()
    rows = list(_SHDR.iter_unpack(file.read(offset, count * _SHDR.size)))
    names = file.read(rows[names_at][4], min(rows[names_at][5], _NAMES_MOST)) if names_at < len(rows) else b""
    return tuple(
        Section(text_at(names, name), kind, flags, addr, offset, size, link, entsize)
        for name, kind, flags, addr, offset, size, link, _info, _align, entsize in rows[1:]
    )


def _image(
    file: Bounded,
    header: _Header,
    segments: tuple[ProgramHeader, ...],
    sections: tuple[Section, ...],
    dynamic: Dynamic,
    unknown: dict[str, str],
) -> ElfImage:
    def first(p_type: str) -> ProgramHeader | None:
        return next((segment for segment in segments if segment.type == p_type), None)

    tls, relro, stack = (first(name) for name in ("PT_TLS", "PT_GNU_RELRO", "PT_GNU_STACK"))
    interp, interp_errno = _interp(file, first("PT_INTERP"))
    return ElfImage(
        path="",
        e_type=header.e_type,
        entry=header.e_entry,
        loads=tuple(Segment(*segment[1:]) for segment in segments if segment.type == "PT_LOAD"),
        interp=interp,
        execstack=bool(stack.flags & PF_X) if stack else True,
        gnu_stack=stack is not None,
        relro=(relro.vaddr, relro.memsz) if relro else None,
        tls=Tls(tls.vaddr, tls.memsz, tls.align) if tls else None,
        soname=dynamic.soname,
        needed=dynamic.needed,
        phnum=header.e_phnum,
        phoff=header.e_phoff,
        segments=segments,
        sections=sections,
        build_id=build_id(file, segments, sections),
        debuglink=_debuglink(file, sections),
        rpath=dynamic.rpath,
        runpath=dynamic.runpath,
        flags=dynamic.flags,
        flags_1=dynamic.flags_1,
        ident=header.ident,
        interp_errno=interp_errno,
        unknown=unknown,
        linking=read_linking(file, segments),
    )


def _interp(file: Bounded, segment: ProgramHeader | None) -> tuple[str | None, str]:
    """The interpreter's path, or what execve fails with (load_elf_binary)."""
    if segment is None:
        return None, ""
    if not 2 <= segment.filesz <= _PATH_MAX:
        return None, "ENOEXEC"
    data = file.read(segment.offset, segment.filesz)
    if len(data) != segment.filesz:
        return None, "EIO"
    if data[-1]:
        return None, "ENOEXEC"
    return text_at(data, 0), ""


def _debuglink(file: Bounded, sections: tuple[Section, ...]) -> DebugLink | None:
    """A name, zeros up to a multiple of four, a CRC-32."""
    section = next((section for section in sections if section.name == ".gnu_debuglink"), None)
    if section is None or section.type == SHT_NOBITS:
        return None
    data = file.read(section.offset, min(section.size, _PATH_MAX))
    name = text_at(data, 0)
    at = len(data.partition(b"\0")[0]) + 4 & -4
    if not name or "/" in name or at + 4 > len(data):
        return None
    return DebugLink(name, int.from_bytes(data[at : at + 4], "little"))
