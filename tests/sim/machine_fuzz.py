"""Random traces on random machines: nothing may raise, and every invariant holds after every step.

python -m tests.sim.machine_fuzz --seconds 3600 --seed 1
"""

import argparse
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from memtui.model.errors import ParseError
from memtui.model.host import Host
from memtui.model.request import Seek
from memtui.model.snapshot import Snapshot
from memtui.scenarios.host import ScenarioHost
from memtui.sim.export import Exporter
from memtui.sim.machine import Machine
from memtui.sim.source import SimSource
from memtui.sources import this_host
from memtui.trace.parser import parse, parse_line
from tests.sim.machine_lines import Lines

if TYPE_CHECKING:
    from memtui.trace.line import Statement

ENDING = 1 << 62
COMPARED = ("meminfo", "sysctl", "zones", "vmstat", "swaps")
PICTURE = 8
"""Steps from one picture of the machine to the next."""


class Found(NamedTuple):
    """A trace after whose last line something is wrong."""

    lines: list[str]
    what: str
    """The exception, or the invariant."""


def settled(host: Host) -> Host:
    """The same machine at every look: others may change its settings meanwhile."""
    facts = host.machine()
    host.machine = lambda: facts  # type: ignore[method-assign]
    return host


class Series:
    """One machine, line by line."""

    def __init__(self, host: Host, first: str) -> None:
        self.lines = [first]
        self._program: list[Statement] = [parse_line(first)]
        self.machine = Machine(host, self._program)
        self._exporter = Exporter("fuzz")
        self.refused: list[str] = []
        """Lines that could not be run, and why."""
        self.alike = True
        """Whether the lines as a whole trace do the same: there the next line tells whether the dynamic linker's calls
        are in it, and a process that had no room to start has cost others theirs."""
        self.run()

    @property
    def pids(self) -> list[int]:
        """Of the processes that run."""
        return [pid for pid, process in self.machine.world.processes.items() if not process.ended]

    def add(self, line: str) -> None:
        """Run one more line, and what the dynamic linker does after it.

        Raises:
            Exception: whatever went wrong.
        """
        self.lines.append(line)
        self._program.append(parse_line(line))
        self.run()

    def run(self) -> None:
        """The steps that are left; a line that cannot be run, for an argument without a value, is none of them."""
        while self.machine.position < len(self._program):
            try:
                self.machine.step()
            except ParseError as error:
                self.refused.append(f"{error.what}: {self.lines.pop()}")
                del self._program[self.machine.position]
                self.alike = self.alike and "no room" not in error.what
                return
            self.machine.check()
        self.alike = self.alike and not self._program[-1].made
        if len(self.lines) % PICTURE == 0:
            self.picture()

    def picture(self) -> Snapshot:
        """What the screen would be given."""
        return self._exporter.export(self.machine, None)


def fuzz(host: Host, seed: str, steps: int, *, told: Callable[[str], object] = str) -> Found | None:
    """One random series; what was found, as it ran.

    Args:
        host: the machine that its machines are like.
        seed: of the series.
        steps: lines.
        told: is given each line before it runs, and the refused ones.
    """
    lines = Lines(seed)
    series = Series(host, lines.machine())
    new = 1001
    try:
        for _ in range(steps):
            line = lines.line(series.pids or [new - 1], new)
            new += not series.pids or str(new) in line
            told(line)
            series.add(line)
        replay(host, series)
    except Exception as error:  # noqa: BLE001
        return Found(series.lines, what(error))
    finally:
        for refused in series.refused:
            told(f"refused: {refused}")
    return None


def replay(host: Host, series: Series) -> None:
    """The same lines as a trace: its last picture is the same, also after a look at the middle."""
    if not series.alike:
        return
    source = SimSource(parse("\n".join(series.lines) + "\n"), host, "fuzz")
    for target in (ENDING, len(series.lines) // 2, ENDING):
        source.apply(Seek(target))
    again, first = source.apply(Seek(ENDING)), series.picture()
    for name in COMPARED:
        assert getattr(again.system, name) == getattr(first.system, name), f"played again the {name} are others"
    assert again.tasks == first.tasks, "played again the tasks are others"


def runs(host: Host, lines: list[str]) -> str:
    """What goes wrong, at whatever line; empty: nothing."""
    try:
        series = Series(host, lines[0])
        for line in lines[1:]:
            series.add(line)
        replay(host, series)
    except Exception as error:  # noqa: BLE001
        return what(error)
    return ""


def what(error: Exception) -> str:
    """An exception in one line: without figures, so that it is the same in a shorter trace."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = re.sub(r"0x[0-9a-f]+|[0-9]+", "N", str(error).partition(";")[0])
    return f"{type(error).__name__} in {place.name}: {text}"[:300]


def shrink(host: Host, found: Found) -> Found:
    """Leave lines out, as long as the same goes wrong."""
    lines, size = found.lines, max(len(found.lines) // 2, 1)
    while size:
        at = 1
        while at < len(lines):
            fewer = lines[:at] + lines[at + size :]
            if runs(host, fewer) == found.what:
                lines = fewer
            else:
                at += size
        size //= 2
    return Found(lines, found.what)


def main() -> int:
    """Go on until the time is over; 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--seed", type=int, default=1, help="number of the first series (1)")
    parser.add_argument("--steps", type=int, default=120, help="lines a series (120)")
    parser.add_argument("--host", choices=("this", "recorded"), default="this", help="which machine (this)")
    parser.add_argument("--verbose", action="store_true", help="print each line before it runs")
    parser.add_argument("--slow", type=float, default=10, help="report series of so many seconds of CPU (10)")
    options = parser.parse_args()
    host = settled(this_host()) if options.host == "this" else ScenarioHost()
    began, number, kinds = time.monotonic(), options.seed, set[str]()
    while time.monotonic() - began < options.seconds:
        cpu = time.process_time()
        found = fuzz(host, str(number), options.steps, told=print if options.verbose else str)
        if found is not None and found.what not in kinds:
            kinds.add(found.what)
            shortest = shrink(host, found)
            print(f"## series {number}: {shortest.what}", *shortest.lines, "", sep="\n", flush=True)
        if time.process_time() - cpu > options.slow:
            print(f"## series {number} took {time.process_time() - cpu:.0f} s of CPU", flush=True)
        number += 1
    print(f"## {number - options.seed} series, {len(kinds)} kinds of mistakes")
    return bool(kinds)


if __name__ == "__main__":
    sys.exit(main())
