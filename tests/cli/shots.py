"""The screenshots of simulations, each by the command that writes it. `python tests/cli/shots.py` writes them anew."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "screenshots"
SHOTS = {
    "first-malloc.svg": ["sim", "first-malloc", "--at", "3", "--size", "120x40"],
    "first-malloc-80x24.svg": ["sim", "first-malloc", "--at", "3", "--size", "80x24"],
    "heap.svg": ["sim", "first-malloc", "--at", "9", "--size", "120x36", "--press", "H", "--theme", "slate"],
    "usage.svg": ["sim", "demand-paging", "--at", "4", "--size", "100x30", "--press", "u", "--theme", "contrast"],
    "why.svg": ["sim", "first-malloc", "--at", "3", "--size", "100x34", "--press", "y", "--theme", "okabe"],
    "pages.svg": ["sim", "first-malloc", "--at", "8", "--size", "100x30", "--press", "z", "--theme", "dusk"],
    "tree.svg": ["sim", "first-malloc", "--at", "2", "--size", "120x45", "--press", "V n"],
    "brk-and-mmap.svg": ["sim", "brk-and-mmap", "--at", "9", "--size", "120x40"],
    "free-and-trim.svg": ["sim", "free-and-trim", "--at", "13", "--size", "120x40", "--press", "n"],
    "oom.svg": ["sim", "oom", "--at", "14", "--size", "120x40"],
    "kswapd.svg": ["sim", "kswapd", "--at", "12", "--size", "120x40"],
    "shared-file.svg": ["sim", "shared-file", "--at", "8", "--size", "120x40", "--theme", "paper"],
    "oom-then-and-now.svg": ["sim", "oom-then-and-now", "--at", "12", "--size", "120x40"],
    "oom-vip.svg": ["sim", "oom-vip", "--at", "18", "--size", "120x40"],
    "overcommit.svg": ["sim", "overcommit", "--at", "13", "--size", "100x30"],
    "copy-on-write.svg": ["sim", "copy-on-write", "--at", "9", "--size", "120x40"],
    "anonymous.svg": ["sim", "anonymous", "--at", "10", "--size", "120x40"],
    "shared-anonymous.svg": ["sim", "shared-anonymous", "--at", "6", "--size", "120x40"],
    "drop-caches.svg": ["sim", "drop-caches", "--at", "12", "--size", "120x40"],
    "tmpfs.svg": ["sim", "tmpfs", "--at", "8", "--size", "120x40"],
    "shm-leak.svg": ["sim", "shm-leak", "--at", "9", "--size", "120x40"],
    "swappiness.svg": ["sim", "swappiness", "--at", "13", "--size", "120x40"],
    "tour.svg": ["sim", "tour", "--at", "56", "--size", "120x40"],
    "demand-paging.svg": ["sim", "demand-paging", "--at", "4", "--size", "120x40", "--theme", "paper"],
}
"""File -> arguments of memtui. Live pictures are of one moment and one machine: nothing can hold them to it."""


def render(name: str) -> bytes:
    """What the command prints now."""
    command = [sys.executable, "-m", "memtui", *SHOTS[name], "--print", "svg"]
    return subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}).stdout


if __name__ == "__main__":
    for shot in SHOTS:
        (FOLDER / shot).write_bytes(render(shot))
