"""execve of damaged ELF files: the same errno, the same death, or the same map as the running kernel's.

MEMTUI_ELF_DAMAGED=N compares N files of each kind instead of the usual number.
"""

import os
import platform
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from memtui.draw.maps_text import maps_text
from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.sim.export import Exporter
from memtui.sim.machine import Machine
from memtui.trace.parser import parse
from tests.oracle.exec_stop import Ask

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]
COUNT = int(os.environ.get("MEMTUI_ELF_DAMAGED", "60"))
SOURCE = """
char bss[20000], data[5000] = {1};
const char *const table[] = {data, bss};
void _start(void) { __asm__ volatile("mov $231, %eax\\n xor %edi, %edi\\n syscall"); }
"""
KINDS = {
    "static": "-nostdlib -static",
    "static-pie": "-nostdlib -static-pie",
    "dynamic": "-nostdlib -pie -Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2",
    "two-megabyte-pages": "-nostdlib -static-pie -Wl,-z,max-page-size=0x200000",
}
PAGE = 4096
SMALL = (
    0,
    1,
    2,
    5,
    7,
    55,
    57,
    64,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    0x10000,
    1 << 21,
    0x400000,
    1 << 30,
    1 << 31,
    (1 << 32) - 1,
)
NUMBERS = (*SMALL, 0x7FFF_FFFF_E000, 0x7FFF_FFFF_F000, 1 << 47, 1 << 62, 1 << 63, (1 << 64) - PAGE, (1 << 64) - 1)
TYPES = (0, 1, 2, 3, 4, 6, 7, 0x6474E551, 0x6474E552)
EHDR = ((0, 4), (4, 1), (5, 1), (16, 2), (18, 2), (24, 8), (32, 8), (52, 2), (54, 2), (56, 2))


def real_of(ask: Ask, path: Path) -> dict[str, object]:
    """What comes of starting a file."""
    answer = ask(str(path), ["x"], {}, None)
    return {name: answer[name] for name in ("errno", "signal", "maps", "start_brk") if name in answer}


def predict(path: Path) -> dict[str, object]:
    machine = Machine(LiveHost(read_elf), list(parse(f'execve("{path}", ["x"], [])', "test").statements), "test")
    text = machine.step().text
    machine.check()
    if " = -1 " in text:
        return {"errno": text.split(" = -1 ")[1].split()[0]}
    snapshot = Exporter("").export(machine, None)
    if snapshot.mm is None:
        why = snapshot.unknown["mm"]
        return {"signal": next((word.strip(":,") for word in why.split() if word.startswith("SIG")), why)}
    return {"maps": maps_text(snapshot.mm.vmas), "start_brk": snapshot.mm.start_brk}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small program that only exits."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "program.c").write_text(SOURCE)
    command = ["gcc", *KINDS[request.param].split(), "-o", folder / "program", folder / "program.c"]
    subprocess.run(command, check=True)
    return (folder / "program").read_bytes()


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """One to three numbers of the headers are others, or the file is cut."""
    data = bytearray(whole)
    phoff, phnum = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if rng.random() < 0.25:
            at, size = rng.choice(EHDR)
        else:
            row = phoff + 56 * rng.randrange(phnum)
            at, size = rng.choice([(row, 4), (row + 4, 4), *((row + place, 8) for place in (8, 16, 32, 40, 48))])
        old = int.from_bytes(data[at : at + size], "little")
        value = rng.choice(
            (rng.choice(NUMBERS), rng.choice(TYPES), old + rng.choice((-PAGE, -1, 1, PAGE, 1 << 21)), old * 2)
        )
        data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    if rng.random() < 0.08:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def start(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def test_damaged_files_end_as_the_kernel_ends_them(ask: Ask, whole: bytes, tmp_path: Path):
    wrong = []
    for seed in range(COUNT):
        path = start(damaged(whole, random.Random(seed)), tmp_path / f"damaged{seed}")
        real, predicted = real_of(ask, path), predict(path)
        if real != predicted:
            wrong.append((seed, real, predicted))
        path.unlink()
    assert wrong == []


def test_every_cut_of_a_program(ask: Ask, whole: bytes, tmp_path: Path):
    for length in (*range(0, 700, 41), 4095, 4096, 4097, len(whole) - 1):
        path = start(whole[:length], tmp_path / f"cut{length}")
        assert predict(path) == real_of(ask, path), length
