"""What exec and the dynamic linker read of an ELF file."""

from typing import Final, NamedTuple

PF_X: Final = 1
PF_W: Final = 2
PF_R: Final = 4
ET_EXEC: Final = 2
ET_DYN: Final = 3


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
