"""Predicts what the installed dynamic linker does with the programs of this machine, up to their first instruction.

MEMTUI_LD_SO_PROGRAMS=N compares that many programs only.
"""

import os
import platform
import random
import shutil
from pathlib import Path

import pytest

from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from tests.oracle import ld_so_real
from tests.oracle.ld_so_predicted import Predicted, Remembering, compared, numbers
from tests.oracle.ld_so_real import RealRun

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 only"),
    pytest.mark.skipif(platform.libc_ver() != ("glibc", "2.36"), reason="predicted exactly is glibc 2.36"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]
FOLDERS = ("/usr/bin", "/usr/sbin")
PARTS = 8
SEED = 236


def programs() -> list[str]:
    """The dynamically linked x86-64 programs by their own paths; set-id ones always get ASLR (fs/binfmt_elf.c)."""
    host = LiveHost(read_elf)
    found = {os.path.realpath(path) for folder in FOLDERS for path in Path(folder).iterdir()}
    images = ((path, host.elf(path)) for path in sorted(found))
    everything = [path for path, image in images if image and image.loads and image.interp and not image.set_id]
    wanted = int(os.environ.get("MEMTUI_LD_SO_PROGRAMS", len(everything)))
    return random.Random(SEED).sample(everything, min(wanted, len(everything)))


@pytest.fixture(scope="module")
def host() -> Remembering:
    return Remembering()


@pytest.fixture(scope="module")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ld_so_real.build(tmp_path_factory.mktemp("tracer"))


def difference(host: Remembering, run: RealRun) -> str:
    """What was predicted wrong, in a line; "" if nothing."""
    predicted = Predicted(host, run.path)
    if predicted.exec_maps != run.maps.get("exec"):
        return f"{run.path}: maps after execve"
    mine = [numbers(record) for record in predicted.run()]
    real, rest = [compared(call) for call in run.linking], run.constructing
    if "linked" not in run.maps:  # it needs no cache, so there is no last call to know the end by
        real, rest = real[: len(mine)], run.linking[len(mine) :]
    if mine != real:
        place = next((n for n, (one, two) in enumerate(zip(mine, real, strict=False)) if one != two), -1)
        return f"{run.path}: {len(mine)} calls for {len(real)}, call {place}: {mine[place]} for {real[place]}"
    if "linked" in run.maps and predicted.maps() != run.maps["linked"]:
        return f"{run.path}: maps after the dynamic linker's work"
    # Constructors are the libraries' own code: their calls are made as the program made them.
    predicted.append(rest)
    return "" if predicted.maps() == run.maps.get("entry") else f"{run.path}: maps at the entry point"


@pytest.mark.parametrize("part", range(PARTS))
def test_every_program_comes_to_its_entry_point_as_predicted(tracer: Path, host: Remembering, part: int):
    runs = list(ld_so_real.runs(tracer, programs()[part::PARTS]))
    assert len(runs) == len(programs()[part::PARTS])
    assert [wrong for run in runs if (wrong := difference(host, run))] == []
