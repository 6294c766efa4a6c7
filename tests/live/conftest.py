"""Live children and a proc tree of plain files."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from memtui.live.mounts import mount_of, parse_mountinfo

CHILD = Path(__file__).with_name("memory_child.py")


class Child(NamedTuple):
    """A process that waits, and its memory as it says."""

    pid: int
    regions: dict[str, tuple[int, str]]


def fs_type(folder: Path) -> str:
    mount = mount_of(parse_mountinfo(Path("/proc/self/mountinfo").read_bytes()), str(folder.resolve()))
    return mount.fs_type if mount is not None else ""


@pytest.fixture(scope="session")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """The process of memory_child.py."""
    disk = tmp_path_factory.mktemp("disk")
    if fs_type(disk) in ("tmpfs", "ramfs"):
        disk = Path(tempfile.mkdtemp(dir=Path.cwd()))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm:
        command = [sys.executable, str(CHILD), str(disk), shm if fs_type(Path(shm)) == "tmpfs" else ""]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            regions = json.loads(process.stdout.readline())
            yield Child(process.pid, {name: (address, ruler) for name, (address, ruler) in regions.items()})
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
    for file in os.scandir(os.fsencode(disk)):
        os.unlink(file.path)
    disk.rmdir()


MEMINFO = "MemTotal:        4000 kB\nSwapTotal:       400 kB\nActive(anon):     12 kB\nHugePages_Total:       3\n"
MAPS = (
    "00400000-00404000 r-xp 00000000 fe:00 7                                  /bin/true\n"
    "00600000-00602000 rw-p 00000000 00:00 0                                  [heap]\n"
)
MOUNTINFO = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw\n"


class FakeProc:
    """A folder that looks like /proc; the processes are made one by one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("meminfo", MEMINFO)
        self.write("sys/vm/swappiness", "60\n")
        self.write("sys/kernel/osrelease", "6.1.0-fake\n")
        self.write("self/mountinfo", MOUNTINFO)

    def write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(errors="surrogateescape") if isinstance(text, str) else text)

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def add(
        self,
        pid: int,
        comm: str = "true",
        *,
        state: str = "S",
        flags: int = 0x400000,
        start: int = 100,
        threads: int = 1,
        adj: int = 0,
        maps: str = MAPS,
        memory: bool = True,
    ) -> None:
        """A process with 3 + 2 + 1 pages of RSS, 4 on swap and 5 page tables."""
        fields = ["0"] * 50
        for number, value in {1: 1, 6: flags, 16: -5, 17: threads, 19: start, 25: 0x7FFC0000, 44: 0x600000}.items():
            fields[number] = str(value)
        fields[0] = state
        self.write(f"{pid}/stat", f"{pid} ({comm}) {' '.join(fields)}\n")
        self.write(f"{pid}/comm", f"{comm}\n")
        self.write(f"{pid}/cmdline", f"/usr/bin/{comm}\0-v\0" if memory else "")
        self.write(f"{pid}/oom_score", "666\n")
        self.write(f"{pid}/oom_score_adj", f"{adj}\n")
        self.write(f"{pid}/maps", maps if memory else "")
        self.write(f"{pid}/mountinfo", MOUNTINFO)
        self.status(f"{pid}/status", memory=memory)

    def status(self, name: str, *, memory: bool = True) -> None:
        figures = {"VmSize": 24, "RssAnon": 12, "RssFile": 8, "RssShmem": 4, "VmPTE": 20, "VmSwap": 16}
        lines = "".join(f"{key}:\t{value:8} kB\n" for key, value in figures.items()) if memory else ""
        self.write(name, f"Name:\tx\nUid:\t1000\t0\t0\t0\n{lines}Threads:\t1\n")


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)
