"""The build id: NT_GNU_BUILD_ID, by which a file is told from another version of itself."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from memtui.elf_reader.bounded import Bounded
from memtui.model.elf import ProgramHeader, Section

_SHT_NOTE: Final = 7
_NT_GNU_BUILD_ID: Final = 3
_NOTES_MOST: Final = 1 << 16
_HEADER: Final = struct.Struct("<III")


def build_id(file: Bounded, segments: Sequence[ProgramHeader], sections: Sequence[Section]) -> bytes:
    """From the PT_NOTEs, else from the note sections (a debug file has only those); b"" if there is none."""
    places = [(segment.offset, segment.filesz) for segment in segments if segment.type == "PT_NOTE"]
    places += [(section.offset, section.size) for section in sections if section.type == _SHT_NOTE]
    for offset, size in places:
        found = build_id_in(file.read(offset, min(size, _NOTES_MOST)))
        if found:
            return found
    return b""


def build_id_in(notes: bytes) -> bytes:
    """The build id among the notes of a segment or section; b"" if there is none."""
    for name, kind, content in _notes(notes):
        if name == b"GNU\0" and kind == _NT_GNU_BUILD_ID:
            return content
    return b""


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        namesz, descsz, kind = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        content = at + (namesz + 3 & -4)
        yield data[at : at + namesz], kind, data[content : content + descsz]
        at = content + (descsz + 3 & -4)
