"""The screenshots of simulations, each by the command that writes it. `python tests/cli/shots.py` writes them anew."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from memtui.scenarios import scenario_names  # noqa: E402 - of this checkout, whatever is installed

FOLDER = ROOT / "screenshots"
SNAPSHOT_FOLDER = ROOT / "tests" / "ui" / "snapshots"
STEPS = {
    "exec": 4,
    "exit": 15,
    "first-malloc": 3,
    "allocators": 18,
    "demand-paging": 4,
    "oom": 14,
    "oom-then-and-now": 12,
    "oom-vip": 18,
    "oom-cgroup": 18,
    "overcommit": 13,
    "shared-file": 8,
    "copy-on-write": 9,
    "anonymous": 10,
    "shared-anonymous": 6,
    "drop-caches": 12,
    "tmpfs": 8,
    "shm-leak": 9,
    "kswapd": 12,
    "swappiness": 13,
    "brk-and-mmap": 9,
    "free-and-trim": 13,
    "tour": 56,
}
"""Scenario -> the step after which its picture is taken; another one's is taken at its end."""
LIGHT = {"demand-paging", "shared-file"}
OTHERS = {
    "first-malloc-80x24.svg": ["sim", "first-malloc", "--at", "3", "--size", "80x24"],
    "heap.svg": ["sim", "first-malloc", "--at", "9", "--size", "120x36", "--press", "H", "--theme", "slate"],
    "usage.svg": ["sim", "demand-paging", "--at", "4", "--size", "100x30", "--press", "u", "--theme", "contrast"],
    "why.svg": ["sim", "first-malloc", "--at", "3", "--size", "100x34", "--press", "y", "--theme", "okabe"],
    "pages.svg": ["sim", "first-malloc", "--at", "8", "--size", "100x30", "--press", "enter", "--theme", "dusk"],
    "tree.svg": ["sim", "first-malloc", "--at", "2", "--size", "120x45", "--press", "V n"],
    "free-and-trim.svg": ["sim", "free-and-trim", "--at", "13", "--size", "120x40", "--press", "n"],
    "machine.svg": ["sim", "kswapd", "--at", "12", "--size", "120x40", "--press", "M"],
    "sharing.svg": ["sim", "shm-leak", "--at", "9", "--size", "120x40", "--press", "I"],
    "ranking.svg": ["sim", "oom", "--at", "14", "--size", "120x40", "--press", "o", "--theme", "mono"],
}
"""Pictures of what else there is to see."""


def of_scenario(name: str) -> list[str]:
    """How the picture of a scenario is taken."""
    argv = ["sim", name, "--at", str(STEPS.get(name, 1 << 30)), "--size", "120x40"]
    return [*argv, "--theme", "paper"] if name in LIGHT else argv


SHOTS = {f"{name}.svg": of_scenario(name) for name in scenario_names()} | OTHERS
SCREENS = {"map": "first-malloc 8", "heap": "first-malloc 9 H", "usage": "demand-paging 4 u", "oom": "oom 14 o"}
"""Screen -> the scenario, its step, and the keys that lead there."""
SIZES = ("80x24", "120x40", "200x60")


def of_screen(what: str, size: str) -> list[str]:
    """How a whole screen is taken."""
    name, step, *keys = what.split()
    return ["sim", name, "--at", step, "--size", size, "--press", " ".join(keys)]


SNAPSHOTS = {f"{screen}-{size}.svg": of_screen(what, size) for screen, what in SCREENS.items() for size in SIZES}
"""Whole screens at three sizes, kept beside the tests: the same files, but not for the README."""
"""File -> arguments of memtui. Live pictures are of one moment and one machine: nothing can hold them to it."""


def render(argv: list[str]) -> bytes:
    """What the command prints now."""
    command = [sys.executable, "-m", "memtui", *argv, "--print", "svg"]
    return subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}).stdout


if __name__ == "__main__":
    pictures = {FOLDER / name: argv for name, argv in SHOTS.items()}
    pictures |= {SNAPSHOT_FOLDER / name: argv for name, argv in SNAPSHOTS.items()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, picture in zip(pictures, pool.map(render, pictures.values()), strict=True):
            path.write_bytes(picture)
