"""Damaged logs: one clear error, or a replay in which what was not understood is counted; never anything else."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtui.draw.maps_text import maps_text
from memtui.draw.trace_text import trace_text
from memtui.model.errors import ParseError
from memtui.model.event import EventKind
from memtui.model.request import Focus, Seek
from memtui.model.snapshot import Snapshot
from memtui.scenarios.host import ScenarioHost
from memtui.sim.source import SimSource
from memtui.trace.decode import decode
from memtui.trace.parser import parse

SAMPLES = sorted((Path(__file__).parents[1] / "trace" / "samples").glob("*.log"))
LINES = [line for path in SAMPLES for line in path.read_text().splitlines()]
ODD = [
    b"mmap(NULL) = 0x7ffff7000000", b"munmap() = 0", b'mprotect("x", 3, 4) = 0', b"brk() = ?", b"openat(1) = 3",
    b"mremap(1, 2) = 5", b"execve() = 0", b"clone() = 55", b"shmget(1) = 3",
    b"clone(flags=CLONE_VM|CLONE_FOO) = 11",
    b"mmap(0xffffffffffffffffffffffff, -1, 99999999999999999999, 0, 999999999999, -5) = 0x7ffff7000000",
    b"brk(-1) = 0x5", b"brk(0x7fffffffffffffff) = 0x7fffffffffffffff",
    b"mremap(0x1, 2, 3, MREMAP_MAYMOVE) = 0x7f000001", b"munmap(0x123, 5) = 0",
    b"mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x123",
    b"mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 EFOO (Odd)",
    b"mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 77, 0) = 0x7ffff7000000", b"dup2(55, 66) = 66",
    b"fcntl(9, F_DUPFD, 10) = 12", b"pipe2([3<pipe:[1]>, 4<pipe:[1]>], 0) = 0",
    b"close_range(3, 4294967295, 0) = 0", b'chdir("\\377") = 0',
    b"prlimit64(0, RLIMIT_STACK, {rlim_cur=-1}, NULL) = 0", b"fork() = 0", b"fork() = -5",
    b"fork() = 4294967296000", b"10 +++ superseded by execve in pid 11 +++", b"<... mmap resumed>) = 5",
    b"<... fork resumed>", b"+++ exited with 0 +++", b"--- SIGSEGV {si_signo=SIGSEGV} ---",
    b"malloc(18446744073709551615) = 0x5", b"realloc(0x1234, 10) = 0x99", b"free(0x1234) = <void>",
    b"posix_memalign(0x7ffd, 3, 5) = 22", b"lseek(3, -1, SEEK_END) = -1", b"ftruncate(3, -1) = 0",
    b"fallocate(3, 99, -1, -1) = 0", b"shmat(5, NULL, 0) = 0x7ffff7000000", b"shmctl(5, IPC_RMID, NULL) = 0",
    b"exit() = ?", b"mlock2(0x1000, 1, 99) = 0", b"madvise(0x1000, 99999999999999999999999, 4) = 0",
    b"memfd_create(5, 6) = 3", b"openat(AT_FDCWD, NULL, O_RDONLY) = 3", b"open(5, 6) = 7",
    b"write(3, \"x\", 99999999999999) = 99999999999999",
]  # fmt: skip
FOUND = [
    b"mmap(NULL, " + b"9" * 5000 + b", PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fb7000",
    b"brk(NULL) = " + b"9" * 5000, b"brk(0x" + b"9" * 5000 + b") = 0", b"[pid " + b"9" * 5000 + b"] brk(NULL) = 0",
    b"brk(1<<99999999999) = 0", b"brk(" + b"9*" * 3000 + b"9) = 0", b"brk(p+" + b"9" * 5000 + b") = 0",
    b"+++ exited with " + b"9" * 5000 + b" +++", b"[ Process PID=" + b"9" * 5000 + b" runs in 32 bit mode. ]",
    b"mmap(NULL, 35363, PROT_READ, MAP_PRIVATE, 0x800000000000, 0) = 0x7ffff7fb7000",
    b"close(140737488355328) = 0", b"dup2(4294967296, 4294967299) = 3", b"mmap(0, 8192, 3, 34) <unfinished ...>",
    b"mmap(0, 8192, 3, 34) = ?", b"SYS_mmap(0, 8192, 3, 34) = -12",
]  # fmt: skip
"""What fuzzing found, each behind a line that is whole."""
NOISE = [
    b"\xff\xfe",
    b"\0\0\0",
    b"\r\n",
    b'"',
    b"(" * 300,
    b"[{(" * 50,
    b"= 0x",
    b"-1 E",
    b"<unfinished ...>",
    b"9" * 400,
]
line = st.one_of(st.sampled_from(LINES).map(str.encode), st.sampled_from(ODD), st.binary(max_size=60))
damage = st.tuples(st.integers(0, 4000), st.integers(0, 80), st.one_of(st.sampled_from(NOISE), line))


def opened(data: bytes) -> tuple[SimSource | None, str]:
    """The replay of a log, or why it is refused."""
    try:
        source = SimSource(parse(decode(data, "bad.log"), "bad.log"), ScenarioHost(), "bad.log")
        source.apply(Seek(1 << 62))
        return source, ""
    except ParseError as refused:
        return None, str(refused)


def replayed(data: bytes) -> Snapshot | None:
    """The end of the replay, or None if the log is refused with one line."""
    source, refused = opened(data)
    if source is None:
        assert refused.startswith("bad.log")
        assert "\n" not in refused
        assert len(refused) < 1000
        return None
    snapshot = source.apply(Seek(1 << 62))
    source._machine.check()
    assert snapshot.steps is not None
    trace_text(snapshot.steps)
    for task in snapshot.tasks:
        shown = source.apply(Focus(task.pid))
        assert shown.mm is not None or shown.unknown["mm"]
        if shown.mm is not None:
            maps_text(shown.mm.vmas)
    return snapshot


@settings(max_examples=120, deadline=None)
@given(sample=st.sampled_from(SAMPLES), damages=st.lists(damage, max_size=6), end=st.integers(0, 6000))
def test_damaged_samples(sample: Path, damages: list[tuple[int, int, bytes]], end: int):
    data = sample.read_bytes()[:4000]
    for place, length, put in damages:
        data = data[:place] + put + data[place + length :]
    replayed(data[:end])


@settings(max_examples=80, deadline=None)
@given(
    lines=st.lists(line, min_size=1, max_size=25),
    pids=st.lists(st.sampled_from([b"", b"10 ", b"11 ", b"[pid 12] "]), min_size=25),
)
@example(lines=[b'execve("/demo/hello", ["hello"], NULL) = 0', *ODD], pids=[b"10 "] * 60)
@example(lines=[b'execve("/demo/hello", ["hello"], NULL) = 0', *ODD], pids=[b""] * 60)
def test_lines_in_any_order(lines: list[bytes], pids: list[bytes]):
    replayed(b"".join(pid + one + b"\n" for pid, one in zip(pids, lines, strict=False)))


GOOD = """\
10 execve("/demo/hello", ["hello"], NULL) = 0
10 brk(NULL)                            = 0x555555559000
10 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000
"""


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("hello from the program\n", "not understood: expected '('"),
        ("10 mmap(NULL) = 0x7ffff7000000\n", "not understood: mmap: expected 6 arguments, not 1"),
        ("10 clone(flags=CLONE_VM|CLONE_FOO) = 11\n", "not understood: unknown name CLONE_FOO"),
        ("10 futuresys(1, 2) = 0\n", "futuresys: the simulator gives this call no effect"),
        ("10 munmap(0x7ffff7fc0000, 81", "not understood: expected ')' or ','"),
        ("strace: [ Process PID=10 runs in 32 bit mode. ]\n", "runs in 32 bit mode, which is not simulated"),
    ],
)
def test_what_is_not_understood_is_counted_and_seen(rest: str, why: str):
    snapshot = replayed((GOOD + rest).encode())
    assert snapshot is not None
    assert snapshot.steps is not None
    assert snapshot.steps.without_effect == 1
    (event,) = snapshot.steps.steps[-1].events
    assert event.kind is EventKind.NO_EFFECT
    assert event.text.startswith(why)


def test_a_process_in_another_mode_has_no_map_until_it_starts_another_program():
    text = GOOD + "[ Process PID=10 runs in 32 bit mode. ]\n10 brk(NULL) = 0x56000000\n"
    snapshot = replayed(text.encode())
    assert snapshot is not None
    assert snapshot.mm is None
    assert snapshot.unknown["mm"] == "process 10 runs in 32 bit mode, which is not simulated"
    again = replayed((text + GOOD).encode())
    assert again is not None
    assert again.mm is not None


@pytest.mark.parametrize("mode", ["32 bit", "x32"])
def test_the_mode_of_the_only_process_is_told_with_a_pid_that_no_line_has(mode: str):
    good = GOOD.replace("10 ", "")
    narrow = f"strace: [ Process PID=4711 runs in {mode} mode. ]\nbrk(NULL)      = 0x56000000\n"
    snapshot = replayed((good + narrow).encode())
    assert snapshot is not None
    assert snapshot.mm is None
    assert "runs in 32 bit mode" in snapshot.unknown["mm"]


def test_a_program_that_the_log_does_not_name_has_an_unknown_map():
    snapshot = replayed(b"execve(0x7fffffffe9a2, 0x7fffffffec58, 0x7fffffffec70) = 0\nbrk(0)     = 0x555555559000\n")
    assert snapshot is not None
    assert snapshot.mm is not None
    assert "does not tell the name of the program" in snapshot.mm.unknown["vmas"]


def test_an_mmap_of_ltrace_without_its_last_arguments():
    text = "malloc(100)     = 0x5555555552a0\nmmap(0, 8192, 3, 34)     = 0x7ffff7fbe000\n"
    text += "mmap(0, 8192, 1, 2)     = 0x7ffff7ffb000\n"
    snapshot = replayed(text.encode())
    assert snapshot is not None
    assert snapshot.steps is not None
    kinds = [[event.kind for event in step.events] for step in snapshot.steps.steps]
    assert kinds == [[], [EventKind.DIVERGENCE, EventKind.NOTE], [EventKind.NO_EFFECT]]


def test_memory_that_fills_a_gap_says_what_the_log_leaves_open():
    rest = ", PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0)     = "
    at = ((0x7FFF00000000, 8192), (0x7FFF00004000, 4096), (0x7FFF00002000, 8192), (0x7FFF00005000, 4096))
    text = "".join(f"mmap({start:#x}, {size}{rest}{start:#x}\n" for start, size in at)
    snapshot = replayed(text.encode())
    assert snapshot is not None
    assert snapshot.steps is not None
    said = [[event.text for event in step.events] for step in snapshot.steps.steps]
    assert [bool(texts) for texts in said] == [False, False, True, False]
    assert "the log does not tell" in said[2][0]


def test_strings_that_the_log_cuts_are_noted():
    snapshot = replayed(b'execve("/demo/hello", ["hello", "abc"...], []) = 0\nbrk(NULL)      = 0x555555559000\n')
    assert snapshot is not None
    assert snapshot.steps is not None
    assert ["cuts strings" in event.text for event in snapshot.steps.steps[0].events] == [True]


def test_a_log_that_begins_in_the_middle_says_that_the_map_is_not_whole():
    lines = GOOD.splitlines(keepends=True)
    snapshot = replayed("".join(lines[1:]).encode())
    assert snapshot is not None
    assert snapshot.mm is not None
    assert snapshot.mm.unknown["vmas"].startswith("it ran before the log begins")
    whole = replayed(GOOD.encode())
    assert whole is not None
    assert whole.mm is not None
    assert "vmas" not in whole.mm.unknown


def test_a_huge_line_is_read_in_linear_time():
    data = GOOD.encode() + b'10 write(1, "' + b'a"' * 200_000 + b'"..., 5) = 5\n' + b"x(" * 100_000 + b"\n"
    assert replayed(data) is not None


@pytest.mark.parametrize("text", FOUND, ids=range(len(FOUND)))
def test_what_fuzzing_found(text: bytes):
    assert replayed(b"brk(NULL)      = 0x555555559000\n" * 20 + text + b"\n" + text + b"\n") is not None
