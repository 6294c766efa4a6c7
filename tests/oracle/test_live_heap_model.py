"""The heap of a running process, read from outside, is that of the model that made the same calls: every chunk, bin,
tcache and mapped chunk.

`MEMTUI_MALLOC_SEEDS=200` looks longer.
"""

import os
import platform
import shutil
from pathlib import Path

import pytest

from memtui.live import heap_symbols
from tests.oracle.heap_child import read
from tests.oracle.heap_same import heap_differs
from tests.oracle.malloc_pair import Model, Real, build
from tests.oracle.malloc_series import MIXES, THREADED, series
from tests.oracle.ptmalloc_fuzz import differs

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(platform.libc_ver() != ("glibc", "2.36"), reason="the model is of glibc 2.36"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build the driver"),
]

CALLS = 1200
SEEDS = max(1, int(os.environ.get("MEMTUI_MALLOC_SEEDS", "8")) // 8)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("malloc"))


@pytest.mark.parametrize("symbols", [True, False], ids=["symbols", "shape"])
@pytest.mark.parametrize("mix", MIXES + THREADED)
def test_chunk_by_chunk(driver: Path, mix: str, symbols: bool, monkeypatch: pytest.MonkeyPatch):
    if not symbols:
        monkeypatch.setattr(heap_symbols, "DEBUG_FOLDERS", ())
    compared = 0
    for seed in range(3000, 3000 + 20 * SEEDS):
        ops = series(seed, mix, CALLS)
        with Real(driver, ops) as real:
            model = Model(real)
            found, ended = differs(real, model, ops)
            assert not found
            # A series in which libc aborts leaves no process to look at.
            if ended:
                assert heap_differs(read(real.last_pid), model.malloc.heap_view()) == ""
                compared += 1
        if compared == SEEDS:
            return
    raise AssertionError("every series aborted")
