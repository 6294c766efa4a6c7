"""Random calls on the running kernel and on the simulated one: the same results, VMAs and counters after each."""

from pathlib import Path as FilePath

import pytest

from memtui.trace.line import Call
from memtui.trace.parser import parse
from tests.oracle.mm_both import Both, shrink
from tests.oracle.mm_mixes import MIXES
from tests.oracle.mm_ops import Op, Ref, lines
from tests.oracle.mm_real import Place, Real, missing
from tests.oracle.mm_series import Seed, generate, replay

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(missing() is not None, reason=missing() or "")]
SERIES, STEPS = 9, 150
"""A mix has two tests of so many series of so many calls: more than 50,000 calls in all."""
FEWER = {"tables": 1, "thp": 1, "options": 5}
"""Series of mixes whose calls touch megabytes."""
BY_TIME = {"majflt, not repeated", "faults, not repeated", "pages of the command line, not repeated"}
"""What others do at the same time has a part in how many faults there are: a page that the disk still reads is waited
for, and one that somebody else's sync wrote back is write-protected anew. Who reads a command line that was unmapped
leaves a zero page. All else that differs once fails."""


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("mix", [*MIXES, "all"])
def test_the_simulator_does_what_the_kernel_does(mix: str, part: int, runner: FilePath, place: Place) -> None:
    series = FEWER.get(mix, SERIES)
    for number in range(part * series, (part + 1) * series):
        with Both(runner, place, Seed(mix, number)) as both:
            found = both.fuzz(STEPS)
            calls = both.calls
        if found is None:
            assert calls == STEPS
        elif (shrunk := shrink(runner, place, found)).kind not in BY_TIME:
            pytest.fail(shrunk.trace(), pytrace=False)


@pytest.mark.parametrize("mix", ["all", "fork", "files"])
def test_the_kernel_repeats_itself(mix: str, runner: FilePath, place: Place) -> None:
    """What is compared depends on the calls alone: neither on time nor on other processes."""
    seed = Seed(mix, 1000)
    with Real(runner, place, seed.capabilities) as real:
        first = list(generate(real, seed, 200))
    with Real(runner, place, seed.capabilities) as real:
        again = list(replay(real, [step.op for step in first]))
    assert len(again) == len(first) == 200
    for one, other in zip(first, again, strict=True):
        assert one.op.name == "shmget" or one.result == other.result
        assert one.pictures == other.pictures


def test_a_series_prints_as_a_trace() -> None:
    series = [
        Op(7, 0, "mmap", (0, 8192, 3, 0x22, -1, 0)),
        Op(8, 0, "fork", (1,)),
        Op(9, 1, "touch", (Ref(7, 4096, 0x1000), 1, 1)),
        Op(10, 0, "munmap", (Ref(99, 0, 0x5000), 4096)),
    ]
    assert lines(series) == [
        "m0 = mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
        "fork() = 1001",
        "[pid 1001] touch(m0+4096, 1, WRITE)",
        "munmap(0x5000, 4096)",
    ]


@pytest.mark.parametrize("mix", ["all", "errors", "sysv"])
def test_every_step_is_a_line_of_the_trace_language(mix: str, runner: FilePath, place: Place) -> None:
    with Real(runner, place) as real:
        series = [step.op for step in generate(real, Seed(mix, 3000), 300)]
    trace = parse("\n".join(lines(series)))
    calls = [statement.what for statement in trace.statements]
    renamed = {"open": "openat", "setrlimit": "prlimit64", "add_seals": "fcntl"}
    assert [call.name for call in calls if isinstance(call, Call)] == [renamed.get(op.name, op.name) for op in series]
    assert not trace.warnings
