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
    start_brk: int = 0
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
    compile_program(Path(__file__).with_name("ld_so_trace.c"), tracer, "-O1")
    return tracer


def compile_program(source: Path, target: Path, options: str) -> None:
    """Run gcc."""
    subprocess.run(["gcc", *options.split(), "-o", target, source], check=True)


def runs(tracer: Path, programs: Sequence[str], *, randomize: bool = False) -> Iterator[RealRun]:
    """Run programs under the tracer, one after the other."""
    options = ["-r"] if randomize else []
    told = subprocess.run([tracer, *options, *programs], capture_output=True, check=True, stdin=subprocess.DEVNULL)
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
            case "B":
                run.start_brk = int(rest, 16)
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
