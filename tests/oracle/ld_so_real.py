"""What the kernel and the installed dynamic linker do with programs, as ld_so_trace.c tells it."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

NAMES = {
    0: "read", 1: "write", 3: "close", 9: "mmap", 10: "mprotect", 11: "munmap", 12: "brk", 17: "pread64", 20: "writev",
    21: "access", 25: "mremap", 28: "madvise", 79: "getcwd", 89: "readlink", 158: "arch_prctl", 218: "set_tid_address",
    231: "exit_group", 257: "openat", 262: "newfstatat", 273: "set_robust_list", 302: "prlimit64", 334: "rseq",
}  # fmt: skip
"""arch/x86/entry/syscalls/syscall_64.tbl: what the dynamic linker calls, and what changes mappings."""


class RealCall(NamedTuple):
    """A system call with its arguments as the registers hold them."""

    name: str
    args: tuple[int, ...]
    result: int
    """Negative: an errno."""
    file: str = ""
    """Of an mmap: the path of its descriptor."""


@dataclass
class RealRun:
    """One program up to its entry point."""

    path: str
    maps: dict[str, str] = field(default_factory=dict)
    """Text of /proc/PID/maps by moment: "exec", "linked", "entry"."""
    linking: list[RealCall] = field(default_factory=list)
    """Up to the moment "linked", or all if it does not come."""
    constructing: list[RealCall] = field(default_factory=list)
    """From there to the entry point: constructors of libraries."""
    ended: str = ""
    """Why it did not come so far; "" if it did."""


def build(folder: Path) -> Path:
    """Compile the tracer."""
    tracer = folder / "ld_so_trace"
    source = Path(__file__).with_name("ld_so_trace.c")
    subprocess.run(["gcc", "-O1", "-o", tracer, source], check=True)
    return tracer


def runs(tracer: Path, programs: Sequence[str]) -> Iterator[RealRun]:
    """Run programs under the tracer, one after the other."""
    told = subprocess.run([tracer, *programs], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    yield from parse(told.stdout.decode("utf-8", "surrogateescape").splitlines())


def parse(lines: Sequence[str]) -> Iterator[RealRun]:
    """The tracer's output."""
    run, moment, file, maps = RealRun(""), "", "", list[str]()
    for line in lines:
        kind, _, rest = line.partition(" ")
        if moment and kind in ("M", "S", "F", "X", "."):
            run.maps[moment] = "".join(f"{row}\n" for row in maps)
            moment, maps = "", []
        match kind:
            case "P":
                run = RealRun(rest)
            case "M":
                moment = rest
            case "F":
                file = rest.partition(" ")[2]
            case "S":
                called = _call(rest, file)
                (run.constructing if "linked" in run.maps else run.linking).append(called)
                file = ""
            case "X":
                run.ended = rest
            case ".":
                yield run
            case _:
                maps.append(line)


def _call(text: str, file: str) -> RealCall:
    number, *rest = (int(word, 16) for word in text.split())
    result = rest[6] - (1 << 64) if rest[6] >> 63 else rest[6]
    return RealCall(NAMES.get(number, str(number)), tuple(rest[:6]), result, file)
