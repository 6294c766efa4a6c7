"""Frames, lists and reclaim: random programs on small machines, and the rules one by one."""

import random

import pytest

from memtui.model.errors import ParseError
from memtui.model.event import EventKind
from memtui.model.oom_legacy import LegacyTask, arithmetic, badness_2_6_32, oom_adj_of, sacrifice, score_adj_of, select
from memtui.scenarios.host import ScenarioHost
from memtui.sim.kernel.lru import ACTIVE_FILE, INACTIVE_FILE, Lruvec
from memtui.sim.kernel.mmzone import Zone, default_min_free_kbytes, set_watermarks, totalreserve_pages, zones_of
from memtui.sim.kernel.profile import EXACT, profile_for
from memtui.sim.kernel.vmscan import pressure
from memtui.sim.machine import Machine
from memtui.sim.meminfo import meminfo
from memtui.trace.parser import parse

FILE = "/data/archive"


def machine(text: str) -> Machine:
    """Run a trace; every invariant holds after every step."""
    program = list(parse(text, "test.trace").statements)
    made = Machine(ScenarioHost(), program)
    while made.position < len(program):
        try:
            made.step()
        except ParseError:
            del program[made.position]  # it names what a dead process never got
            continue
        made.check()
    return made


class Program:
    """Lines of a random program: several processes, anonymous, shared and file memory, more than there is room for."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"reclaim-{seed}")
        ram, swap = self._random.choice((16, 32, 64)), self._random.choice((0, 8, 64))
        self.lines = [f'machine(ram={ram}M, swap={swap}M, kernel="6.18", cache="cold")']
        self._regions: list[tuple[str, int]] = []
        self._files: list[str] = []
        self._pids = [1000]
        while len(self.lines) < 40:
            getattr(self, self._random.choice(self.KINDS))(len(self.lines))

    KINDS = ("map", "open", "touch", "touch", "touch", "touch", "io", "io", "map_file", "admin", "fork", "advise")

    def _pid(self) -> str:
        return f"[pid {self._random.choice(self._pids)}] "

    def map(self, at: int) -> None:
        size = self._random.choice((64, 512, 4096, 12000, 40000))
        kind = self._random.choice(("PRIVATE", "PRIVATE", "SHARED"))
        self.lines.append(f"m{at} = mmap(NULL, {size}K, PROT_READ|PROT_WRITE, MAP_{kind}|MAP_ANONYMOUS, -1, 0)")
        self._regions.append((f"m{at}", size))

    def open(self, at: int) -> None:
        name = self._random.choice((FILE, "/data/words", "/dev/shm/a", "/data/new"))
        self.lines.append(f'f{at} = open("{name}", O_RDWR|O_CREAT, 0644)')
        self._files.append(f"f{at}")

    def touch(self, _: int) -> None:
        if self._regions:
            name, size = self._random.choice(self._regions)
            first = self._random.randrange(size // 4) * 4
            kind = self._random.choice(("READ", "WRITE", "WRITE"))
            self.lines.append(f"{self._pid()}touch({name}+{first}K, {self._random.randrange(4, size + 1)}K, {kind})")

    def io(self, _: int) -> None:
        if self._files:
            call = self._random.choice(("pread64", "pwrite64"))
            size, at = self._random.choice((4096, 65536, 1 << 20, 5 << 20)), self._random.randrange(2000) * 4096
            self.lines.append(f'{call}({self._random.choice(self._files)}, "", {size}, {at})')

    def map_file(self, at: int) -> None:
        if self._files:
            kind = self._random.choice(("PRIVATE", "SHARED"))
            file = self._random.choice(self._files)
            self.lines.append(f"m{at} = mmap(NULL, 1024K, PROT_READ|PROT_WRITE, MAP_{kind}, {file}, 0)")
            self._regions.append((f"m{at}", 1024))

    def admin(self, _: int) -> None:
        caches = f"echo {self._random.choice((1, 2, 3))} > /proc/sys/vm/drop_caches"
        swappiness = f"echo {self._random.choice((0, 100, 200))} > /proc/sys/vm/swappiness"
        self.lines.append(self._random.choice(("sync()", caches, "kswapd()", swappiness)))

    def fork(self, _: int) -> None:
        if len(self._pids) < 5:
            pid = 1000 + len(self._pids)
            self.lines.append(f"{self._pid()}fork() = {pid}")
            self._pids.append(pid)

    def advise(self, _: int) -> None:
        if self._regions:
            name, size = self._random.choice(self._regions)
            half = max(size // 8 * 4, 4)
            calls = (
                f"madvise({name}, {half}K, MADV_DONTNEED)",
                f"madvise({name}, {size}K, MADV_FREE)",
                f"madvise({name}, {size}K, MADV_PAGEOUT)",
                f"mlock({name}, {min(size, 400)}K)",
                f"munlock({name}, {size}K)",
                f"mremap({name}, {size}K, {size * 2}K, MREMAP_MAYMOVE)",
            )
            self.lines.append(self._pid() + self._random.choice(calls))


@pytest.mark.parametrize("seed", range(24))
def test_every_frame_is_in_one_place(seed: int):
    made = machine("\n".join(Program(seed).lines))
    again = machine("\n".join(Program(seed).lines))
    assert meminfo(made.world.kernel) == meminfo(again.world.kernel)


class TestZones:
    def test_small_and_large(self):
        assert [(zone.name, zone.managed) for zone in zones_of(16384)] == [("DMA", 3840), ("DMA32", 12544)]
        assert [zone.name for zone in zones_of(1 << 28)] == ["DMA", "DMA32", "Normal"]

    def test_marks_of_this_24_gib_machine(self):
        zones = [Zone("DMA", 3840), Zone("DMA32", 772915), Zone("Normal", 5394266)]
        set_watermarks(zones, 67584, 10, EXACT)
        assert [(zone.min, zone.low, zone.high) for zone in zones] == [
            (10, 13, 16), (2116, 2888, 3660), (14769, 20163, 25557),
        ]  # fmt: skip
        assert zones[0].reserves == (0, 3019, 24090)
        assert default_min_free_kbytes([zone.managed for zone in zones], EXACT, 10, thp=True) == 67584
        assert totalreserve_pages(zones) == 3840 + 3660 + 21071 + 25557

    def test_2_6_32_had_no_scale_factor_and_no_huge_pages(self):
        zones = zones_of(65536)
        profile = profile_for("2.6.32")
        assert default_min_free_kbytes([65536], profile, 10, thp=True) == 2048
        set_watermarks(zones, 2048, 10, profile)
        assert (zones[1].min, zones[1].low, zones[1].high) == (482, 602, 722)


class TestReadAhead:
    @pytest.mark.parametrize(("reads", "cached"), [(1, 4), (2, 20), (5, 36), (21, 52)])
    def test_the_window_of_a_sequential_reader(self, reads: int, cached: int):
        """With 32 pages at most: 4, then 16, then 16 more of the cap; by 4 KiB reads."""
        lines = ['machine(ram=64M, swap=0, kernel="6.18", cache="cold")', f'f = open("{FILE}", O_RDONLY)']
        made = machine("\n".join([*lines, *['read(f, "", 4096)'] * reads]))
        assert meminfo(made.world.kernel)["Cached"] // 4 >= min(cached, 4)

    def test_a_random_read_brings_just_the_page(self):
        text = f'machine(ram=64M, swap=0, kernel="6.18", cache="cold")\nf = open("{FILE}", O_RDONLY)\n'
        made = machine(text + 'pread64(f, "", 4096, 409600)')
        assert meminfo(made.world.kernel)["Cached"] == 4


def test_read_twice_is_active():
    text = f'machine(ram=64M, swap=0, kernel="6.18", cache="cold")\nf = open("{FILE}", O_RDONLY)\n'
    size = machine(text + 'pread64(f, "", 1M, 0)').world.kernel.lruvec.size
    assert (size(INACTIVE_FILE) >= 256, size(ACTIVE_FILE)) == (True, 0)
    size = machine(text + 'pread64(f, "", 1M, 0)\npread64(f, "", 1M, 0)').world.kernel.lruvec.size
    assert size(ACTIVE_FILE) == 256


def test_what_comes_back_soon_starts_active():
    read = 'pread64(f, "", 40M, 0)\n'
    text = (
        'machine(ram=64M, swap=64M, kernel="6.18", cache="cold")\n'
        f'f = open("{FILE}", O_RDONLY)\n{read}{read}'
        "m = mmap(NULL, 30M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        f"touch(m, 30M, WRITE)\n{read}"
    )
    events = machine(text).world.kernel.vmevents
    assert events["workingset_refault_file"] > 0
    assert events["workingset_activate_file"] > 0


def test_the_lists_age_by_size():
    lruvec = Lruvec()
    lruvec.lists[ACTIVE_FILE].size, lruvec.lists[INACTIVE_FILE].size = 100, 99
    assert lruvec.inactive_is_low(INACTIVE_FILE)
    lruvec.lists[ACTIVE_FILE].size, lruvec.lists[INACTIVE_FILE].size = 1 << 20, 1 << 18
    assert not lruvec.inactive_is_low(INACTIVE_FILE)  # 5 GiB: a seventh is enough


@pytest.mark.parametrize(("swappiness", "shares"), [(0, (0, 200)), (60, (60, 140)), (100, (100, 100)), (200, (200, 0))])
def test_the_shares_without_costs(swappiness: int, shares: tuple[int, int]):
    assert pressure(swappiness, 0, 0) == shares


def test_an_old_kernel_takes_swappiness_to_100():
    text = 'machine(ram=64M, swap=0, kernel="{}")\necho 101 > /proc/sys/vm/swappiness'
    assert machine(text.format("5.7")).events[0].kind is EventKind.FAILURE
    assert machine(text.format("5.8")).events == ()


class TestLegacyBadness:
    TASK = LegacyTask(1, "job", 25600, (2560, 2560), 10000, 36000, nice=5, sys_admin=True, sys_rawio=True)

    def test_the_worked_example(self):
        """100 s of CPU time at HZ 100, ten hours old, two children, niced, root."""
        points = [term.points for term in arithmetic(self.TASK, 100)]
        assert points == [25600, 28162, 9387, 4693, 9386, 2346, 586]
        assert badness_2_6_32(self.TASK._replace(oom_adj=2), 100) == 2344
        assert badness_2_6_32(self.TASK._replace(oom_adj=-2), 100) == 146
        assert badness_2_6_32(self.TASK._replace(oom_adj=-17), 100) == 0

    def test_the_earlier_of_equals_and_children_first(self):
        one, two = LegacyTask(1, "a", 100), LegacyTask(2, "b", 100)
        assert select((one, two)) is one
        assert sacrifice(one, (two,)) is two
        assert sacrifice(one, (two._replace(oom_adj=-17),)) is one
        assert select((one._replace(oom_adj=-17),)) is None

    @pytest.mark.parametrize(
        ("old", "new"), [(15, 1000), (14, 823), (8, 470), (2, 117), (1, 58), (0, 0), (-16, -941), (-17, -1000)]
    )
    def test_conversion(self, old: int, new: int):
        assert score_adj_of(old) == new

    def test_no_round_trip(self):
        assert (oom_adj_of(score_adj_of(2)), oom_adj_of(1000), oom_adj_of(-1000)) == (1, 15, -17)


def test_2_6_32_kills_by_address_space_and_takes_a_child():
    text = """machine(ram=64M, swap=0, kernel="2.6.32", cache="cold")
prctl(PR_SET_NAME, "parent")
echo 1 > /proc/sys/vm/overcommit_memory
big = mmap(NULL, 200M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
fork() = 1001
[pid 1001] prctl(PR_SET_NAME, "child")
fork() = 1002
[pid 1002] munmap(big, 200M)
[pid 1002] mine = mmap(NULL, 80M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
[pid 1002] touch(mine, 80M, WRITE)
"""
    made = machine(text)
    killed = [event.text for event in made.events if event.kind is EventKind.OOM_KILL]
    assert "Killed process 1001 (child)" in killed[0]
    assert "its child 1001 dies in its place" in killed[0]


@pytest.mark.parametrize(
    "lines",
    [
        "big = mmap(NULL, 100G, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE, -1, 0)",
        "p = mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_LOCKED, -1, 0)\nmremap(p, 4K, 100G, 1)",
        'fd = memfd_create("m", 0)\npwrite64(fd, ""..., 40M, 1048576)',
        'fd = openat(AT_FDCWD, "/demo/file", O_RDWR|O_CREAT, 0600)\npwrite64(fd, ""..., 200M, 4096)',
    ],
    ids=["page-tables", "locked-page-tables", "memfd", "file"],
)
@pytest.mark.parametrize("release", ["6.18", "4.4"])
def test_what_is_larger_than_the_machine_never_takes_more_than_there_is(release: str, lines: str):
    made = machine(f'machine(ram=16M, swap=4M, kernel="{release}")\n{lines}\n')
    assert all(zone.free >= 0 for zone in made.world.kernel.zones)


def test_locking_more_than_there_is_ends_in_one_kill():
    made = machine(
        """machine(ram=16M, swap=0)
big = mmap(NULL, 64M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)
fd = memfd_create("m", 0)
ftruncate(fd, 64M)
shared = mmap(NULL, 64M, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0)
mlockall(MCL_CURRENT)
"""
    )
    assert [event.kind for event in made.events].count(EventKind.OOM_KILL) == 1
