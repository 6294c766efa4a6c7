"""Damaged files: headers and symbols are read, or refused in one line; nothing else, and never for long."""

import io
import random
import struct
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtui.elf_reader import parse_elf, read_elf, read_symbols, symbols_in
from memtui.model.elf import ElfImage
from memtui.model.elf_objects import object_map
from memtui.model.errors import ParseError
from memtui.model.vma import Vma, VmaKind

EXTREMES = (0, 1, 2, 7, 0x7F, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096)
HEADER_FIELDS = [(16, 2), (18, 2), (20, 4), (24, 8), (32, 8), (40, 8), (48, 4)] + [(at, 2) for at in range(52, 64, 2)]


@cache
def small() -> bytes:
    """A real program that is dynamically linked."""
    return Path("/bin/true").read_bytes()


def interesting() -> list[tuple[int, int]]:
    """Offset and bytes of every number of the headers, sections, dynamic section, symbols and notes."""
    data = small()
    (phoff, shoff), (phnum,), (shnum,) = struct.unpack_from("<QQ", data, 32), data[56:57], data[60:61]
    fields = list(HEADER_FIELDS)
    for row in range(phnum):
        fields += [(phoff + row * 56, 4)] + [(phoff + row * 56 + at, 8) for at in range(8, 56, 8)]
    for row in range(shnum):
        base = shoff + row * 64
        fields += [(base, 4), (base + 4, 4), (base + 40, 4)] + [(base + at, 8) for at in (8, 16, 24, 32, 56)]
    image = parse_elf(io.BytesIO(data), "true")
    for section in image.sections:
        if section.name in (".dynamic", ".dynsym", ".gnu.hash", ".hash", ".note.gnu.build-id"):
            fields += [(at, 8) for at in range(section.offset, section.offset + section.size - 7, 8)]
    return fields


def mapped(image: ElfImage) -> None:
    """The look-ups of the screen over what was read."""
    vmas = [
        Vma(0x1000 * n, 0x1000 * n + 0x1000, "r-xp", 0x1000 * (n % 9), (8, 1), 7, "/x", VmaKind.FILE)
        for n in range(1, 30)
    ]
    objects = object_map(vmas, lambda vma: image)
    for vma in vmas:
        objects.sections(vma)
        objects.place(vma, vma.start + 8)


def read(data: bytes) -> ElfImage | None:
    try:
        image = parse_elf(io.BytesIO(data), "file")
        mapped(image)
        table = symbols_in(io.BytesIO(data), image)
    except ParseError as error:
        refused = str(error)
    else:
        for symbol in list(table)[:50]:
            assert table.nearest(symbol.value) is not None
        table.find("main")
        return image
    assert "\n" not in refused
    return None


FIELDS = interesting()
CHANGES = st.lists(
    st.tuples(st.sampled_from(FIELDS), st.one_of(st.sampled_from(EXTREMES), st.integers(0, (1 << 64) - 1))),
    min_size=1,
    max_size=4,
)


def changed(changes: list[tuple[tuple[int, int], int]]) -> bytes:
    data = bytearray(small())
    for (at, size), value in changes:
        data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(data)


@given(CHANGES)
@settings(max_examples=300, deadline=None)
@example([((40, 8), (1 << 64) - 64)])
@example([((60, 2), 0)])
@example([((62, 2), 0xFFFF)])
def test_a_number_that_is_another_one(changes: list[tuple[tuple[int, int], int]]):
    read(changed(changes))


@given(st.integers(0, len(small())), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
@example(64, 2388)
def test_a_file_that_is_cut_or_scrambled(length: int, seed: int):
    rng = random.Random(seed)
    data = bytearray(small()[:length])
    for _ in range(rng.randrange(40)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    read(bytes(data))


@given(st.binary(max_size=600))
@settings(max_examples=200, deadline=None)
def test_bytes_behind_a_right_start(data: bytes):
    read(b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\x3e\0" + data)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x7fELF\1\1\1" + bytes(9) + b"\3\0\x03\0", "ELF32 for Intel 80386"),
        (b"\x7fELF\1\1\1" + bytes(9) + b"\3\0\x28\0", "ELF32 for ARM"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xb7\0", "ELF64 for AArch64"),
        (b"\x7fELF\2\2\1" + bytes(9) + b"\0\3\0\x16", "ELF64, big-endian for IBM S/390"),
        (b"\x7fELF\1\1\1" + bytes(9) + b"\3\0\x3e\0", "ELF32 for x86-64 (x32)"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\3\0\xfe\xfe", "ELF64 for unknown"),
    ],
)
def test_another_machine_is_named(tmp_path: Path, head: bytes, words: str):
    path = tmp_path / "foreign"
    path.write_bytes(head + bytes(200))
    with pytest.raises(ParseError, match="not an x86-64 ELF file") as told:
        read_elf(str(path))
    assert words in str(told.value)


def test_symbols_that_all_overlap_are_looked_through_only_so_far(tmp_path: Path):
    """One symbol over everything, then very many without a size."""
    count = 60_000
    rows = [struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, 1 << 40)]
    rows += [struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 16 * n, 0) for n in range(1, count)]
    from memtui.model.symbols import SymbolPart, table_of

    table = table_of([SymbolPart(b"".join(rows), b"\0a\0")], "test")
    found = table.nearest(16 * count + 5)
    assert found is not None
    assert found.value == 16 * (count - 1)
    assert table.nearest(16 * 9 + 5) == table.nearest(0)
    assert table.find("a") is not None


def test_a_file_without_symbols_says_why(tmp_path: Path):
    path = tmp_path / "headers-only"
    path.write_bytes(small()[:4096])
    with pytest.raises(ParseError, match="no symbols"):
        read_symbols(str(path), read_elf(str(path))._replace(build_id=b"", segments=()))
