"""What a long log costs, as ratios within one run: `python -m tests.bench.bench_replay [LINES]`."""

import sys
import time
from collections.abc import Callable

from memtui.model.request import Back, Seek
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.parser import parse

MAPPED = 200
"""Mappings that exist at a time."""


def log(lines: int) -> str:
    """A process that maps, reads files and unmaps, as strace writes it."""
    text = ['10 execve("/demo/hello", ["hello"], NULL) = 0']
    for number in range(lines // 4):
        text += [
            f"10 mmap(NULL, {4096 * (number % 40 + 1)}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
            '10 openat(AT_FDCWD, "/demo/hello", O_RDONLY) = 3',
            "10 close(3)                                = 0",
            f"10 munmap({0x7FFFF7000000 - 4096 * (number % MAPPED * 50):#x}, 4096) = 0",
        ]
    return "\n".join(text) + "\n"


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    text = log(lines)
    split = seconds(lambda: [line.split("(") for line in text.splitlines()])
    reading = seconds(lambda: parse(text, "bench"))
    source = SimSource(parse(text, "bench"), ScenarioHost(), "bench")
    running = seconds(lambda: source.apply(Seek(1 << 62)))
    jumps = [seconds(lambda place=place: source.apply(Seek(place))) for place in range(999, lines, lines // 16)]
    back = sorted(seconds(lambda: source.apply(Back())) for _ in range(64))
    print(f"{lines} lines: read {reading:.2f} s, {reading / split:.0f} times what splitting them takes")
    print(f"replay with checkpoints {running:.2f} s, {running / reading:.1f} times reading")
    print(
        f"a jump: median {sorted(jumps)[len(jumps) // 2] * 1e3:.1f} ms, worst {max(jumps) / running:.2%} of the replay"
    )
    print(f"a step back: median {back[32] * 1e3:.1f} ms, worst {back[-1] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
