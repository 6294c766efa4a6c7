"""ElfImage held against what readelf prints of the same files."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from memtui.elf_reader import read_elf
from memtui.model.elf import ET_DYN, ET_EXEC, PF_R, PF_W, PF_X
from memtui.model.errors import ParseError

LETTERS = {"R": PF_R, "W": PF_W, "E": PF_X}
HEADER = re.compile(r"^  (\w+) +(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) ([RWE ]{3}) (0x\w+|0)$", re.MULTILINE)


def programs() -> list[Path]:
    found = sorted(path for path in Path("/usr/bin").iterdir() if path.is_file() and not path.is_symlink())
    elves = [path for path in found if path.read_bytes()[:4] == b"\x7fELF"]
    libraries = sorted(Path("/usr/lib/x86_64-linux-gnu").glob("lib*.so.*"))
    some = random.Random(6).sample(elves, min(12, len(elves)))
    return some + [path for path in random.Random(7).sample(libraries, min(8, len(libraries))) if path.is_file()]


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf (binutils) is not installed")
@pytest.mark.parametrize("path", programs(), ids=lambda path: path.name)
def test_headers_are_those_of_readelf(path: Path):
    image = read_elf(str(path))
    text = subprocess.run(["readelf", "-hldW", path], capture_output=True, check=True, text=True).stdout
    rows = [
        (kind, *(int(figure, 16) for figure in (offset, vaddr, filesz, memsz)), flags, int(align, 16))
        for kind, offset, vaddr, filesz, memsz, flags, align in HEADER.findall(text)
    ]
    loads = [
        (sum(LETTERS.get(letter, 0) for letter in flags), offset, vaddr, filesz, memsz, align)
        for kind, offset, vaddr, filesz, memsz, flags, align in rows
        if kind == "LOAD"
    ]
    assert list(image.loads) == loads
    relro = [(row[2], row[4]) for row in rows if row[0] == "GNU_RELRO"]
    assert [image.relro] == (relro or [None])
    tls = [(row[2], row[4], row[6]) for row in rows if row[0] == "TLS"]
    assert [image.tls] == (tls or [None])
    interp = re.search(r"Requesting program interpreter: (.*)]", text)
    assert image.interp == (interp[1] if interp else None)
    assert list(image.needed) == re.findall(r"\(NEEDED\).*\[(.*)]", text)
    soname = re.search(r"\(SONAME\).*\[(.*)]", text)
    assert image.soname == (soname[1] if soname else None)
    assert image.e_type == (ET_EXEC if re.search(r"Type:\s+EXEC", text) else ET_DYN)
    assert f"Entry point address:               {image.entry:#x}" in text


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\2\1\1" + b"\xff" * 900]
)
def test_what_is_no_elf_file_is_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ParseError, match="file: not a"):
        read_elf(str(path))


def test_every_cut_of_a_real_program_is_read_or_refused(tmp_path: Path):
    """As the kernel has it: what ends behind the program headers can be started."""
    whole = Path("/bin/true").read_bytes()
    headers = read_elf("/bin/true")
    path = tmp_path / "cut"
    for length in range(0, min(len(whole), 6000), 97):
        path.write_bytes(whole[:length])
        if length < headers.phoff + 56 * headers.phnum:
            with pytest.raises(ParseError, match="cut: not a"):
                read_elf(str(path))
        else:
            image = read_elf(str(path))
            assert image.loads == headers.loads
            assert "sections" in image.unknown
