"""What kind of ELF file it is that cannot be read, in words: pyelftools knows all their names."""

import io
from typing import Final

from elftools.common.utils import struct_parse
from elftools.elf.descriptions import describe_e_machine, describe_e_type
from elftools.elf.structs import ELFStructs

_IDENT: Final = b"\x7fELF\2\1\1" + bytes(9)
_EHDR: Final = 64
_STRUCTS: Final = ELFStructs(little_endian=True, elfclass=64)
_STRUCTS.create_basic_structs()
_STRUCTS.create_advanced_structs()


def machine_name(number: int) -> str:
    """Of an e_machine: "ARM", "Intel 80386"."""
    return _plain(describe_e_machine(str(_header(bytes(2) + number.to_bytes(2, "little"))["e_machine"])))


def type_name(number: int) -> str:
    """Of an e_type: "REL (Relocatable file)"."""
    return _plain(describe_e_type(str(_header(number.to_bytes(2, "little"))["e_type"])))


def _header(behind_ident: bytes) -> dict[str, object]:
    return dict(struct_parse(_STRUCTS.Elf_Ehdr, io.BytesIO((_IDENT + behind_ident).ljust(_EHDR, b"\0"))))


def _plain(description: object) -> str:
    return str(description).strip("<>") or "nothing known"
