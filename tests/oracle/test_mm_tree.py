"""Process trees with fork, vfork and exec, replayed from their logs: VMAs as each process has copied them itself."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.request import Focus, Seek
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepRecord
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle.mm_real import missing

WHY = missing() or (None if shutil.which("strace") else "there is no strace")
pytestmark = [pytest.mark.oracle, pytest.mark.skipif(WHY is not None, reason=WHY or "")]
SOURCE = FilePath(__file__).with_name("tree_child.c")
ENDING = 1 << 60
Vma = tuple[int, int, str, int, str, str]
"""Start, end, perms, offset, label and VmFlags."""
_AREA = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ \d+ *(.*)$", re.MULTILINE)
_FLAGS = re.compile(r"^VmFlags: (.*?) *$", re.MULTILINE)
_COPY = re.compile(r'"[^"]*/(smaps\.(\d+)\.\d+\.\d+)"')


@pytest.fixture(scope="module")
def tree_child(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    binary = tmp_path_factory.mktemp("tree") / "tree_child"
    subprocess.run(["gcc", "-O1", "-static", "-o", str(binary), str(SOURCE)], check=True, capture_output=True)
    return binary


def told(smaps: str) -> list[Vma]:
    """The VMAs that a copy of smaps tells of."""
    rows = zip(_AREA.findall(smaps), _FLAGS.findall(smaps), strict=True)
    return [(int(a, 16), int(b, 16), perms, int(at, 16), label, flags) for (a, b, perms, at, label), flags in rows]


def predicted(snapshot: Snapshot) -> list[Vma]:
    assert snapshot.mm is not None
    return [
        (vma.start, vma.end, vma.perms, vma.offset, vma.name, " ".join(vma.vm_flags or ())) for vma in snapshot.mm.vmas
    ]


def copies(steps: tuple[StepRecord, ...]) -> Iterator[tuple[int, str, int]]:
    """Step that opens smaps, the file that the process copies it to then, and the process."""
    opened: dict[int, int] = {}
    for number, step in enumerate(steps, 1):
        if '"/proc/self/smaps"' in step.text:
            opened[step.pid] = number
        elif (found := _COPY.search(step.text)) is not None:
            yield opened[step.pid], found[1], int(found[2])


@pytest.mark.parametrize("seed", [1, 5, 9])
def test_every_process_of_a_tree(tree_child: FilePath, tmp_path: FilePath, seed: int) -> None:
    log = tmp_path / "log"
    command = ["setarch", "-R", "strace", "-f", "-o", str(log), str(tree_child), str(seed), "0", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    source = SimSource(parse(log.read_text()), LiveHost(read_elf), "tree")
    steps = source.apply(Seek(ENDING)).steps
    assert steps is not None
    found = list(copies(steps.steps))
    assert len(found) >= 8
    for number, name, pid in found:
        source.apply(Seek(number))
        assert predicted(source.apply(Focus(pid))) == told((tmp_path / name).read_text()), name
