"""ELF64 files as `ElfImage`s: the only place that knows pyelftools."""

import os
import stat

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from memtui.model.elf import PF_X, ElfImage, Segment, Tls
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
    types = {"ET_EXEC": 2, "ET_DYN": 3}
    if elf["e_type"] not in types:
        raise ParseError(f"neither a program nor a library ({elf['e_type']})", file=path)
    loads: list[Segment] = []
    interp = tls = relro = soname = None
    needed: list[str] = []
    execstack = True
    for segment in elf.iter_segments():
        header = segment.header
        match header.p_type:
            case "PT_LOAD":
                loads.append(
                    Segment(
                        header.p_flags, header.p_offset, header.p_vaddr, header.p_filesz, header.p_memsz, header.p_align
                    )
                )
            case "PT_INTERP":
                interp = segment.get_interp_name()
            case "PT_TLS":
                tls = Tls(header.p_vaddr, header.p_memsz, header.p_align)
            case "PT_GNU_RELRO":
                relro = (header.p_vaddr, header.p_memsz)
            case "PT_GNU_STACK":
                execstack = bool(header.p_flags & PF_X)
            case "PT_DYNAMIC":
                for tag in segment.iter_tags():
                    if tag.entry.d_tag == "DT_NEEDED":
                        needed.append(tag.needed)
                    elif tag.entry.d_tag == "DT_SONAME":
                        soname = tag.soname
    return ElfImage(
        path=path,
        e_type=types[elf["e_type"]],
        entry=elf["e_entry"],
        loads=tuple(loads),
        interp=interp,
        execstack=execstack,
        relro=relro,
        tls=tls,
        soname=soname,
        needed=tuple(needed),
        phnum=elf["e_phnum"],
        phoff=elf["e_phoff"],
        set_id=set_id,
    )
