"""What the dynamic linker reads on the recorded machine: dynamic sections, the starts of files, ld.so.cache."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from memtui.model.elf import ElfImage
from memtui.model.elf_dynamic import DF_1_PIE, DT_NEEDED, Dependency, Dynamic, Required

PROGRAM: Final = Dynamic(
    dependencies=(Dependency(DT_NEEDED, "libc.so.6"),),
    flags_1=DF_1_PIE,
    version_index=3,
    required=(Required("libc.so.6", (("GLIBC_2.2.5", False), ("GLIBC_2.34", False))),),
)
LIBC: Final = Dynamic(
    dependencies=(Dependency(DT_NEEDED, "ld-linux-x86-64.so.2"),),
    version_index=43,
    required=(
        Required(
            "ld-linux-x86-64.so.2",
            (("GLIBC_2.35", False), ("GLIBC_2.2.5", False), ("GLIBC_2.3", False), ("GLIBC_PRIVATE", False)),
        ),
    ),
    defined=("libc.so.6", "GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_PRIVATE"),
)
"""Of its 38 versions, those that the others ask for."""
LD_SO: Final = Dynamic(
    version_index=7,
    defined=(
        *("ld-linux-x86-64.so.2", "GLIBC_2.2.5", "GLIBC_2.3", "GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.35"),
        "GLIBC_PRIVATE",
    ),
)
_PT_PHDR: Final = 6
_PF_R: Final = 4
_PHDR_SIZE: Final = 56
_EM_X86_64: Final = 62
_ELFOSABI_GNU: Final = 3
_CACHE_FLAGS: Final = 0x303
"""FLAG_X8664_LIB64 | FLAG_ELF_LIBC6."""
_CACHE_HEADER: Final = 48
_CACHE_ENTRY: Final = 24


def elf_start(image: ElfImage, section_headers: int) -> bytes:
    """The ELF header, and the program headers as far as the first.

    Args:
        image: the file.
        section_headers: where they begin, bytes.
    """
    ident = b"\x7fELF\2\1\1" + bytes([_ELFOSABI_GNU])
    header = ident.ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", image.e_type, _EM_X86_64, 1, image.entry, image.phoff, section_headers, 0, 64, 56,
        image.phnum, 64, 0, 0,
    )  # fmt: skip
    size = image.phnum * _PHDR_SIZE
    first = struct.pack("<IIQQQQQQ", _PT_PHDR, _PF_R, image.phoff, image.phoff, image.phoff, size, size, 8)
    return header + first.ljust(size, b"\0")


def ld_so_cache(libraries: Mapping[str, str], size: int) -> bytes:
    """A cache of the new format, filled up to its size.

    Args:
        libraries: path by name.
        size: bytes.
    """
    names: Sequence[str] = sorted(libraries, reverse=True)
    strings, entries = b"", b""
    base = _CACHE_HEADER + _CACHE_ENTRY * len(names)
    for name in names:
        key = base + len(strings)
        strings += name.encode() + b"\0"
        value = base + len(strings)
        strings += libraries[name].encode() + b"\0"
        entries += struct.pack("<iIIIQ", _CACHE_FLAGS, key, value, 0, 0)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(names), len(strings))
    return (header.ljust(_CACHE_HEADER, b"\0") + entries + strings).ljust(size, b"\0")
