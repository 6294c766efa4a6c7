"""Real OOM kills in a memory cgroup of the test's own: whom the simulator's ranking puts first is who dies."""

import contextlib
import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path as FilePath

import pytest

from memtui.live.cgroup import find_cgroup, members
from memtui.live.processes import read_tasks
from memtui.live.procfs import Procfs
from memtui.model.oom import badness, oom_score, rank
from memtui.model.task import Task

MEMORY = FilePath("/sys/fs/cgroup/memory")
LIMIT = 32 << 20
LIMIT_PAGES = LIMIT >> 12
SOURCE = FilePath(__file__).with_name("oom_child.c")
KERNEL_SIDE = 500
"""Pages that page tables and stacks of the children may take of the limit."""
_TRIES = 12
MARGIN = 700
"""Points between the first and the second, so that what the kernel itself takes does not decide."""


def missing() -> str | None:
    """Why no cgroup can be made here, or None."""
    if not (MEMORY / "memory.limit_in_bytes").exists():
        return "there is no v1 memory hierarchy"
    return None if os.access(MEMORY, os.W_OK) else "making a cgroup needs root"


pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    """The compiled child."""
    path = tmp_path_factory.mktemp("oom") / "oom_child"
    subprocess.run(["gcc", "-O1", "-static", "-o", str(path), str(SOURCE)], check=True, capture_output=True)
    return path


class Group:
    """A cgroup with a limit, and the children in it, in the order in which they joined."""

    def __init__(self, path: FilePath, binary: FilePath) -> None:
        self.path = path
        self._binary = binary
        self.children: list[subprocess.Popen[bytes]] = []

    def child(self, pages: int, adj: int) -> subprocess.Popen[bytes]:
        """A process that joins the cgroup and takes so many pages."""
        # On one CPU the killer's rough counters lag alike, and without ASLR twins have equally many page tables.
        command = ["taskset", "-c", "0", "setarch", "-R", str(self._binary)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (self.path / "cgroup.procs").write_text(str(process.pid))
        FilePath(f"/proc/{process.pid}/oom_score_adj").write_text(str(adj))
        self.children.append(process)
        if pages:
            assert self.grow(process, pages)
        return process

    def grow(self, process: subprocess.Popen[bytes], pages: int | str) -> bool:
        """Let a child take pages, of a kind if a letter says so (oom_child.c); whether it lived to tell."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{pages}\n".encode())
        process.stdin.flush()
        return process.stdout.readline() == b"ok\n"

    @property
    def used(self) -> int:
        """What is charged, pages."""
        return int((self.path / "memory.usage_in_bytes").read_text()) >> 12

    def tasks(self) -> list[Task]:
        """The living children as the killer sees them, in its order: with the rough rss that it reads."""
        living = [child.pid for child in self.children if child.poll() is None]
        return [task._replace(rss_pages=rough_rss(task.pid)) for task in read_tasks(Procfs(), living)]

    def part_with(self, child: subprocess.Popen[bytes]) -> None:
        """End a child of ours; it was never there."""
        child.kill()
        child.communicate()
        self.children.remove(child)

    def twins(self, count: int, pages: int, adj: int) -> None:
        """So many children with equally many points, as the killer sees them.

        How much of the program's file a child maps depends on what else this machine does with its page cache.
        """
        for _ in range(_TRIES):
            self.child(pages, adj)
            tasks = self.tasks()
            for group in Counter(badness(task, LIMIT_PAGES) for task in tasks).most_common(1):
                odd = [task.pid for task in tasks if badness(task, LIMIT_PAGES) != group[0]]
                if group[1] == count or len(tasks) > count:
                    for child in [child for child in self.children if child.pid in odd]:
                        self.part_with(child)
                if group[1] == count:
                    return
        pytest.fail(f"no {count} of {_TRIES} children are alike")

    def grow_until_one_dies(self, grower: subprocess.Popen[bytes]) -> None:
        """Ask for what is left of the limit and more: some of it reclaim can still find."""
        for _ in range(_TRIES):
            if not self.grow(grower, max(LIMIT_PAGES - self.used, 0) + 64):
                grower.wait(10)
                return
            for _ in range(50):
                if killed(self):
                    return
                time.sleep(0.01)
        pytest.fail("the limit was never reached")


def rough_rss(pid: int) -> int:
    """What get_mm_rss() gives the killer, pages: the counters without what the CPUs have not added yet.

    /proc/PID/stat prints the same; status and statm print the exact sums.
    """
    stats = FilePath(f"/proc/{pid}/task").glob("*/stat")  # a main thread that exited has none
    return max(int(stat.read_text().rpartition(")")[2].split()[21]) for stat in stats)


@contextlib.contextmanager
def group(binary: FilePath, name: str) -> Iterator[Group]:
    path = MEMORY / f"memtui-{os.getpid()}-{name}"
    path.mkdir()
    made = Group(path, binary)
    try:
        (path / "memory.limit_in_bytes").write_text(str(LIMIT))
        (path / "memory.swappiness").write_text("0")
        yield made
    finally:
        for child in made.children:
            child.kill()
            child.communicate()
        path.rmdir()


def totalpages() -> int:
    text = FilePath("/proc/meminfo").read_text()
    figures = [int(found) for found in re.findall(r"^(?:MemTotal|SwapTotal):\s+(\d+)", text, re.MULTILINE)]
    return sum(figure // 4 for figure in figures)


def killed(made: Group) -> list[int]:
    return [child.pid for child in made.children if child.poll() == -9]


def sizes(seed: random.Random) -> list[tuple[int, int]]:
    """Pages and oom_score_adj of three children that fit into the limit."""
    pages = [seed.randrange(500, 2200) for _ in range(3)]
    return [(count, seed.choice((0, 0, 100, 250, 400, 1000))) for count in pages]


def expected(tasks: list[Task], grower: int, left: int) -> tuple[list[int], int]:
    """The pids in the killer's order once `grower` holds `left` pages more, and the points between the first two."""
    grown = [task._replace(rss_pages=(task.rss_pages or 0) + left) if task.pid == grower else task for task in tasks]
    ranking = rank(grown, LIMIT_PAGES, totalpages())
    points = [verdict.points or 0 for verdict in ranking]
    return [verdict.task.pid for verdict in ranking], points[0] - points[1]


def clear_order(made: Group, grower: subprocess.Popen[bytes]) -> list[int]:
    """The predicted order, once adjustments have put the first far enough before the second."""
    while True:
        order, margin = expected(made.tasks(), grower.pid, LIMIT_PAGES - made.used)
        if margin > MARGIN + 200:
            return order
        loser = next(child for child in made.children if child.pid == order[0])
        adj = int(FilePath(f"/proc/{loser.pid}/oom_score_adj").read_text())
        FilePath(f"/proc/{loser.pid}/oom_score_adj").write_text(str(min(adj + 200, 1000)))
        if adj == 1000:
            other = next(child for child in made.children if child.pid == order[1])
            FilePath(f"/proc/{other.pid}/oom_score_adj").write_text("0")


@pytest.mark.parametrize("number", range(16))
def test_the_predicted_victim_dies(binary: FilePath, number: int):
    seed = random.Random(f"oom-{number}")
    with group(binary, f"kill{number}") as made:
        for pages, adj in sizes(seed):
            made.child(pages, adj)
        grower = made.child(0, seed.choice((0, 50, 200)))
        order = clear_order(made, grower)
        made.grow_until_one_dies(grower)
        assert killed(made) == [order[0]]


@pytest.mark.parametrize("kinds", [("s1800", "900"), ("p900", "700"), ("l1500", "s600"), ("p500", "m1400", "l300")])
def test_shared_locked_and_page_tables_count_alike(binary: FilePath, kinds: tuple[str, ...]):
    with group(binary, f"kinds-{'-'.join(kinds)}") as made:
        for kind in kinds:
            assert made.grow(made.child(0, 450), kind)
        grower = made.child(0, 0)
        order = clear_order(made, grower)
        made.grow_until_one_dies(grower)
        assert killed(made) == [order[0]]


@pytest.mark.parametrize("number", range(6))
def test_of_equals_the_last_to_join_dies(binary: FilePath, number: int):
    seed = random.Random(f"tie-{number}")
    pages, adj = seed.randrange(600, 1800), seed.choice((600, 700, 800))
    with group(binary, f"tie{number}") as made:
        made.twins(seed.choice((2, 3)), pages, adj)
        grower = made.child(0, 0)
        tasks = made.tasks()
        twins = tasks[:-1]
        assert len({badness(task, LIMIT_PAGES) for task in twins}) == 1
        order, _ = expected(tasks, grower.pid, LIMIT_PAGES - made.used)
        assert order[0] == twins[-1].pid
        made.grow_until_one_dies(grower)
        assert killed(made) == [order[0]]


def test_a_process_whose_main_thread_has_exited_dies_by_what_its_others_have(binary: FilePath):
    with group(binary, "alone") as made:
        made.child(1200, 500)
        loser = made.child(0, 1000)
        assert not made.grow(loser, "x"), "it says that it is ready"
        while " Z " not in FilePath(f"/proc/{loser.pid}/stat").read_text():
            time.sleep(0.001)
        assert made.grow(loser, 900)
        assert members(Procfs(), find_cgroup(Procfs(), made.path.name)) == sorted(child.pid for child in made.children)
        grower = made.child(0, 0)
        order, margin = expected(made.tasks(), grower.pid, LIMIT_PAGES - made.used)
        assert order[0] == loser.pid
        assert margin > MARGIN
        made.grow_until_one_dies(grower)
        assert killed(made) == [loser.pid]


def test_oom_score_of_many_sizes_and_adjustments(binary: FilePath):
    """What /proc/PID/oom_score says, for one process that grows, at each of many adjustments."""
    total, compared = totalpages(), 0
    with subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        seed = random.Random("oom-score")
        for pages in (1, 60, 700, 4000, 20000, 60000):
            process.stdin.write(f"{pages}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == b"ok\n"
            for adj in (0, 1, 999, 1000, *(seed.randrange(1001) for _ in range(10))):
                FilePath(f"/proc/{process.pid}/oom_score_adj").write_text(str(adj))
                task = next(task for task in read_tasks(Procfs()) if task.pid == process.pid)
                score = oom_score(badness(task, total), total)
                # The counters that the kernel reads here lag by up to 31 pages a CPU and kind: less than a point.
                assert abs(score - (task.kernel_oom_score or 0)) <= (64 * 3 * 1000 // total * 2 // 3)
                compared += 1
        process.stdin.close()
    assert compared == 6 * 14
