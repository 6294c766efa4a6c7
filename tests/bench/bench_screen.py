"""What the screen costs beside its peers, all in one run, in rounds: each figure is a median, and a ratio to a peer.

    python -m tests.bench.bench_screen [start] [tick] [keys] [idle] [late] [rounds]

start: to the first plain frame and the first whole one. tick: CPU of looking at 1,000 VMAs each second.
keys: from a key to the last byte of its frame, over 60,000 VMAs. idle: paused. late: how late a timer of the screen is
while all is read beside it. Memory is told with tick and keys.
"""

import asyncio
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from memtui.live.source import LiveSource
from memtui.model.request import Measure, Refresh
from memtui.opening import _TURN, _collect_from_now_on
from memtui.ui.lane import Lane
from tests.bench.terminal import Terminal, memtui

TRIVIAL = """
from textual.app import App
from textual.widgets import Static
class Trivial(App):
    def compose(self):
        yield Static("a marker")
Trivial().run()
"""
TABLE = """
from textual.app import App
from textual.widgets import DataTable
class Table(App):
    def compose(self):
        yield DataTable(cursor_type="row")
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("start", "end", "perms", "size", "name")
        table.add_rows((hex(row << 12), hex(row + 1 << 12), "rw-p", "4 KiB", "a marker") for row in range(1000))
Table().run()
"""
CHILD = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
file = open("/bin/sh", "rb")
for number in range(int(sys.argv[1])):
    # Neighbours differ, so that none merge.
    if number % 4 == 3:
        at = libc.mmap(None, 4096, 1, 2, file.fileno(), number % 7 * 8192)
        ctypes.string_at(at, 1)
    else:
        at = libc.mmap(None, 4096, 3 if number % 4 == 1 else 7, 0x22, -1, 0)
        ctypes.memset(at, 1, 1)
print("ready", flush=True)
time.sleep(3600)
"""
FRAME = 1 / 60
"""Seconds."""
DOWN, PAGE_DOWN = b"\x1b[B", b"\x1b[6~"


@contextmanager
def target(vmas: int) -> Iterator[str]:
    """The PID of a process with about so many VMAs."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(vmas)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        try:
            yield str(child.pid)
        finally:
            child.kill()


def shows(*words: str) -> Callable[[str], bool]:
    return lambda text: all(word in text for word in words)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


WHOLE = shows("[heap]", "quit", "Residence")
"""On the screen once the panes show the first snapshot."""


def first(argv: Sequence[str], shown: Callable[[str], bool]) -> float:
    with Terminal(argv) as terminal:
        return terminal.until(shown)


def told(title: str, rows: dict[str, list[float]], peer: str, unit: str) -> None:
    print(f"{title}, {unit}")
    base = statistics.median(rows[peer])
    for name, found in rows.items():
        median = statistics.median(found)
        print(f"  {name:<34} {median:9.2f}   {median / base:6.2f} x {peer}   ({min(found):.2f} - {max(found):.2f})")


def start(rounds: int) -> None:
    """To the first frames."""
    with target(1000) as pid:
        runs: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: first(python("print('a marker')"), shows("a marker")),
            "trivial Textual app": lambda: first(python(TRIVIAL), shows("a marker")),
            "memtui PID, plain frame": lambda: first(memtui(pid), shows("[heap]")),
            "memtui PID, whole frame": lambda: first(memtui(pid), WHOLE),
            "memtui sim, plain frame": lambda: first(memtui("sim"), shows("first-malloc")),
            "memtui sim, whole frame": lambda: first(memtui("sim"), shows("256 MiB", "quit")),
            "memtui (home), whole frame": lambda: first(memtui(), shows("first-malloc", "quit")),
        }
        if shutil.which("htop"):
            runs["htop"] = lambda: first(["htop"], shows("F10"))
        rows: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                rows[name].append(run() * 1e3)
    told("start", rows, "trivial Textual app", "ms")


def spent(argv: Sequence[str], shown: Callable[[str], bool], seconds: float, *keys: bytes) -> tuple[float, float]:
    """CPU in % of a core once it has settled, and the peak of its memory in MB."""
    with Terminal(argv) as terminal:
        terminal.until(shown)
        for key in keys:
            terminal.press(key)
        terminal.pass_by(3)
        before = terminal.cpu
        terminal.pass_by(seconds)
        return (terminal.cpu - before) / seconds * 100, terminal.peak


def tick(rounds: int) -> None:
    """Looking each second at 1,000 VMAs."""
    with target(1000) as pid:
        rows: dict[str, list[float]] = {"watch pmap -X": [], "memtui PID": [], "htop": []}
        peak = 0.0
        for _ in range(max(rounds // 3, 1)):
            rows["watch pmap -X"].append(spent(["watch", "-n1", "pmap", "-X", pid], shows("heap"), 15)[0])
            used, peak = spent(memtui(pid), WHOLE, 15)
            rows["memtui PID"].append(used)
            rows["htop"].append(spent(["htop", "-d", "10"], shows("F10"), 15)[0])
    told("1,000 VMAs at 1 Hz", rows, "watch pmap -X", "% of a core")
    print(f"  memtui's memory was {peak:.0f} MB at most")


def idle(rounds: int) -> None:
    """Paused."""
    with target(1000) as pid:
        rows: dict[str, list[float]] = {"trivial Textual app": [], "memtui PID, paused": []}
        for _ in range(max(rounds // 3, 1)):
            rows["trivial Textual app"].append(spent(python(TRIVIAL), shows("a marker"), 20)[0])
            rows["memtui PID, paused"].append(spent(memtui(pid), WHOLE, 20, b" ")[0])
    told("idle", rows, "trivial Textual app", "% of a core")


def pressed(argv: Sequence[str], shown: Callable[[str], bool], key: bytes, count: int) -> tuple[list[float], float]:
    """Milliseconds from key to frame, and of CPU a key. The source stands still meanwhile."""
    with Terminal(argv) as terminal:
        terminal.until(shown)
        terminal.settle(1.5)
        for _ in range(45):  # to where each key scrolls
            terminal.press(DOWN)
        before = terminal.cpu
        times = [terminal.press(key) * 1e3 for _ in range(count)]
        return sorted(times), (terminal.cpu - before) / count * 1e3


def keys(rounds: int) -> None:
    """From a key to its frame."""
    with target(60_000) as pid:
        still = memtui("attach", pid, "--interval", "3600")
        runs = {
            "DataTable of 1,000 rows, down": (python(TABLE), shows("a marker"), DOWN),
            "memtui, 60,000 VMAs, down": (still, WHOLE, DOWN),
            "memtui, 60,000 VMAs, page down": (still, WHOLE, PAGE_DOWN),
        }
        for name, (argv, shown, key) in runs.items():
            times, cpu = pressed(argv, shown, key, 40 * rounds)
            print(
                f"{name:<34} median {statistics.median(times):6.1f} ms, p95 {times[len(times) * 95 // 100]:6.1f},"
                f" CPU {cpu:5.1f} ms a key"
            )
        with Terminal(still) as terminal:
            terminal.until(WHOLE)
            terminal.settle(2)
            print(f"{'memtui, 60,000 VMAs':<34} {terminal.peak:6.0f} MB at most")


async def lateness(source: LiveSource | None, seconds: float) -> list[float]:
    """Milliseconds by which a timer of 60 frames a second is late while a lane reads without a pause."""
    sys.setswitchinterval(_TURN)
    lane = None if source is None else Lane(source)
    if lane is not None:
        await lane.ask(Refresh())
        await lane.ask(Measure())
        _collect_from_now_on()
    reading = asyncio.create_task(read_on(lane)) if lane is not None else None
    late, end = [], time.perf_counter() + seconds
    while (due := time.perf_counter() + FRAME) < end:
        await asyncio.sleep(FRAME)
        late.append((time.perf_counter() - due) * 1e3)
    if lane is not None and reading is not None:
        reading.cancel()
        await lane.close()
    return sorted(late)


async def read_on(lane: Lane) -> None:
    while True:
        await lane.ask(Refresh())
        await lane.ask(Measure())


def late(rounds: int) -> None:
    """How late the screen is while everything of 60,000 VMAs is read beside it."""
    with target(60_000) as pid:
        for name, source in (("nothing beside it", None), ("60,000 VMAs read beside it", LiveSource(int(pid)))):
            found = asyncio.run(lateness(source, 3.0 * rounds))
            median, p95 = statistics.median(found), found[len(found) * 95 // 100]
            print(f"{name:<34} late by median {median:5.1f} ms, p95 {p95:5.1f}, max {found[-1]:5.1f}")


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.isdecimal()] or ["start", "tick", "keys", "idle", "late"]
    rounds = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 7)
    for word in words:
        {"start": start, "tick": tick, "keys": keys, "idle": idle, "late": late}[word](rounds)


if __name__ == "__main__":
    main()
