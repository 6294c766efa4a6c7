"""Memory cgroups: what is charged to them, and who dies when one is full."""

import pickle
import random
from dataclasses import replace

import pytest

from memtui.model.event import EventKind
from memtui.model.host import MachineFacts
from memtui.model.oom import rank
from memtui.scenarios.host import ScenarioHost
from memtui.sim.kernel import memcontrol, oom_kill
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exec_mm import first_task
from memtui.sim.kernel.fault import access
from memtui.sim.kernel.fork import sys_fork
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.memcontrol import MemoryCgroup
from memtui.sim.kernel.mmap import sys_mmap
from memtui.sim.kernel.profile import EXACT
from memtui.sim.kernel.task import Task
from memtui.sim.machine import Machine
from memtui.trace.parser import parse

PAGE = 4096
LIMIT = 4096


class World:
    """A machine with one group of 16 MiB."""

    def __init__(self, swap: int = 0) -> None:
        self.kernel = Kernel(MachineFacts(totalram_pages=1 << 18, total_swap_pages=swap), EXACT)
        self.shell = first_task(self.kernel, "shell")
        self.shell.mm.mmap_base = 0x7FFF_F7FF_F000
        self.group = self.kernel.memcgs["g"] = MemoryCgroup("g", limit=LIMIT, swappiness=0)

    def outsider(self) -> Task:
        """A process that is in no group."""
        return self.kernel.tasks[sys_fork(self.kernel, self.shell).value]

    def child(self, pages: int, adj: int = 0) -> Task:
        """A process that joins and then writes to so many pages."""
        task = self.outsider()
        memcontrol.join(self.kernel, self.group, task)
        task.oom_score_adj = adj
        self.grow(task, pages)
        return task

    def grow(self, task: Task, pages: int) -> str:
        """Write to more pages; the signal that comes of it."""
        base = sys_mmap(self.kernel, task, 0, max(pages, 1) * PAGE, 3, 0x22, -1, 0).value
        signal = access(self.kernel, task, base, pages * PAGE, write=True).signal if pages else ""
        assert check(self.kernel) == []
        return signal

    def used(self) -> int:
        """Pages charged."""
        return memcontrol.usage(self.kernel, self.group)


def test_what_a_process_had_before_it_joined_is_not_charged():
    world = World()
    task = world.outsider()
    world.grow(task, 500)
    memcontrol.join(world.kernel, world.group, task)
    assert world.used() == task.mm.pages.tables
    world.grow(task, 100)
    assert world.used() == 100 + task.mm.pages.tables


def test_a_state_that_was_kept_knows_what_is_not_charged():
    world = World()
    task = world.outsider()
    world.grow(task, 500)
    memcontrol.join(world.kernel, world.group, task)
    world.grow(task, 100)
    kernel, group = pickle.loads(pickle.dumps((world.kernel, world.group)))
    assert memcontrol.usage(kernel, group) == world.used() == 100 + task.mm.pages.tables


def test_a_child_is_in_its_parents_group_and_shares_its_charge():
    world = World()
    task = world.child(1000)
    before = world.used()
    child = world.kernel.tasks[sys_fork(world.kernel, task).value]
    assert child in world.group.members
    assert world.used() == before + child.mm.pages.tables


@pytest.mark.parametrize("number", range(40))
def test_the_one_ranked_first_dies(number: int):
    seed = random.Random(f"memcg-{number}")
    world = World()
    for _ in range(3):
        world.child(seed.choice((300, 600, 900, seed.randrange(1, 1200))), seed.choice((0, 0, 100, 400, 1000, -1000)))
    grower = world.child(0)
    world.grow(grower, LIMIT - world.used() - 40)
    members = list(world.group.members)
    first = [
        rank(
            [
                oom_kill.figures(world.kernel, task)._replace(rss_pages=task.mm.rss + (more if task is grower else 0))
                for task in members
            ],
            LIMIT,
            LIMIT,
        )[0].task.pid
        for more in (0, 40)
    ]
    world.grow(grower, 64)
    gone = [task.pid for task in members if task.exited]
    assert len(gone) == 1
    assert gone[0] in first


def test_of_equals_the_one_that_joined_last_dies():
    world = World()
    first, second = world.child(1500), world.child(1500)
    memcontrol.join(world.kernel, world.group, first)  # it is the last to join now
    world.group.before.clear()
    world.grow(world.child(0, adj=-999), 1400)
    assert first.exited
    assert not second.exited


def test_swap_counts_towards_the_total_if_the_group_may_swap():
    world = World(swap=1000)
    assert memcontrol.total_pages(world.kernel, world.group)[0] == LIMIT
    world.group.swappiness = None
    assert memcontrol.total_pages(world.kernel, world.group)[0] == LIMIT + 1000
    world.group.swap_max = 300
    assert memcontrol.total_pages(world.kernel, world.group)[0] == LIMIT + 300


def test_a_group_swaps_its_own_pages_only():
    world = World(swap=8192)
    world.group.swappiness = 60
    outside = world.outsider()
    world.grow(outside, 3000)
    task = world.child(3000)
    assert world.grow(task, 3000) == ""
    assert world.used() <= LIMIT
    assert task.mm.swap_pages >= 1900
    assert outside.mm.swap_pages == 0


def run(*lines: str) -> list[str]:
    """The failures and kills of a trace."""
    program = list(parse("machine(ram=64M, swap=0)\n" + "\n".join(lines)).statements)
    machine, found = Machine(ScenarioHost(), program), []
    while machine.position < len(program):
        found += [event.text for event in machine.step().events if event.kind is not EventKind.NOTE]
        machine.check()
    return found


def test_what_is_refused():
    assert "ENOENT" in run("echo 1M > /sys/fs/cgroup/nobody/memory.max")[0]
    made = 'mkdir("/sys/fs/cgroup/memory/g", 0755)'
    join = "echo 0 > /sys/fs/cgroup/memory/g/cgroup.procs"
    more = "m = mmap(NULL, 8M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    limit = "echo 4M > /sys/fs/cgroup/memory/g/memory.limit_in_bytes"
    assert "EBUSY" in run(made, join, more, "touch(m, 8M, WRITE)", limit)[0]
    assert "EINVAL" in run(made, "echo 201 > /sys/fs/cgroup/memory/g/memory.swappiness")[0]
    assert "ESRCH" in run(made, "echo 4711 > /sys/fs/cgroup/memory/g/cgroup.procs")[0]
    assert "EEXIST" in run(made, made)[0]
    assert "no effect" in run(made, "echo 1 > /sys/fs/cgroup/memory/g/memory.oom.group")[0]
    assert "EINVAL" in run('mkdir("/sys/fs/cgroup/g", 0755)', "echo 2 > /sys/fs/cgroup/g/memory.oom.group")[0]
    killed = next(text for text in run(made, join, limit, more, "touch(m, 8M, WRITE)") if "Killed" in text)
    assert killed.startswith("Memory cgroup g out of memory: Killed process 1000")


@pytest.mark.parametrize("together", [False, True])
def test_oom_group_kills_all_but_the_exempt(together: bool):
    world = World()
    world.group.oom_group = together
    small, big, exempt = world.child(10), world.child(3000), world.child(10, adj=-1000)
    outsider = world.outsider()
    assert "SIGKILL" in world.grow(big, 2000)
    alive = [task.pid in world.kernel.tasks for task in (small, big, exempt, outsider, world.shell)]
    assert alive == [not together, False, True, True, True]


def test_folios_of_files_are_referenced_and_reclaimed_whole():
    """One page of every second folio of 2 MiB was touched: these get another round, all of their pages."""
    made = ('mkdir("/sys/fs/cgroup/memory/g", 0755)', "echo 0 > /sys/fs/cgroup/memory/g/cgroup.procs")
    fill = ['fd = open("/data/f", O_RDWR|O_CREAT, 0644)', *['write(fd, "", 2M)'] * 8, "fsync(fd)"]
    use = [
        "m = mmap(NULL, 16M, PROT_READ, MAP_SHARED, fd, 0)",
        *[f"touch(m+{at}M, 4K, READ)" for at in range(0, 16, 4)],
    ]
    limits = [f"echo {limit}M > /sys/fs/cgroup/memory/g/memory.limit_in_bytes" for limit in (12, 9, 5)]
    program = parse("\n".join(['machine(ram=1G, kernel="6.18", cache="cold")', *made, *fill, *use, *limits]) + "\n")
    machine, cached = Machine(ScenarioHost(), program.statements), []
    for _ in program.statements:
        machine.step()
        machine.check()
        inode = next((inode for inode in machine.world.kernel.inodes if inode.label == "/data/f"), None)
        cached.append([at for at in range(8) if inode and 512 - inode.pages.missing(at * 512, 512) in range(1, 513)])
        assert inode is None or inode.pages.count == 512 * len(cached[-1])
    assert cached[-4:] == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 2, 4, 6, 7], [0, 2, 4, 6], [4, 6]]


class WideReadahead(ScenarioHost):
    """A disk that is read 8 MiB ahead."""

    def machine(self) -> MachineFacts:
        return replace(super().machine(), read_ahead_kb=8192)


@pytest.mark.parametrize(
    "small",
    [
        ["machine(ram=4M, swap=0)"],
        [
            "machine(ram=1G, swap=0)",
            'mkdir("/sys/fs/cgroup/g", 0755)',
            "echo 0 > /sys/fs/cgroup/g/cgroup.procs",
            "echo 2M > /sys/fs/cgroup/g/memory.max",
        ],
    ],
    ids=["machine", "group"],
)
def test_read_ahead_stops_before_it_would_push_out_what_it_reads(small: list[str]):
    read = ['fd = open("/data/f", O_RDWR|O_CREAT, 0644)', "ftruncate(fd, 32M)", 'read(fd, "", 32M)']
    program = list(parse("\n".join([*small, *read])).statements)
    machine = Machine(WideReadahead(), program)
    for _ in program:
        machine.step()
        machine.check()
    assert machine.world.kernel.vmevents["pgpgin"] == 32 << 10


@pytest.mark.parametrize("device", ["zram", "ssd", "disk"])
def test_what_a_group_has_in_the_swap_cache_is_charged_to_it(device: str):
    limit = "echo 16M > /sys/fs/cgroup/g/memory.max"
    group = ['mkdir("/sys/fs/cgroup/g", 0755)', "echo 0 > /sys/fs/cgroup/g/cgroup.procs", limit]
    memory = "m = mmap(NULL, 21M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    touches = ["touch(m, 21M, WRITE)", "touch(m, 21M, READ)", "touch(m, 12M, WRITE)"]
    first = f'machine(ram=1G, swap=8M, swap_device="{device}")'
    program = list(parse("\n".join([first, *group, memory, *touches])).statements)
    machine = Machine(ScenarioHost(), program)
    kernel = machine.world.kernel
    for _ in program:
        machine.step()
        machine.check()
        # Read-ahead may take what was granted a batch of faults that is still to come.
        assert all(memcontrol.usage(kernel, group) <= 4096 + 32 for group in kernel.memcgs.values())
        assert sum(lru.size for lru in kernel.lruvec.lists) <= 4096 + 32
    assert not kernel.vmevents["oom_kill"]
