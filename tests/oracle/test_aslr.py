"""Programs that were really randomized: one draw within the simulator's ranges explains every address of each."""

import os
import platform
import shutil
import subprocess
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from memtui.draw.maps_text import maps_text
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_up
from memtui.model.request import Seek
from memtui.sim.aslr import MMAP_RND_BITS, STACK_RND_BITS
from memtui.sim.kernel.binfmt_elf import ELF_ET_DYN_BASE
from memtui.sim.kernel.exec_stack import ExecOffsets, StackOffsets, mmap_base
from memtui.sim.kernel.profile import EXACT
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle import ld_so_real
from tests.oracle.ld_so_predicted import Predicted, Remembering
from tests.oracle.ld_so_real import RealRun

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
    pytest.mark.skipif(
        Path("/proc/sys/kernel/randomize_va_space").read_text().strip() != "2",
        reason="addresses are not randomized here",
    ),
    pytest.mark.skipif(
        Path("/proc/sys/vm/mmap_rnd_bits").read_text().strip() != str(MMAP_RND_BITS), reason="other random bits"
    ),
]
RUNS = 12


@pytest.fixture(scope="module")
def host() -> Remembering:
    return Remembering()


@pytest.fixture(scope="module")
def tracer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ld_so_real.build(tmp_path_factory.mktemp("tracer"))


def program(folder: Path, options: str) -> str:
    source = folder / "program.c"
    source.write_text("char bss[100000]; int main(void) { return bss[0]; }")
    ld_so_real.compile_program(source, folder / "program", options)
    return str(folder / "program")


def areas(text: str) -> dict[str, tuple[int, int]]:
    """Name of a mapping to where its first VMA begins and its last ends."""
    found: dict[str, tuple[int, int]] = {}
    for line in text.splitlines():
        bounds, *rest = line.split(maxsplit=5)
        start, end = (int(number, 16) for number in bounds.split("-"))
        name = rest[4] if len(rest) > 4 else ""
        found[name] = (found.get(name, (start, 0))[0], end)
    return found


def drawn(host: Remembering, run: RealRun) -> ExecOffsets:
    """The draw that puts the program, its mappings, its stack and its break where they really were."""
    there, image = areas(run.maps["exec"]), host.elf(run.path)
    assert image is not None
    own = there[run.path]
    limit = host.machine().rlimits["STACK"]
    static_pie = image.interp is None and image.e_type == 3
    top = max(end for name, (_, end) in there.items() if name not in ("[stack]", "[vsyscall]") and end <= TASK_SIZE)
    if image.interp is None and not static_pie:
        top = there["[vdso]"][1]
    behind = page_up(ELF_ET_DYN_BASE) if static_pie else own[1] + PAGE_SIZE
    if not static_pie and any(not name for name in there):
        behind = there[""][1] + PAGE_SIZE
    is_pie = image.e_type == 3 and not static_pie
    return ExecOffsets(
        randomize=True,
        mmap_pages=(mmap_base(limit, 0, randomize=True) - top) >> PAGE_SHIFT,
        image=own[0] - (ELF_ET_DYN_BASE & -PAGE_SIZE) if is_pie else 0,
        stack=StackOffsets(TASK_SIZE - there["[stack]"][1]),
        brk=run.start_brk - behind,
    )


@pytest.mark.parametrize("options", ["", "-no-pie", "-static", "-static-pie"])
def test_one_draw_explains_all_addresses(tracer: Path, host: Remembering, tmp_path: Path, options: str):
    path = program(tmp_path, options)
    seen = []
    for run in ld_so_real.runs(tracer, [path] * RUNS, randomize=True):
        draw = drawn(host, run)
        assert 0 <= draw.mmap_pages < 1 << MMAP_RND_BITS
        assert 0 <= draw.image < PAGE_SIZE << MMAP_RND_BITS
        assert 0 <= draw.stack.top < PAGE_SIZE << STACK_RND_BITS
        assert 0 <= draw.brk < EXACT.brk_range
        assert draw.brk % PAGE_SIZE == 0
        predicted = Predicted(host, path, offsets=draw)
        assert predicted.exec_maps == run.maps["exec"]
        if "linked" in run.maps:
            predicted.run()
            assert predicted.maps() == run.maps["linked"]
        seen.append(draw)
    assert len({draw.mmap_pages for draw in seen}) > RUNS // 2
    assert len({draw.brk for draw in seen}) > RUNS // 2


DRAWS = 64
"""Of as many fair draws a bit is the same in all by a chance of 2^-63."""


_STACK_ALIGN: Final = 8192
"""arch_align_stack() draws below it; whether a few draws reach above it with the strings on top is chance."""


class Draw(NamedTuple):
    """How far each region of a position-independent program was moved, bytes."""

    image: int
    brk: int
    mmap: int
    stack: int
    pointer: int


def moved(maps: str, path: str, start_brk: int, start_stack: int, stack_limit: int) -> Draw:
    there = areas(maps)
    return Draw(
        image=there[path][0] - (ELF_ET_DYN_BASE & -PAGE_SIZE),
        brk=start_brk - there[path][1],
        mmap=mmap_base(stack_limit, 0, randomize=True) - max(end for name, (_, end) in there.items() if ".so" in name),
        stack=TASK_SIZE - there["[stack]"][1],
        pointer=(there["[stack]"][1] - start_stack) % _STACK_ALIGN,
    )


def varying(draws: list[Draw]) -> dict[str, str]:
    """By region, the bits that are not the same in all draws."""
    first = draws[0]
    return {
        name: f"{reduce(or_, (draw[place] ^ first[place] for draw in draws)):b}"
        for place, name in enumerate(Draw._fields)
    }


def test_each_region_has_the_entropy_of_the_kernels(host: Remembering):
    """The same bits vary, of the kernel's draws and of those from seeds."""
    cat = os.path.realpath("/bin/cat")
    limit = host.machine().rlimits["STACK"]
    loop = f"for i in $(seq {DRAWS}); do {cat} /proc/self/maps /proc/self/stat; done"
    said = subprocess.run(["sh", "-c", loop], capture_output=True, check=True, text=True, env={}).stdout
    real, predicted, text = [], [], ""
    for line in said.splitlines():
        if line[:1].isdigit() and "(cat)" in line:
            fields = line.rpartition(")")[2].split()
            real.append(moved(text, cat, int(fields[47 - 3]), int(fields[28 - 3]), limit))
            text = ""
        else:
            text += f"{line}\n"
    for seed in range(DRAWS):
        trace = f'machine(aslr={seed})\nexecve("{cat}", ["{cat}", "/proc/self/maps", "/proc/self/stat"], [])\n'
        mm = SimSource(parse(trace, "test.trace"), host, "test").apply(Seek(2)).mm
        assert mm is not None
        predicted.append(moved(maps_text(mm.vmas), cat, mm.start_brk, mm.start_stack, limit))
    assert len(real) == DRAWS
    assert varying(predicted) == varying(real)
    assert all(draw.brk < EXACT.brk_range + PAGE_SIZE for draw in real + predicted)
