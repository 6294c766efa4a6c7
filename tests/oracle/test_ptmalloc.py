"""The installed libc and the model above the simulated kernel: every pointer, size, break, and resident heap page.

The model sees nothing but the simulated kernel, which starts from the driver's address space before its first malloc.
`MEMTUI_MALLOC_SEEDS=200` looks longer.
"""

import os
import platform
import random
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from memtui.elf_reader import read_elf
from memtui.live.address_space import AddressSpaceReader
from memtui.live.host import LiveHost
from memtui.live.procfs import Procfs
from memtui.model.address import PAGE_SIZE
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma
from memtui.sim.kernel import import_mm
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.memory import access
from memtui.sim.kernel.profile import profile_for
from memtui.sim.kernel.task import Task
from memtui.sim.userspace.ptmalloc import Ptmalloc
from memtui.trace.constants import ERRNO_NUMBERS
from tests.oracle.mm_sim import calls

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(platform.libc_ver() != ("glibc", "2.36"), reason="the model is of glibc 2.36"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build the driver"),
]

CALLS = 1500
SEEDS = int(os.environ.get("MEMTUI_MALLOC_SEEDS", "20"))
MMAP_BASE = 0x7FFF_F7FF_F000
MALLOC, FREE, CALLOC, REALLOC, MEMALIGN, TRIM, MALLOPT = range(7)
OPTIONS = {
    -1: lambda rng: rng.randrange(300000),
    -2: lambda rng: rng.randrange(300000),
    -3: lambda rng: rng.randrange(5000, 300000),
    -4: lambda rng: rng.choice([0, 3, 100]),
    1: lambda rng: rng.choice([0, 7, 8, 64, 128, 160, 200]),
}


class Op(NamedTuple):
    kind: int
    slot: int
    a: int = 0
    b: int = 0


def a_size(rng: random.Random, mix: str) -> int:
    if mix == "huge" and rng.random() < 0.5:
        low, high = rng.choice([(100_000, 300_000), (1 << 17, 1 << 20), (1 << 20, 40 << 20)])
        return rng.randrange(low, high)
    most = rng.choices([200, 2000, 20_000, 200_000], [60, 25, 12, 3])[0]
    return rng.randrange(most)


def series(seed: int, mix: str) -> list[Op]:
    """Random calls; blocks are named by slots."""
    rng = random.Random(f"{mix}{seed}")
    ops: list[Op] = []
    live: list[int] = []
    weights = {FREE: 42, REALLOC: 13, CALLOC: 7, MALLOC: 35, MEMALIGN: 12 if mix == "align" else 1}
    weights |= {TRIM: 1 if mix in ("trim", "huge") else 0, MALLOPT: 1 if mix == "opt" else 0}
    for slot in range(1, CALLS + 1):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        if kind in (FREE, REALLOC) and not live:
            kind = MALLOC
        if kind == FREE:
            ops.append(Op(FREE, live.pop(rng.randrange(len(live)))))
        elif kind == REALLOC:
            ops.append(Op(REALLOC, rng.choice(live), a_size(rng, mix) + 1))
        elif kind == TRIM:
            ops.append(Op(TRIM, 0, rng.choice([0, 0, 1000, 100_000])))
        elif kind == MALLOPT:
            option = rng.choice(list(OPTIONS))
            ops.append(Op(MALLOPT, 0, option & 0xFFFF_FFFF, OPTIONS[option](rng)))
        else:
            live.append(slot)
            arguments = {
                MALLOC: lambda: (a_size(rng, mix),),
                CALLOC: lambda: (rng.randrange(1, 4), a_size(rng, mix) // 2),
                MEMALIGN: lambda: (rng.choice([8, 16, 32, 48, 64, 256, 4096, 65536]), a_size(rng, mix)),
            }[kind]()
            ops.append(Op(kind, slot, *arguments))
    return ops


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("malloc") / "driver"
    source = Path(__file__).with_name("malloc_driver.c")
    subprocess.run(["gcc", "-O1", "-o", program, source], check=True, capture_output=True)
    return program


def by_page(runs: Iterable[PageRun]) -> dict[int, Residence]:
    """Residence of each page that is not absent."""
    return {run.start + n * PAGE_SIZE: run.residence for run in runs for n in range(run.pages)}


class Real:
    """The driver, stopped before its first call."""

    def __init__(self, program: Path, ops: list[Op]) -> None:
        self.count = len(ops)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stdin.write(struct.pack("<Q", self.count) + b"".join(struct.pack("<IIQQ", *op) for op in ops))
        self.stdin.flush()
        assert self.stdout.read(1) == b"r"

    def run(self) -> Iterator[tuple[int, ...]]:
        self.stdin.write(b"g")
        self.stdin.flush()
        return struct.iter_unpack("<3Q", self.stdout.read(24 * self.count))

    def heap(self) -> Vma | None:
        vmas = AddressSpaceReader(Procfs(), self.process.pid).read().vmas
        return next((vma for vma in vmas if vma.name == "[heap]"), None)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Syscalls:
    """The simulated kernel as the allocator sees it."""

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self.kernel, self.task = kernel, task

    def __getattr__(self, name: str):
        def call(*args: int) -> int:
            if name == "mmap":
                args = (*args, -1, 0)[:6]
            elif name == "mremap":
                args = (*args, 0)[:5]
            outcome = calls()[name](self.kernel, self.task, *args)
            return -ERRNO_NUMBERS[outcome.errno] if outcome.errno else outcome.value

        return call

    def getrandom(self, length: int) -> int:
        return length


class Model:
    """The allocator's model above the simulated kernel."""

    def __init__(self, pid: int) -> None:
        host = LiveHost(read_elf)
        facts = host.machine()
        self.kernel = Kernel(facts, profile_for(facts.release), host.file)
        self.task = import_mm.load(self.kernel, AddressSpaceReader(Procfs(), pid).read(), MMAP_BASE)
        self.syscalls = Syscalls(self.kernel, self.task)
        self.malloc = Ptmalloc(self.syscalls, self.accessed)
        self.slots: dict[int, int] = {}

    def accessed(self, address: int, length: int, write: bool) -> None:
        assert not access(self.kernel, self.task, address, length, write).signal

    def perform(self, op: Op) -> tuple[int, int, int]:
        result = self.call(op)
        block = self.slots.get(op.slot, 0) if op.kind < TRIM else 0
        return result, self.malloc.malloc_usable_size(block), self.syscalls.brk(0)

    def call(self, op: Op) -> int:
        model, slots = self.malloc, self.slots
        match op.kind:
            case 0:
                slots[op.slot] = model.malloc(op.a)
            case 1:
                model.free(slots.pop(op.slot, 0))
                return 0
            case 2:
                slots[op.slot] = model.calloc(op.a, op.b)
            case 3:
                slots[op.slot] = model.realloc(slots.get(op.slot, 0), op.a)
            case 4:
                slots[op.slot] = model.memalign(op.a, op.b)
            case 5:
                return model.malloc_trim(op.a)
            case _:
                return model.mallopt(op.a - (1 << 32) if op.a >> 31 else op.a, op.b)
        return slots[op.slot]


@pytest.mark.parametrize("mix", ["plain", "trim", "align", "opt", "huge"])
def test_every_call_gives_what_libc_gives(driver: Path, mix: str):
    for seed in range(SEEDS):
        ops = series(seed, mix)
        real = Real(driver, ops)
        try:
            model = Model(real.process.pid)
            for number, (op, expected) in enumerate(zip(ops, real.run(), strict=True)):
                given = model.perform(op)
                assert given == expected, f"seed {seed}, call {number}: {op}: {model.malloc.why}"
            heap = real.heap()
            if heap is not None:
                predicted = model.task.mm.pages.runs(heap.start, heap.end)
                assert by_page(predicted) == by_page(heap.runs or ()), f"seed {seed}"
        finally:
            real.close()
