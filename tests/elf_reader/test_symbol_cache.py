"""Large symbol tables are put in order once: what is kept on disk is the same, and damage to it does no harm."""

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from memtui.elf_reader import read_elf, read_symbols, symbol_cache
from memtui.model.symbols import Symbol, SymbolTable
from tests.elf_reader.elves import needs_binutils

COUNT = 21_000
pytestmark = needs_binutils


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with so many symbols that they are kept."""
    folder = tmp_path_factory.mktemp("large")
    order = random.Random(1).sample(range(COUNT), COUNT)
    lines = [f".globl f{number}\n.type f{number}, @function\nf{number}: nop\n.size f{number}, 1" for number in order]
    (folder / "large.s").write_text(".text\n" + "\n".join(lines) + "\n.globl _start\n_start: ret\n")
    command = ["gcc", "-nostdlib", "-o", "large", "large.s"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "large"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "memtui" / "symbols"


def read(path: Path) -> SymbolTable:
    return read_symbols(str(path), read_elf(str(path)))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many tables were put in order."""
    count = []
    keep = symbol_cache.store
    monkeypatch.setattr(symbol_cache, "store", lambda *args: (count.append(1), keep(*args)))
    return lambda: len(count)


def everything(table: SymbolTable) -> list[Symbol]:
    assert len(table) > COUNT
    assert table.nearest(0x1) is None
    return list(table)


def test_what_was_kept_is_the_same(large: Path, folder: Path, made: Callable[[], int]):
    first, second = read(large), read(large)
    assert made() == 1
    assert len(list(folder.iterdir())) == 1
    assert everything(first) == everything(second)
    assert first.find("f77") == second.find("f77") is not None
    starts = [symbol.value for symbol in first]
    assert starts == sorted(starts)


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "header", "flipped", "other", "folder", "denied"])
def test_a_damaged_file_is_made_again(large: Path, folder: Path, made: Callable[[], int], damage: str):
    good = everything(read(large))
    (kept,) = folder.iterdir()
    data = kept.read_bytes()
    rng = random.Random(damage)
    flipped = bytearray(data)
    for _ in range(5):
        flipped[rng.randrange(100, len(data))] ^= 1 << rng.randrange(8)
    content = {
        "empty": b"", "cut": data[: len(data) // 2], "longer": data + bytes(8), "header": bytes(40) + data[40:],
        "flipped": bytes(flipped), "other": os.urandom(5000), "denied": data,
    }.get(damage)  # fmt: skip
    kept.unlink()
    if content is None:
        kept.mkdir()
    else:
        kept.write_bytes(content)
    if damage == "denied":
        kept.chmod(0)
    assert everything(read(large)) == good
    assert made() == (1 if damage == "denied" and os.geteuid() == 0 else 2)
    if damage not in {"folder", "denied"}:
        assert everything(read(large)) == good
        assert made() == 2


def test_another_build_has_a_table_of_its_own(large: Path, folder: Path, tmp_path: Path, made: Callable[[], int]):
    copy = tmp_path / "copy"
    subprocess.run(["objcopy", "--redefine-sym", "f5=zz5", large, copy], check=True)
    assert read(large).find("f5") is not None
    assert read(copy).find("zz5") is not None
    assert read(copy).find("f5") is None
    assert made() == 2


def test_only_so_many_are_kept(large: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(symbol_cache, "MOST", 2)
    for number in range(4):
        copy = tmp_path / f"copy{number}"
        copy.write_bytes(large.read_bytes())
        os.utime(copy, (number, number))
        read(copy)
    assert len(list(folder.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_done_without(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "memtui").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert everything(read(large)) == everything(read(large))
