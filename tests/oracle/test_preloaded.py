"""jemalloc and tcmalloc as Debian has them, and their models: every pointer, usable size, break and system call.

`MEMTUI_PRELOAD_SEEDS=100` looks longer.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from memtui.sim.userspace.jemalloc.sizes import s2u
from memtui.sim.userspace.tcmalloc.sizes import PAGE_SHIFT, class_of, pages
from tests.oracle.malloc_series import Kind, Op, series
from tests.oracle.preload_pair import JEMALLOC, TCMALLOC, Model, Real, build, installed

LIBRARIES = [JEMALLOC, TCMALLOC]
MIXES = ["small", "mixed", "huge", "realloc", "align"]
SEEDS = int(os.environ.get("MEMTUI_PRELOAD_SEEDS", "3"))
CALLS = 2500
LARGEST = 1 << 20
MISSING = {
    JEMALLOC: {Kind.PVALLOC},
    # Both are glibc's, which allocates nothing here.
    TCMALLOC: set(),
}

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build the driver"),
    pytest.mark.skipif(
        not all(installed(library) for library in LIBRARIES), reason="needs libjemalloc2 and libtcmalloc-minimal4"
    ),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("preload"))


def calls(library: str, mix: str, seed: int) -> list[Op]:
    return [op for op in series(seed, mix, CALLS) if op.kind < Kind.TRIM and op.kind not in MISSING[library]]


def agree(real: Real, model: Model, ops: list[Op], seed: int) -> None:
    """The constructors run, and then every call gives the same."""
    real.start()
    model.malloc.start()
    for number, (op, expected) in enumerate(zip(ops, real.run(), strict=True)):
        assert model.perform(op) == expected, f"seed {seed}, call {number}: {op}: {model.malloc.why}"


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_call_gives_what_the_library_gives(driver: Path, library: str, mix: str):
    for seed in range(SEEDS):
        ops = calls(library, mix, seed)
        with Real(driver, library, ops) as real:
            agree(real, Model(real, library), ops, seed)


@pytest.mark.parametrize("mix", MIXES)
def test_just_the_pages_are_resident_that_tcmalloc_touches(driver: Path, mix: str):
    for seed in range(500, 500 + SEEDS):
        ops = calls(TCMALLOC, mix, seed)
        with Real(driver, TCMALLOC, ops) as real:
            model = Model(real, TCMALLOC)
            agree(real, model, ops, seed)
            assert model.pages() == real.pages(), f"seed {seed}"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_system_calls_are_those_that_strace_sees(driver: Path, library: str, mix: str, tmp_path: Path):
    for seed in range(1000, 1000 + max(1, SEEDS // 2)):
        ops = calls(library, mix, seed)
        with Real(driver, library, ops, tmp_path / "log") as real:
            model = Model(real, library)
            agree(real, model, ops, seed)
        assert model.system_calls() == real.system_calls(), f"seed {seed}"


def test_usable_sizes_up_to_1_mib(driver: Path):
    def by_tcmalloc(size: int) -> int:
        size_class = class_of(size)
        return pages(size) << PAGE_SHIFT if size_class is None else size_class.size

    for library, usable in ((JEMALLOC, s2u), (TCMALLOC, by_tcmalloc)):
        command = ["env", f"LD_PRELOAD={library}", driver, str(LARGEST)]
        given = subprocess.run(command, check=True, capture_output=True).stdout
        sizes = struct.unpack(f"<{LARGEST + 1}I", given)
        wrong = [size for size, real in enumerate(sizes) if usable(size) != real]
        assert not wrong, f"{library}: {wrong[:10]}"


@pytest.mark.parametrize("library", LIBRARIES)
def test_realloc_from_any_class_to_any_other(driver: Path, library: str):
    sizes = [1, 24, 100, 1000, 5000, 14_336, 16_384, 30_000, 70_000, 300_000, 1 << 20, 9 << 20, 20 << 20]
    ops = []
    for slot, (old, new) in enumerate(((old, new) for old in sizes for new in sizes), start=1):
        ops += [Op(Kind.MALLOC, slot, old), Op(Kind.REALLOC, slot, new), Op(Kind.REALLOC, slot, (old + new) // 2)]
    ops += [Op(Kind.FREE, slot) for slot in range(1, len(sizes) ** 2 + 1, 2)]
    with Real(driver, library, ops) as real:
        agree(real, Model(real, library), ops, 0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_alignments(driver: Path, library: str):
    kinds = (Kind.MEMALIGN, Kind.POSIX_MEMALIGN)
    cases = [(kind, 1 << shift, size) for kind in kinds for shift in range(3, 25) for size in (0, 1, 700, 9000, 70_000)]
    ops = [Op(kind, slot, alignment, size) for slot, (kind, alignment, size) in enumerate(cases, start=1)]
    ops += [Op(Kind.FREE, slot) for slot in range(1, len(cases) + 1)]
    with Real(driver, library, ops) as real:
        agree(real, Model(real, library), ops, 0)
