"""The long mode of the fuzzer.

python -m tests.oracle.mm_fuzz --seconds 3600 --seed 1
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path as FilePath

from tests.oracle.mm_both import Both, Mismatch, shrink
from tests.oracle.mm_mixes import MIXES
from tests.oracle.mm_real import Place, build, missing
from tests.oracle.mm_series import Seed


def seeds(first: int, mixes: list[str]) -> Iterator[Seed]:
    """Seeds without end: each mix in turn."""
    number = first
    while True:
        for mix in mixes:
            yield Seed(mix, number)
        number += 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="number of the first series (1)")
    parser.add_argument("--steps", type=int, default=150, help="calls a series (150)")
    parser.add_argument("--mix", action="append", choices=[*MIXES, "all"], help="only this mix; may be given again")
    parser.add_argument("--most", type=int, default=10, help="stop after so many mismatches (10)")
    parser.add_argument("--out", type=FilePath, help="write each mismatch to a .trace file in this directory")
    return parser.parse_args()


def main() -> int:
    """Compare until the time is over; 1 if something differed."""
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that files and segments are removed
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    why = missing()
    if why is not None:
        print(f"cannot compare: {why}")
        return 2
    began, calls, found, kinds = time.monotonic(), 0, 0, Counter[str]()
    skipped = Counter[str]()
    with tempfile.TemporaryDirectory() as directory, Place() as place:
        binary = build(FilePath(directory))
        for seed in seeds(options.seed, options.mix or [*MIXES, "all"]):
            with Both(binary, place, seed) as both:
                mismatch = both.fuzz(options.steps)
                calls += both.calls
                skipped += both.skipped
            if mismatch is not None:
                shrunk = shrink(binary, place, mismatch)
                kinds[shrunk.kind] += 1
                found += 1
                _report(shrunk, options.out)
            if time.monotonic() - began > options.seconds or found >= options.most:
                break
    seconds = time.monotonic() - began
    print(f"{calls:,} calls compared in {seconds:.0f} s ({calls / seconds:,.0f} a second), {found} mismatches")
    print("".join(f"{count:6} {kind}\n" for kind, count in kinds.most_common()), end="")
    if skipped:
        print(f"not simulated: {dict(skipped)}")
    return 1 if found else 0


def _report(mismatch: Mismatch, out: FilePath | None) -> None:
    print(
        f"--- {mismatch.seed.mix}/{mismatch.seed.number}, {len(mismatch.series)} steps\n{mismatch.trace()}", flush=True
    )
    if out is not None:
        name = "".join(c if c.isalnum() else "-" for c in mismatch.kind)
        (out / f"{mismatch.seed.mix}-{mismatch.seed.number}-{name}.trace").write_text(mismatch.trace())


if __name__ == "__main__":
    sys.exit(main())
