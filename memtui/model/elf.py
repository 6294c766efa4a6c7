"""What exec, the dynamic linker and a reader of addresses take from an ELF file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from memtui.model.elf_dynamic import Dynamic

PF_X: Final = 1
PF_W: Final = 2
PF_R: Final = 4
ET_EXEC: Final = 2
ET_DYN: Final = 3
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4
SHF_TLS: Final = 0x400
SHT_NOBITS: Final = 8
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Segment(NamedTuple):
    """One program header of type PT_LOAD; all but flags in bytes."""

    flags: int
    """PF_R | PF_W | PF_X."""
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


class Tls(NamedTuple):
    """PT_TLS, bytes."""

    vaddr: int
    memsz: int
    align: int


class ProgramHeader(NamedTuple):
    """One program header of any type; all but type and flags in bytes."""

    type: str
    """As elf.h spells it: "PT_LOAD", "PT_GNU_RELRO"; "0x6fffeeee" if it has no name."""
    flags: int
    """PF_R | PF_W | PF_X."""
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


class Section(NamedTuple):
    """One section header; sizes and places in bytes."""

    name: str
    type: int
    """SHT_*."""
    flags: int
    """SHF_*."""
    addr: int
    """Where it lies once loaded; without meaning unless SHF_ALLOC is set."""
    offset: int
    """In the file."""
    size: int
    link: int = 0
    entsize: int = 0

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.addr + self.size

    @property
    def in_memory(self) -> bool:
        """Whether a loaded object has bytes of it: .tbss takes no room, each thread has its own."""
        return bool(self.flags & SHF_ALLOC) and not (self.flags & SHF_TLS and self.type == SHT_NOBITS)


class DebugLink(NamedTuple):
    """.gnu_debuglink: the file that holds the symbols that were stripped."""

    name: str
    crc: int
    """CRC-32 of that whole file."""


class ElfImage(NamedTuple):
    """The facts of one ELF64 x86-64 file."""

    path: str
    e_type: int
    """ET_EXEC or ET_DYN."""
    entry: int
    loads: tuple[Segment, ...]
    """PT_LOADs by ascending vaddr."""
    interp: str | None = None
    """PT_INTERP."""
    execstack: bool = False
    """PT_GNU_STACK with PF_X, or no PT_GNU_STACK at all."""
    relro: tuple[int, int] | None = None
    """PT_GNU_RELRO: vaddr, memsz."""
    tls: Tls | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    """DT_NEEDED in order."""
    phnum: int = 0
    phoff: int = 0
    set_id: bool = False
    """Set-uid or set-gid file: exec switches ASLR on for it."""
    gnu_stack: bool = True
    """Whether there is a PT_GNU_STACK: without one it is the dynamic linker that makes the stack executable, not
    exec."""
    segments: tuple[ProgramHeader, ...] = ()
    """Every program header in the order of the file; () if it was not told."""
    sections: tuple[Section, ...] = ()
    """Every section header but the first in the order of the file; () if unknown["sections"] says why."""
    build_id: bytes = b""
    """NT_GNU_BUILD_ID; b"" if there is none."""
    debuglink: DebugLink | None = None
    rpath: str | None = None
    runpath: str | None = None
    flags: int = 0
    """DT_FLAGS."""
    flags_1: int = 0
    """DT_FLAGS_1."""
    ident: bytes = b""
    """e_ident, 16 bytes: exec looks at the first four only, the dynamic linker at all."""
    interp_errno: str = ""
    """What execve fails with because PT_INTERP holds no name: "ENOEXEC", "EIO"; "" if it holds one, or is not there."""
    unknown: Mapping[str, str] = _NOTHING
    """What could not be had of the file -> why: "sections", "dynamic"."""
    linking: Dynamic | None = None
    """PT_DYNAMIC as the dynamic linker reads it; None: there is none, or it cannot be read."""

    @property
    def dynamic(self) -> int | None:
        """Address of PT_DYNAMIC before relocation; None: a static program."""
        return next((header.vaddr for header in self.segments if header.type == "PT_DYNAMIC"), None)

    @property
    def name(self) -> str:
        """What it is called by those that need it: its soname, else the end of its path."""
        return self.soname or self.path.rsplit("/", 1)[-1]
