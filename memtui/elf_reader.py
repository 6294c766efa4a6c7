"""ELF64 files as `ElfImage`s: the only place that knows pyelftools."""

import os
import stat
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from memtui.model.elf import ET_DYN, ET_EXEC, PF_X, ElfImage, Segment, Tls
from memtui.model.errors import ParseError


def read_elf(path: str) -> ElfImage:
    """Read the headers of the file at `path`; links are followed.

    Raises:
        OSError: it cannot be read.
        ParseError: it is not an ELF64 x86-64 program or library.
    """
    with open(path, "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        try:
            elf = ELFFile(stream)
            if elf.elfclass != 64 or elf["e_machine"] != "EM_X86_64":
                raise ParseError("not an x86-64 ELF file", file=path)
            return _image(elf, path, set_id=bool(mode & (stat.S_ISUID | stat.S_ISGID)))
        except (ELFError, UnicodeDecodeError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ParseError(f"not a readable ELF file: {error}", file=path) from error


def _image(elf: ELFFile, path: str, *, set_id: bool) -> ElfImage:
    types = {"ET_EXEC": ET_EXEC, "ET_DYN": ET_DYN}
    if elf["e_type"] not in types:
        raise ParseError(f"neither a program nor a library ({elf['e_type']})", file=path)
    segments: dict[str, list[Any]] = {}
    for segment in elf.iter_segments():
        segments.setdefault(segment["p_type"], []).append(segment)

    def first(p_type: str) -> Any:
        return segments.get(p_type, [None])[0]

    interp, tls, relro, stack = (first(name) for name in ("PT_INTERP", "PT_TLS", "PT_GNU_RELRO", "PT_GNU_STACK"))
    tags = list(first("PT_DYNAMIC").iter_tags()) if "PT_DYNAMIC" in segments else []
    return ElfImage(
        path=path,
        e_type=types[elf["e_type"]],
        entry=elf["e_entry"],
        loads=tuple(_load(segment) for segment in segments.get("PT_LOAD", [])),
        interp=interp.get_interp_name() if interp else None,
        execstack=bool(stack["p_flags"] & PF_X) if stack else True,
        gnu_stack=stack is not None,
        relro=(relro["p_vaddr"], relro["p_memsz"]) if relro else None,
        tls=Tls(tls["p_vaddr"], tls["p_memsz"], tls["p_align"]) if tls else None,
        soname=next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None),
        needed=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        phnum=elf["e_phnum"],
        phoff=elf["e_phoff"],
        set_id=set_id,
    )


def _load(segment: Any) -> Segment:
    fields = ("p_flags", "p_offset", "p_vaddr", "p_filesz", "p_memsz", "p_align")
    return Segment(*(segment[name] for name in fields))
