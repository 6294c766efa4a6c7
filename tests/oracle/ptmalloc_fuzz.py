"""Random series of malloc calls in the installed libc and in the model, for as long as one likes.

    python -m tests.oracle.ptmalloc_fuzz --seconds 600 --seed 1 [--mix heaps] [--calls 2000] [--strace] [--live]

Another glibc than the installed one is compared with --glibc 2.41 --libc DIRECTORY, where its libc.so.6 and its
ld-linux-x86-64.so.2 lie. Prints the first call that differs, with the command that repeats it, and ends with status 1
if there is one.
"""

import argparse
import random
import sys
import tempfile
import time
from itertools import zip_longest
from pathlib import Path
from typing import Final

from memtui.sim.userspace.ptmalloc import PROFILES, HeapCorruption, Profile, from_environ
from tests.oracle.heap_child import read
from tests.oracle.heap_same import heap_differs
from tests.oracle.malloc_pair import Model, Real, build
from tests.oracle.malloc_series import MIXES, THREADED, Op, series

_KNOBS: Final = {
    "trim_threshold": (0, 1, 4096, 50_000, 1 << 20, -1),
    "top_pad": (0, 1, 4096, 100_000, 1 << 20),
    "mmap_threshold": (0, 100, 600, 4096, 20_000, 1 << 20, -1),
    "mmap_max": (0, 1, 5, 100),
    "mxfast": (0, 7, 8, 31, 64, 120, 160, 161),
    "perturb": (0, 1, 255),
    "tcache_count": (0, 1, 3, 7, 20, 127, 65_535, 65_536),
    "tcache_max": (0, 24, 25, 200, 1031, 1032, 1033),
    "tcache_unsorted_limit": (0, 1, 5),
    "arena_max": (1, 2, 3, 50),
    "arena_test": (1, 2, 4),
}
NOT_ENDED = (0x0101_0101_0101_0101,) * 3
"""What stands in place of the result of a call in which the program aborted."""


def attempt(model: Model, op: Op) -> tuple[int, int, int] | str:
    """What a call gives, or the words with which it aborts."""
    try:
        return model.perform(op)
    except HeapCorruption as abort:
        return str(abort)


def differs(real: Real, model: Model, ops: list[Op]) -> tuple[str, bool]:
    """The first call that does not give the same, or abort with the same words; else the pages; "": nothing.

    And whether the program ran to its end.
    """
    for number, (op, expected) in enumerate(zip(ops, real.run(), strict=True)):
        given = attempt(model, op)
        if isinstance(given, str):
            said = real.last_words() if expected == NOT_ENDED else ""
            # Versions differ in what they say before the condition that does not hold.
            same = given.rpartition(": ")[2] in said
            return "" if same else f"call {number}, {op}: {given!r}, really {said or expected}", False
        if given != expected:
            pairs = ", ".join(f"{found:#x} {wanted:#x}" for found, wanted in zip(given, expected, strict=True))
            return f"call {number}, {op}: model and libc: {pairs} ({model.malloc.why})", False
    pages, expected_pages = model.pages().items(), real.pages().items()
    wrong = sorted(page for page, _ in pages ^ expected_pages)
    return f"{len(wrong)} pages, the first {wrong[0]:#x}" if wrong else "", True


def environ_of(seed: int, mix: str, profile: Profile) -> dict[str, str]:
    """What the environment says of the knobs: nothing for every other seed, else a few of them."""
    rng = random.Random(f"environ {mix} {seed}")
    # Until 2.33 the dynamic linker moves the break to copy GLIBC_TUNABLES, to where maps does not tell.
    if seed % 2 == 0 or (not profile.key_at_first_call and profile.first_calloc_is_malloc):
        return {}
    names = rng.sample(list(_KNOBS), rng.randrange(1, 4))
    found = {"GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={rng.choice(_KNOBS[name])}" for name in names)}
    if rng.random() < 0.3:
        found["MALLOC_TOP_PAD_"] = str(rng.choice(_KNOBS["top_pad"]))
    return found


def run(
    driver: Path, profile: Profile, seed: int, mix: str, calls: int, log: Path | None = None, *, live: bool = False
) -> str:
    """One series; what differs."""
    ops, environ = series(seed, mix, calls), environ_of(seed, mix, profile)
    with Real(driver, ops, environ, log=log) as real:
        model = Model(real, from_environ(environ), profile)
        found, ended = differs(real, model, ops)
        if live and ended and not found:
            found = heap_differs(read(real.last_pid), model.malloc.heap_view())
    if found or log is None or not ended:
        return found
    expected, given = real.system_calls(), model.system_calls()
    if given == expected:
        return ""
    pairs = zip_longest(given, expected, fillvalue="nothing")
    return next(f"{one} instead of {other}" for one, other in pairs if one != other)


def main() -> int:
    """Seeds one after the other, every mix with each."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=0, help="the first one")
    options.add_argument("--mix", choices=MIXES + THREADED, action="append")
    options.add_argument("--calls", type=int, default=2000, help="of each series")
    options.add_argument("--strace", action="store_true", help="compare the system calls too")
    options.add_argument("--live", action="store_true", help="compare the heap that is read from outside too")
    options.add_argument("--glibc", choices=PROFILES, default="2.36", help="the profile")
    options.add_argument("--libc", type=Path, help="where that version lies, if it is not the installed one")
    given = options.parse_args()
    end, seed, calls = time.monotonic() + given.seconds, given.seed, 0
    with tempfile.TemporaryDirectory() as directory:
        driver = build(Path(directory), given.libc)
        while time.monotonic() < end:
            for mix in given.mix or MIXES + THREADED:
                log = Path(directory, "log") if given.strace else None
                found = run(driver, PROFILES[given.glibc], seed, mix, given.calls, log, live=given.live)
                calls += given.calls
                if found:
                    sys.stdout.write(f"{found}\n--seed {seed} --mix {mix} --calls {given.calls}\n")
                    return 1
            seed += 1
    sys.stdout.write(f"{calls} calls, seeds {given.seed} to {seed - 1}: no difference\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
