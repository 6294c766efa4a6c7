"""How fast the simulated mm is: calls a second against a bare SortedDict of ranges, all in one run.

    python -m tests.bench.bench_vma [rounds]

Both do the same random mmap(MAP_FIXED), munmap and mprotect; the peer keeps only ranges with a protection, cuts
them and joins equal neighbours. The simulated kernel has all its rules on: limits, charge, anon_vmas, page tables.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable

from sortedcontainers import SortedDict

from memtui.model.host import MachineFacts
from memtui.sim.kernel import exec_mm, mmap, mprotect, munmap
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.profile import profile_for

PAGE = 4096
BASE = 0x1000_0000_0000
MAP_FIXED_PRIVATE = 0x32
CALLS = 20_000
Call = tuple[str, int, int, int]


class Peer:
    """start -> (end, protection) in a SortedDict: what one would write first."""

    def __init__(self) -> None:
        self.ranges: SortedDict = SortedDict()

    def cut(self, at: int) -> None:
        index = self.ranges.bisect_right(at) - 1
        if index >= 0:
            start, (end, prot) = self.ranges.peekitem(index)
            if start < at < end:
                self.ranges[start] = (at, prot)
                self.ranges[at] = (end, prot)

    def inside(self, start: int, end: int) -> list[int]:
        self.cut(start)
        self.cut(end)
        return list(self.ranges.irange(start, end, inclusive=(True, False)))

    def munmap(self, start: int, end: int) -> None:
        for key in self.inside(start, end):
            del self.ranges[key]

    def put(self, start: int, end: int, prot: int) -> None:
        index = self.ranges.bisect_left(start)
        if index < len(self.ranges):
            following, (last, other) = self.ranges.peekitem(index)
            if following == end and other == prot:
                del self.ranges[following]
                end = last
        if index:
            before, (last, other) = self.ranges.peekitem(index - 1)
            if last == start and other == prot:
                start = before
        self.ranges[start] = (end, prot)

    def run(self, call: Call) -> None:
        name, start, end, prot = call
        if name == "mprotect":
            for key, last in [(key, self.ranges.pop(key)[0]) for key in self.inside(start, end)]:
                self.put(key, last, prot)
            return
        self.munmap(start, end)
        if name == "mmap":
            self.put(start, end, prot)


class Simulated:
    """The same calls on the simulated kernel."""

    def __init__(self) -> None:
        facts = MachineFacts(totalram_pages=1 << 40, sysctl={"max_map_count": 1 << 30, "overcommit_memory": 1})
        self.kernel = Kernel(facts, profile_for("6.18"))
        self.task = exec_mm.first_task(self.kernel)

    def run(self, call: Call) -> None:
        name, start, end, prot = call
        if name == "mmap":
            mmap.sys_mmap(self.kernel, self.task, start, end - start, prot, MAP_FIXED_PRIVATE, -1, 0)
        elif name == "munmap":
            munmap.sys_munmap(self.kernel, self.task, start, end - start)
        else:
            mprotect.sys_mprotect(self.kernel, self.task, start, end - start, prot)


def layout(count: int) -> list[Call]:
    """`count` mappings of 4 pages, one page apart."""
    return [("mmap", BASE + n * 5 * PAGE, BASE + (n * 5 + 4) * PAGE, 1 + n % 3) for n in range(count)]


def calls(count: int, seed: int, number: int = CALLS) -> list[Call]:
    """Random calls over the room of `layout(count)`; they keep the number of mappings about the same."""
    rng = random.Random(seed)
    found = []
    for _ in range(number):
        start = BASE + rng.randrange(count * 5) * PAGE
        name = rng.choice(("mmap", "munmap", "mprotect"))
        found.append((name, start, start + rng.randrange(1, 9) * PAGE, rng.randrange(1, 4)))
    return found


def rate(make: Callable[[], Peer | Simulated], count: int, seed: int) -> tuple[float, int]:
    """Calls a second with about `count` mappings alive, and how many there are at the end."""
    system = make()
    for call in layout(count):
        system.run(call)
    work = calls(count, seed)
    gc.collect()
    started = time.process_time()
    for call in work:
        system.run(call)
    elapsed = time.process_time() - started
    alive = len(system.ranges) if isinstance(system, Peer) else system.task.mm.map_count
    return len(work) / elapsed, alive


def search_rate(count: int) -> float:
    """mmap without a hint and munmap of it, calls a second, below `count` mappings that leave no room between."""
    system = Simulated()
    top = system.task.mm.mmap_base
    for n in range(count):
        system.run(("mmap", top - (2 * n + 1) * PAGE, top - 2 * n * PAGE, 3))
    started = time.process_time()
    for _ in range(CALLS // 4):
        place = mmap.sys_mmap(system.kernel, system.task, 0, 3 * PAGE, 3, 0x22, -1, 0).value
        munmap.sys_munmap(system.kernel, system.task, place, 3 * PAGE)
    return CALLS // 2 / (time.process_time() - started)


def main(rounds: int = 3) -> None:
    sizes = (1_000, 10_000, 60_000)
    peer: dict[int, list[float]] = {size: [] for size in sizes}
    ours: dict[int, list[float]] = {size: [] for size in sizes}
    search: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(rounds):
        for size in sizes:
            peer[size].append(rate(Peer, size, turn)[0])
            ours[size].append(rate(Simulated, size, turn)[0])
            search[size].append(search_rate(size))
    print(f"{'VMAs':>8} {'SortedDict':>12} {'simulated':>12} {'ratio':>7} {'search':>12}   calls/s, median of {rounds}")
    median = statistics.median
    for size in sizes:
        bare, full = median(peer[size]), median(ours[size])
        print(f"{size:>8,} {bare:>12,.0f} {full:>12,.0f} {full / bare:>7.2f} {median(search[size]):>12,.0f}")
    slow = median(ours[1_000]) / median(ours[60_000])
    print(f"a call at 60,000 VMAs costs {slow:.2f} times one at 1,000 (goal: at most 2)")
    print(f"a search at 60,000 VMAs costs {median(search[1_000]) / median(search[60_000]):.2f} times one at 1,000")
    print(f"at 10,000 VMAs {median(ours[10_000]) / median(peer[10_000]):.2f} of the SortedDict (goal: at least 0.5)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
