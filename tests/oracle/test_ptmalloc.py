"""The installed libc and the model above the simulated kernel: every pointer, size, break, system call, resident page.

`MEMTUI_MALLOC_SEEDS=200` looks longer.
"""

import os
import platform
import shutil
from pathlib import Path

import pytest

from memtui.model.pages import Residence
from memtui.sim.userspace.ptmalloc import HeapCorruption, Tunables, from_environ
from tests.oracle.malloc_pair import Model, Real, build
from tests.oracle.malloc_series import MIXES, THREADED, Kind, Op, series

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(platform.libc_ver() != ("glibc", "2.36"), reason="the model is of glibc 2.36"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build the driver"),
]

CALLS = 1500
NOT_ENDED = (0x0101_0101_0101_0101,) * 3
SEEDS = int(os.environ.get("MEMTUI_MALLOC_SEEDS", "8"))
TUNABLES = [
    Tunables(tcache_count=0),
    Tunables(tcache_count=20, tcache_unsorted_limit=3),
    Tunables(tcache_max=200),
    Tunables(mxfast=0),
    Tunables(top_pad=0),
    Tunables(mmap_threshold=10_000, trim_threshold=50_000),
    Tunables(mmap_max=0),
    Tunables(perturb=85),
]

ENVIRONS = [
    {"MALLOC_TOP_PAD_": "0x10000"},
    {"MALLOC_TRIM_THRESHOLD_": "-1"},
    {"MALLOC_PERTURB_": "300", "MALLOC_MMAP_MAX_": "010 of them"},
    {
        "MALLOC_MMAP_THRESHOLD_": "10000",
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=20000:glibc.malloc.tcache_count=2",
    },
    {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=20000:nonsense", "MALLOC_MMAP_THRESHOLD_": "10000"},
    {"GLIBC_TUNABLES": "glibc.malloc.tcache_max=5000:glibc.malloc.tcache_count=70000:glibc.malloc.mxfast=none"},
    {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=4294967296:glibc.malloc.perturb=7:glibc.rtld.nns=4"},
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("malloc"))


def attempt(model: Model, op: Op) -> tuple[int, int, int] | str:
    """What a call gives, or the words with which it aborts."""
    try:
        return model.perform(op)
    except HeapCorruption as abort:
        return str(abort)


def agree(real: Real, model: Model, ops: list[Op], seed: int) -> bool:
    """Every call gives the same, or aborts with the same words; whether none aborted."""
    for number, (op, expected) in enumerate(zip(ops, real.run(), strict=True)):
        given = attempt(model, op)
        if isinstance(given, str):
            assert (expected, given) == (NOT_ENDED, real.last_words()), f"seed {seed}, call {number}: {op}"
            return False
        assert given == expected, f"seed {seed}, call {number}: {op}: {model.malloc.why}"
    return True


@pytest.mark.parametrize("mix", MIXES + THREADED)
def test_every_call_gives_what_libc_gives(driver: Path, mix: str):
    for seed in range(SEEDS):
        ops = series(seed, mix, CALLS)
        with Real(driver, ops) as real:
            model = Model(real)
            assert not agree(real, model, ops, seed) or model.pages() == real.pages(), f"seed {seed}"


@pytest.mark.parametrize("tunables", TUNABLES, ids=str)
def test_tunables(driver: Path, tunables: Tunables):
    names = Tunables.__slots__
    given = {name: getattr(tunables, name) for name in names if getattr(tunables, name) != getattr(Tunables(), name)}
    environ = {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in given.items())}
    for seed in range(max(1, SEEDS // 8)):
        ops = series(seed, "mixed", CALLS)
        with Real(driver, ops, environ) as real:
            model = Model(real, tunables)
            agree(real, model, ops, seed)
            assert model.pages() == real.pages(), f"seed {seed}"


@pytest.mark.parametrize("environ", ENVIRONS, ids=str)
def test_the_environment(driver: Path, environ: dict[str, str]):
    ops = series(0, "mixed", CALLS)
    with Real(driver, ops, environ) as real:
        model = Model(real, from_environ(environ))
        agree(real, model, ops, 0)
        assert model.pages() == real.pages()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("mix", MIXES + THREADED)
def test_the_system_calls_are_those_that_strace_sees(driver: Path, mix: str, tmp_path: Path):
    for seed in range(1000, 1000 + max(1, SEEDS // 8)):
        ops = series(seed, mix, CALLS)
        with Real(driver, ops, log=tmp_path / "log") as real:
            model = Model(real)
            ended = agree(real, model, ops, seed)
            assert not ended or model.system_calls() == real.system_calls(), f"seed {seed}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees which pages are shared")
@pytest.mark.parametrize("mix", ["small", "mixed", "realloc", "align", "trim"])
def test_after_a_fork_just_the_pages_that_malloc_writes_are_copied(driver: Path, mix: str):
    for seed in range(2000, 2000 + max(1, SEEDS // 2)):
        ops = series(seed, mix, CALLS // 2)
        ops.insert(len(ops) - 20 - seed % 7 * 10, Op(Kind.FORK))
        with Real(driver, ops) as real:
            model = Model(real)
            agree(real, model, ops, seed)
            anon = {page for page, residence in model.pages().items() if residence is Residence.ANON}
            assert real.shared_with_a_child(anon) == (model.at_fork & anon) - model.written, f"seed {seed}"


def malloc(slot: int, size: int) -> Op:
    return Op(Kind.MALLOC, slot, size)


def free(slot: int, by: int = 0) -> Op:
    return Op(Kind.FREE_AT, slot, by)


@pytest.mark.parametrize(
    "ops",
    [
        [malloc(1, 100), free(1), free(1)],
        [malloc(1, 100), free(1, 8)],
        [*(malloc(slot, 24) for slot in range(8)), *(free(slot) for slot in range(8)), free(7)],
        [malloc(1, 2000), malloc(2, 2000), free(1), free(1)],
        [malloc(1, 2000), malloc(2, 2000), malloc(3, 10), free(1), free(2), free(1)],
        [malloc(1, 2000), free(1), free(1)],
    ],
    ids=["tcache", "misaligned", "fasttop", "unsorted", "merged", "top"],
)
def test_both_abort_with_the_same_words(driver: Path, ops: list[Op]):
    with Real(driver, ops) as real:
        assert not agree(real, Model(real), ops, 0)
