"""What looking at live processes costs, beside pmap -X, psutil, ps and C programs that only read: all in one run.

    python -m tests.bench.bench_live [rounds]

Needs gcc for the process that is looked at (live_target.c) and for the floor (live_floor.c: the kernel's share alone).
Times are CPU times, which other load on the machine moves less. A tick is what one second of the screen reads; the
other readings of memtui are made whether they are due or not.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from memtui.live import pace
from memtui.live.address_space import AddressSpaceReader
from memtui.live.processes import read_tasks
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.live.task_reader import TaskReader
from memtui.model.request import Refresh
from memtui.opening import _TURN

HERE = Path(__file__).parent
Readings = dict[str, Callable[[], object]]


class Programs:
    """The two C programs, and a file to map."""

    def __init__(self, folder: Path) -> None:
        for name in ("live_target", "live_floor"):
            subprocess.run(["gcc", "-O1", "-o", folder / name, HERE / f"{name}.c"], check=True)
        self.target, self.floor_path, self.file = folder / "live_target", folder / "live_floor", folder / "file"
        self.file.write_bytes(bytes(1 << 16))

    def floor(self, what: str) -> float:
        """Milliseconds that the kernel needs."""
        return float(subprocess.run([self.floor_path, what], stdout=subprocess.PIPE, check=True).stdout)

    @contextmanager
    def running(self, *arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
        """A target that is ready."""
        command = [str(self.target), *map(str, arguments)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            yield process
            process.stdin.close()


def timed(read: Callable[[], object]) -> float:
    """Milliseconds of CPU, of commands too; a reading that measures itself gives a float."""
    began = cpu()
    answer = read()
    return answer if isinstance(answer, float) else (cpu() - began) * 1000


def cpu() -> float:
    """Seconds, of this process and of the commands that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def table(title: str, readings: Readings, rounds: int) -> None:
    """Each round every reading once: medians, and ratios to the first, which is the floor."""
    found: dict[str, list[float]] = {name: [] for name in readings}
    for _ in range(rounds):
        for name, read in readings.items():
            found[name].append(timed(read))
    medians = {name: statistics.median(times) for name, times in found.items()}
    floor = next(iter(medians.values()))
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {name:<34} {median:>9.2f} ms  x {median / floor:.2f}")


@contextmanager
def always_due() -> Iterator[None]:
    """Nothing waits for its turn."""
    before = pace.FREE
    pace.FREE = float("inf")
    try:
        yield
    finally:
        pace.FREE = before


def snapshots(programs: Programs, rounds: int) -> None:
    for vmas, megabytes in ((1_000, 0), (10_000, 0), (60_000, 0), (25, 1_024)):
        with programs.running(vmas, megabytes, programs.file) as process:
            pid = process.pid
            kept, whole, ticking = (AddressSpaceReader(Procfs(), pid) for _ in range(3))
            bare = AddressSpaceReader(Procfs(), pid, smaps=False)
            for reader in (kept, whole, ticking, bare):
                reader.read()

            def again(reader: AddressSpaceReader = bare) -> None:
                with always_due():
                    reader.read()

            def cat(pid: int = pid) -> None:
                subprocess.run(["pmap", "-X", str(pid)], stdout=subprocess.DEVNULL, check=True)

            readings: Readings = {
                "floor: read smaps": lambda pid=pid: programs.floor(f"/proc/{pid}/smaps"),
                "memtui: every VMA, every page": again,
                "memtui: the same, first time": lambda pid=pid: AddressSpaceReader(Procfs(), pid, smaps=False).read(),
                "memtui: all smaps figures too": lambda reader=whole: reader.read(measure=True),
                "memtui: a tick": lambda reader=ticking: reader.read(),
                "psutil memory_maps": lambda pid=pid: psutil.Process(pid).memory_maps(grouped=False),
            }
            if shutil.which("pmap"):
                readings["pmap -X"] = cat
            table(f"{vmas:,} VMAs, {megabytes:,} MiB", readings, rounds)


def ranking(programs: Programs, rounds: int) -> None:
    with programs.running("-s", 1_000):
        reader = TaskReader(Procfs())
        count = len(reader.read())

        def by_psutil() -> None:
            list(psutil.process_iter(["pid", "name", "memory_info"]))

        def by_ps() -> None:
            subprocess.run(["ps", "-eo", "pid,oom,oomadj,rss,comm"], stdout=subprocess.DEVNULL, check=True)

        readings: Readings = {
            "floor: four files each": lambda: programs.floor("-p"),
            "memtui: ranking": reader.read,
            "memtui: the same, first time": lambda: read_tasks(Procfs()),
            "psutil process_iter": by_psutil,
        }
        if shutil.which("ps"):
            readings["ps with oom"] = by_ps
        table(f"{count:,} processes", readings, rounds)


def stalls(programs: Programs, rounds: int) -> None:
    """What the watched process feels: its slowest mmap and munmap, 2 GiB resident."""
    print("\nthe watched process maps, touches and unmaps: microseconds of its slowest calls")
    with programs.running("-l", 100, 2_048, programs.file) as process:
        source = LiveSource(process.pid)
        source.apply(Refresh())
        for name, read in (
            ("alone", lambda: time.sleep(0.01)),
            ("memtui, back to back", lambda: source.apply(Refresh())),
            ("smaps, back to back", lambda: Path(f"/proc/{process.pid}/smaps").read_bytes()),
        ):
            tails, worst = [], []
            for _ in range(rounds):
                answer(process)
                until = time.monotonic() + 2
                with always_due():
                    while time.monotonic() < until:
                        read()
                _calls, tail, most = answer(process)
                tails.append(tail)
                worst.append(most)
            print(f"  {name:<34} p99.9 {statistics.median(tails):>7.0f}  max {statistics.median(worst):>8.0f}")


def answer(process: "subprocess.Popen[bytes]") -> tuple[int, float, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    calls, tail, most = process.stdout.readline().split()
    return int(calls), float(tail), float(most)


def lateness(programs: Programs) -> None:
    """How late a timer of 16.7 ms comes while another thread reads 60,000 VMAs without end."""
    print("\na timer of 16.7 ms beside readings of 60,000 VMAs: late by")
    sys.setswitchinterval(_TURN)
    with programs.running(60_000, 0, programs.file) as process:
        reader = AddressSpaceReader(Procfs(), process.pid, smaps=False)
        reader.read()
        for name, reading in (("alone", False), ("memtui, back to back", True)):
            stop = threading.Event()

            def work(stop: threading.Event = stop) -> None:
                with always_due():
                    while not stop.is_set():
                        reader.read()

            thread = threading.Thread(target=work)
            if reading:
                thread.start()
            late = []
            for _ in range(300):
                due = time.perf_counter() + 0.0167
                time.sleep(0.0167)
                late.append((time.perf_counter() - due) * 1000)
            stop.set()
            if reading:
                thread.join()
            late.sort()
            print(f"  {name:<34} median {late[150]:.2f} ms  p95 {late[285]:.2f} ms  max {late[-1]:.2f} ms")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    if shutil.which("gcc") is None:
        sys.exit("bench_live needs gcc")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; medians of {rounds}, ratios to the first line")
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(Path(folder))
        snapshots(programs, rounds)
        ranking(programs, rounds)
        stalls(programs, rounds)
        lateness(programs)


if __name__ == "__main__":
    main()
