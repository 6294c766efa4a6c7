"""Programs and libraries of this machine, and what binutils say of them."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

needs_binutils = pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf (binutils) is not installed")


def is_elf(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as stream:
        return stream.read(20)[:4] == b"\x7fELF"


def real_files(count: int, *, seed: int = 6, most: int = 8 << 20) -> list[Path]:
    """Programs and libraries, some of each."""
    places = (Path("/usr/bin").iterdir(), Path("/usr/lib/x86_64-linux-gnu").glob("lib*.so.*"))
    chosen: list[Path] = []
    for paths in places:
        found = [path for path in sorted(paths) if is_elf(path) and path.stat().st_size < most]
        chosen += random.Random(seed).sample(found, min(count, len(found)))
    return chosen


def output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode(errors="surrogateescape")
