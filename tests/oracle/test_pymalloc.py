"""The arenas of pymalloc that are recognised from outside are as many as the interpreter itself counts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memtui.live.source import LiveSource
from memtui.model.request import Refresh

pytestmark = pytest.mark.oracle

SCRIPT = """
import sys
held = [str(number) * 3 for number in range({count})]
other = bytearray(5 << 20)
sys._debugmallocstats()
sys.stderr.flush()
print("ready", flush=True)
input()
"""


def is_program(path: str) -> bool:
    """Whether it is an interpreter itself and no script that chooses one."""
    return Path(path).read_bytes()[:4] == b"\x7fELF"


INSTALLED = filter(None, (shutil.which(f"python3.{minor}") for minor in range(6, 15)))
PYTHONS = {sys.executable, *filter(is_program, INSTALLED)}


def counted(python: str, count: int) -> tuple[int, int]:
    """Arenas that the interpreter counts, and that its labels do."""
    command = [python, "-c", SCRIPT.format(count=count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        while b"arenas allocated current" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        assert process.stdout.readline() == b"ready\n"
        mm = LiveSource(process.pid, smaps=False).apply(Refresh()).mm
        process.kill()
    match = re.search(rb"arenas allocated current\s*=\s*([\d,]+)", said)
    assert match is not None
    assert mm is not None
    labels = [re.fullmatch(r"pymalloc: (\d+) arenas?", label) for label in mm.labels.values()]
    return int(match[1].replace(b",", b"")), sum(int(label[1]) for label in labels if label is not None)


@pytest.mark.parametrize("python", sorted(PYTHONS))
@pytest.mark.parametrize("count", [0, 50_000])
def test_every_arena_is_labelled(python: str, count: int):
    own, labelled = counted(python, count)
    assert labelled == own > 0
