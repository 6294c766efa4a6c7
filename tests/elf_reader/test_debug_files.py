"""Symbols that were taken out of a file: found where gdb looks for them, and not taken from another build."""

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from memtui.elf_reader import debug_files as module
from memtui.elf_reader import read_elf, read_symbols
from memtui.model.errors import ParseError
from tests.elf_reader.elves import output

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("gcc", "objcopy", "strip", "readelf"))), reason="gcc or binutils are not installed"
)
SOURCE = "static int hidden(int x) { return x * %d; } int main(int c, char **v) { return hidden(c); }"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return build(tmp_path / "program", 3)


def build(path: Path, number: int, *options: str) -> Path:
    subprocess.run(
        ["gcc", "-O0", "-rdynamic", "-xc", "-", "-o", path, *options], input=SOURCE % number, check=True, text=True
    )
    return path


def separate(path: Path, debug: Path, *options: str) -> None:
    debug.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["objcopy", "--only-keep-debug", path, debug], check=True)
    subprocess.run(["strip", "-s", path], check=True)
    if options:
        subprocess.run(["objcopy", *options, path], check=True)


def hidden(path: Path) -> str:
    table = read_symbols(str(path), read_elf(str(path)))
    found = table.find("hidden")
    return table.origin if found is not None and found.name == "hidden" else f"not in {table.origin}"


def test_by_the_build_id(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "DEBUG_FOLDER", str(tmp_path / "debug"))
    digits = read_elf(str(built)).build_id.hex()
    assert digits in output("readelf", "-nW", built)
    debug = tmp_path / "debug" / ".build-id" / digits[:2] / f"{digits[2:]}.debug"
    separate(built, debug)
    assert hidden(built) == str(debug)
    # A file of another build in its place is not believed.
    debug.write_bytes(build(tmp_path / "other", 5).read_bytes())
    assert hidden(built) == "not in .dynsym"
    debug.write_bytes(b"nonsense")
    assert hidden(built) == "not in .dynsym"


@pytest.mark.parametrize("folder", [".", ".debug"])
def test_by_the_debuglink_and_its_checksum(tmp_path: Path, folder: str):
    built = build(tmp_path / "program", 3, "-Wl,--build-id=none")
    debug = tmp_path / folder / "program.debug"
    separate(built, debug, f"--add-gnu-debuglink={debug}")
    assert Path(hidden(built)).resolve() == debug.resolve()
    debug.write_bytes(debug.read_bytes() + b"\0")
    assert hidden(built) == "not in .dynsym"


def test_minidebuginfo(built: Path, tmp_path: Path):
    packed = tmp_path / "packed.xz"
    packed.write_bytes(lzma.compress(built.read_bytes(), lzma.FORMAT_XZ))
    separate(built, tmp_path / "unused" / "debug", f"--add-section=.gnu_debugdata={packed}")
    assert hidden(built) == ".gnu_debugdata and .dynsym"
    for damaged in (packed.read_bytes()[:200], b"\xfd7zXZ\0" + bytes(99), lzma.compress(b"no ELF file")):
        packed.write_bytes(damaged)
        subprocess.run(["objcopy", f"--update-section=.gnu_debugdata={packed}", built], check=True)
        assert hidden(built) == "not in .dynsym"


def test_without_section_headers_the_dynamic_section_leads_to_the_symbols(tmp_path: Path):
    for style in ("sysv", "gnu"):
        built = build(tmp_path / f"program-{style}", 3, f"-Wl,--hash-style={style}")
        image = read_elf(str(built))
        full = read_symbols(str(built), image)
        bare = read_symbols(str(built), image._replace(sections=()))
        assert bare.origin == ".dynsym"
        assert bare.find("main") == full.find("main")
        assert {symbol.name for symbol in bare} == set(dynamic_names(built))


def dynamic_names(path: Path) -> list[str]:
    lines = output("nm", "-D", "--defined-only", path).splitlines()
    return [line.split()[-1].partition("@")[0] for line in lines]


def test_a_static_stripped_program_has_none(tmp_path: Path):
    built = build(tmp_path / "program", 3, "-static", "-s")
    with pytest.raises(ParseError, match="no symbols: it is stripped"):
        read_symbols(str(built), read_elf(str(built))._replace(build_id=b""))
