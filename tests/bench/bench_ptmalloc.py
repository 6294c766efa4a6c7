"""How fast the simulated malloc is with the simulated mm behind it: calls a second against a bare free list.

    python -m tests.bench.bench_ptmalloc [rounds]

Both do the same random mallocs and frees, in one run. The peer keeps freed blocks by size and cuts new ones off an
end that never moves back: no bins, no merging, no pages. The model tells the kernel of every page that it writes, so
that faults, page tables and counters are all there, and of every system call.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from memtui.model.host import MachineFacts
from memtui.sim.kernel import exec_mm
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.profile import profile_for
from memtui.sim.process import NotedCalls
from memtui.sim.userspace.ptmalloc import Ptmalloc

BREAK = 0x5555_5555_9000
CALLS = 40_000
THREADS = 4
MIXES = {
    "small": [(1.0, 200)],
    "mixed": [(0.6, 200), (0.25, 2000), (0.12, 20_000), (0.03, 100_000)],
    "mapped": [(0.9, 2000), (0.1, 1 << 20)],
}
"""Shares of the requests, and how large they are at most; bytes."""


class Peer:
    """Size -> freed blocks, and the end of what was given: what one would write first."""

    def __init__(self) -> None:
        self.end = BREAK
        self.sizes: dict[int, int] = {}
        self.free: dict[int, list[int]] = {}

    def malloc(self, size: int) -> int:
        size = max(32, size + 23 & -16)
        freed = self.free.get(size)
        if freed:
            block = freed.pop()
        else:
            block = self.end
            self.end += size
        self.sizes[block] = size
        return block

    def release(self, block: int) -> None:
        self.free.setdefault(self.sizes.pop(block), []).append(block)

    def run_as(self, tid: int) -> None:
        """It has no threads."""


class Simulated:
    """The same calls in the model, on a simulated kernel."""

    def __init__(self) -> None:
        kernel = Kernel(MachineFacts(totalram_pages=1 << 22, sysctl={"overcommit_memory": 1}), profile_for("6.18"))
        task = exec_mm.first_task(kernel)
        task.mm.start_brk = task.mm.brk = BREAK
        calls = NotedCalls(kernel, task)
        libc = Ptmalloc(calls, calls.accessed)
        for tid in range(1, THREADS):
            libc.thread_start(tid)
        self.malloc, self.release, self.run_as = libc.malloc, libc.free, libc.run_as


class Call(NamedTuple):
    """A malloc of so many bytes, or with None the free of what call number `of` gave."""

    thread: int
    size: int | None
    of: int = 0


def calls(mix: str, threads: int, seed: int) -> list[Call]:
    """Random calls that keep some thousand blocks alive."""
    rng = random.Random(f"{mix}{seed}")
    shares, most = zip(*MIXES[mix], strict=True)
    made: list[Call] = []
    live: list[int] = []
    thread = 0
    for number in range(CALLS):
        if rng.random() < 0.1:
            thread = rng.randrange(threads)
        if live and rng.random() < (0.4 if len(live) < 3000 else 0.6):
            made.append(Call(thread, None, live.pop(rng.randrange(len(live)))))
        else:
            made.append(Call(thread, rng.randrange(rng.choices(most, shares)[0])))
            live.append(number)
    return made


def rate(make: Callable[[], Peer | Simulated], work: list[Call]) -> float:
    """Calls a second of CPU time."""
    system = make()
    blocks: dict[int, int] = {}
    malloc, release, run_as = system.malloc, system.release, system.run_as
    gc.collect()
    started = time.process_time()
    for number, (thread, size, of) in enumerate(work):
        run_as(thread)
        if size is None:
            release(blocks.pop(of))
        else:
            blocks[number] = malloc(size)
    return len(work) / (time.process_time() - started)


def main() -> None:
    """Print the medians, and how many times the peer is faster."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for mix in MIXES:
        for threads in (1, THREADS):
            works = [calls(mix, threads, seed) for seed in range(rounds)]
            model, peer = (statistics.median(rate(make, work) for work in works) for make in (Simulated, Peer))
            sys.stdout.write(
                f"{mix:7} {threads} thread(s): {model:10,.0f} calls/s, bare free list {peer:12,.0f}, "
                f"ratio {peer / model:5.1f}\n"
            )


if __name__ == "__main__":
    main()
