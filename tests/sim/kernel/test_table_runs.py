"""Runs of equal page tables: nothing that can be seen differs from tables kept one by one, and large is quick."""

import random
import time
from dataclasses import replace

import pytest

from memtui.model.errors import ParseError
from memtui.model.host import MachineFacts
from memtui.scenarios.host import ScenarioHost
from memtui.sim.checkpoints import Checkpoints
from memtui.sim.export import Exporter
from memtui.sim.kernel import fault_tables
from memtui.sim.kernel.page_leaf import ENTRIES, Leaf
from memtui.sim.kernel.table_run import TableRun
from memtui.sim.machine import Machine
from memtui.trace.parser import parse

NEVER = 1 << 40
MIB = 1 << 20


class Host(ScenarioHost):
    """The recorded machine with another setting of transparent huge pages."""

    def __init__(self, thp: str) -> None:
        super().__init__()
        self.thp = thp

    def machine(self) -> MachineFacts:
        return replace(super().machine(), thp_enabled=self.thp)


class Program:
    """Lines of a random program whose regions hold many whole tables; several processes on a machine of some size."""

    KINDS = ("map", "touch", "touch", "touch", "touch", "fork", "fork", "give_up", "change", "unmap", "lock", "exit")

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"table-runs-{seed}")
        ram, swap = self.random.choice((48, 128, 1024, 1 << 16)), self.random.choice((0, 64))
        kernel = self.random.choice(("6.18", "6.18", "6.1", "2.6.32"))
        self.lines = [f'machine(ram={ram}M, swap={swap}M, kernel="{kernel}", cache="cold")']
        if kernel == "6.18" and self.random.random() < 0.15:
            self.lines += ['mkdir("/sys/fs/cgroup/g", 0755)', "echo 40M > /sys/fs/cgroup/g/memory.max"]
            self.lines += ["echo 1000 > /sys/fs/cgroup/g/cgroup.procs"]
        self.regions: list[tuple[str, int]] = []
        self.pids = [1000]
        self.map(0)
        while len(self.lines) < 36:
            getattr(self, self.random.choice(self.KINDS))(len(self.lines))

    def add(self, call: str) -> None:
        self.lines.append(f"[pid {self.random.choice(self.pids)}] {call}")

    def part(self) -> tuple[str, int]:
        name, size = self.random.choice(self.regions)
        if self.random.random() < 0.3:
            return name, size
        low = self.random.randrange(size) & -self.random.choice((4096, 4096, 2 * MIB))
        return f"{name}+{low}", max(self.random.randrange(size - low) & -self.random.choice((4096, 2 * MIB)), 4096)

    def map(self, at: int) -> None:
        size = self.random.choice((2, 5, 8, 20, 33)) * MIB
        where = self.random.choice(("NULL", f"{0x2000_0000_0000 + at * 64 * MIB:#x}"))
        fixed = "" if where == "NULL" else "|MAP_FIXED"
        flags = f"MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE{fixed}"
        self.lines.append(f"[pid 1000] m{at} = mmap({where}, {size}, PROT_READ|PROT_WRITE, {flags}, -1, 0)")
        self.regions.append((f"m{at}", size))

    def touch(self, at: int) -> None:
        place, size = self.part()
        self.add(f"touch({place}, {size}, {self.random.choice(('READ', 'WRITE', 'WRITE'))})")

    def fork(self, at: int) -> None:
        if len(self.pids) < 4:
            self.add(f"fork() = {1000 + at}")
            self.pids.append(1000 + at)

    def give_up(self, at: int) -> None:
        place, size = self.part()
        advice = self.random.choice(
            ("DONTNEED", "DONTNEED", "FREE", "PAGEOUT", "COLLAPSE", "NOHUGEPAGE", "GUARD_INSTALL")
        )
        self.add(f"madvise({place}, {size}, MADV_{advice})")

    def change(self, at: int) -> None:
        place, size = self.part()
        if self.random.random() < 0.5:
            self.add(f"mprotect({place}, {size}, {self.random.choice(('PROT_READ', 'PROT_READ|PROT_WRITE'))})")
        else:
            target = 0x3000_0000_0000 + at * 64 * MIB
            self.add(f"mremap({place}, {size}, {size}, MREMAP_MAYMOVE|MREMAP_FIXED, {target:#x})")

    def unmap(self, at: int) -> None:
        place, size = self.part()
        self.add(f"munmap({place}, {size})")

    def lock(self, at: int) -> None:
        place, size = self.part()
        self.add(f"{self.random.choice(('mlock', 'munlock'))}({place}, {size})")

    def exit(self, at: int) -> None:
        if len(self.pids) > 2:
            self.lines.append(f"[pid {self.pids.pop()}] exit_group(0)")


def listed(machine: Machine) -> list[object]:
    """The LRU lists from the youngest page on, a table or a range of a file at a time."""
    found: list[object] = []
    for lru in machine.world.kernel.lruvec.lists:
        for run in lru:
            owner = run.owner
            if isinstance(owner, TableRun):
                indexes = range(owner.first, owner.behind)
                found += [(lru.number, index, 0, ENTRIES, run.flags) for index in reversed(indexes)]
            else:
                name = owner.index if isinstance(owner, Leaf) else getattr(owner, "label", "swap cache")
                found.append((lru.number, name, run.low, run.high, run.flags))
    return found


def states(lines: list[str], thp: str, fewest: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """All that can be seen after each step."""
    monkeypatch.setattr(fault_tables, "FEWEST", fewest)
    program = list(parse("\n".join(lines), "test.trace").statements)
    host = Host(thp)
    machine, exporter, checkpoints, seen = Machine(host, program), Exporter("test"), Checkpoints(host), []
    while machine.position < len(program):
        try:
            record = machine.step()
        except ParseError:
            del program[machine.position]
            continue
        machine.check()
        if machine.position % 7 == 0:
            machine = checkpoints.loaded(checkpoints.saved(machine))
            machine.check()
        kernel = machine.world.kernel
        tasks = [(task.pid, task.min_flt, task.maj_flt, task.mm.pages.tables) for task in kernel.tasks.values()]
        pictures = [exporter.export(machine, pid) for pid in kernel.tasks]
        shown = [(picture.mm.vmas, picture.mm.counters) for picture in pictures if picture.mm is not None]
        system = [(p.system.meminfo, p.system.vmstat, p.system.zones, p.tasks) for p in pictures[:1]]
        seen.append((record.text, record.why, record.events, tasks, shown, system, listed(machine)))
    return seen


def cost(ram: str, size: str, half: str) -> float:
    """CPU seconds of a life with a fork, with a picture after every step."""
    text = f"""machine(ram={ram}, swap=0, kernel="6.18")
m = mmap(NULL, {size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
touch(m, {size}, WRITE)
fork() = 1001
[pid 1001] touch(m, 1M, WRITE)
[pid 1000] touch(m, {size}, READ)
[pid 1001] touch(m, {size}, WRITE)
[pid 1001] exit_group(0)
[pid 1000] madvise(m, {half}, MADV_DONTNEED)
[pid 1000] munmap(m, {half})
[pid 1000] exit_group(0)"""
    program = list(parse(text, "test.trace").statements)
    machine, exporter = Machine(ScenarioHost(), program), Exporter("test")
    before = time.process_time()
    while machine.position < len(program):
        machine.step()
        exporter.export(machine, None)
    return time.process_time() - before


def test_a_process_of_100_gib_costs_what_a_small_one_does() -> None:
    small = min(cost("1G", "100M", "50M") for _ in range(3))
    large = min(cost("1T", "100G", "50G") for _ in range(3))
    assert large < 10 * small + 0.05, "51,200 tables one by one take thousands of times as long"


@pytest.mark.parametrize("seed", range(24))
def test_a_run_of_tables_is_what_its_tables_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Program(seed).lines
    thp = ("never", "always")[seed % 3 == 2]
    apart = states(lines, thp, NEVER, monkeypatch)
    for at, (one, run) in enumerate(zip(apart, states(lines, thp, 1 + seed % 2, monkeypatch), strict=True)):
        for alone, together in zip(one, run, strict=True):
            assert alone == together, (at, one[0])
