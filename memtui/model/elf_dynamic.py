"""What the dynamic linker reads of an ELF file behind PT_DYNAMIC."""

from typing import Final, NamedTuple

DT_NEEDED: Final = 1
DT_FILTER: Final = 0x7FFFFFFF
DT_AUXILIARY: Final = 0x7FFFFFFD
DF_1_NOW: Final = 0x1
DF_1_INITFIRST: Final = 0x20
DF_1_NODEFLIB: Final = 0x800
DF_1_PIE: Final = 0x8000000


class Dependency(NamedTuple):
    """DT_NEEDED, DT_AUXILIARY or DT_FILTER."""

    tag: int
    name: str


class Required(NamedTuple):
    """One file of DT_VERNEED with the versions that are asked of it."""

    file: str
    versions: tuple[tuple[str, bool], ...]
    """Name, and whether it is weak."""


class Tables(NamedTuple):
    """Where symbols and relocations lie; virtual addresses and lengths in bytes, 0 if there are none."""

    symtab: int = 0
    symbols: int = 0
    """Entries of symtab."""
    strtab: int = 0
    strsz: int = 0
    versym: int = 0
    rela: int = 0
    relasz: int = 0
    relacount: int = 0
    """Relative relocations at the start of rela: these need no symbol."""
    jmprel: int = 0
    pltrelsz: int = 0


class Dynamic(NamedTuple):
    """The dynamic section."""

    dependencies: tuple[Dependency, ...] = ()
    """In the order of the file."""
    rpath: str | None = None
    runpath: str | None = None
    flags_1: int = 0
    """DF_1_*."""
    bind_now: bool = False
    """Nothing is bound lazily."""
    textrel: bool = False
    """Relocations change read-only segments."""
    version_index: int = 0
    """The highest index of a version in DT_VERNEED or DT_VERDEF; 0: the file knows no versions."""
    required: tuple[Required, ...] = ()
    defined: tuple[str, ...] = ()
    """Versions of DT_VERDEF, the file's own name among them."""
    tables: Tables = Tables()
