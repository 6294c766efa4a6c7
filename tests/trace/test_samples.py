"""Logs that strace 6.1 and ltrace 0.7.3 wrote with many mixes of options."""

from pathlib import Path

import pytest

from memtui.trace.constants import value_of
from memtui.trace.line import Arg, Array, Call, Exited, Keyword, Opaque, Struct, Text
from memtui.trace.parser import parse, parse_line
from memtui.trace.printer import format_syscall, reprint
from memtui.trace.signatures import SIGNATURES

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.log"))
STATEMENTS = {
    "all_hex": 31,
    "clock_duration": 65,
    "detached": 1,
    "flags": 615,
    "hex": 46,
    "injected": 18,
    "killed": 162,
    "ltrace": 19,
    "ltrace_syscalls": 69,
    "paths": 284,
    "pipeline_stderr": 336,
    "plain": 31,
    "raw": 69,
    "relative": 46,
    "sockets": 127,
    "threads": 147,
    "threads_stderr": 146,
    "verbose": 31,
}


@pytest.fixture(params=SAMPLES, ids=lambda path: path.stem)
def sample(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def test_every_line_is_a_step(sample: Path) -> None:
    trace = parse(sample.read_text(), sample.name)
    assert trace.warnings == ()
    assert len(trace.statements) == STATEMENTS[sample.stem]


def test_every_call_but_the_last_of_a_process_has_a_result(sample: Path) -> None:
    statements = parse(sample.read_text()).statements
    bare = [one for one in statements if isinstance(one.what, Call) and one.what.result is None]
    assert all(isinstance(one.what, Call) and one.what.unfinished for one in bare)
    ended = {one.pid for one in statements if isinstance(one.what, Exited)}
    assert {one.pid for one in bare} <= ended or sample.stem == "detached"


def test_it_prints_as_it_was_written(sample: Path) -> None:
    for statement in parse(sample.read_text()).statements:
        result = statement.what.result if isinstance(statement.what, Call) else None
        assert reprint(statement, result) == statement.raw


def test_a_line_alone_means_the_same(sample: Path) -> None:
    for statement in parse(sample.read_text()).statements:
        what = statement.what
        if isinstance(what, Call):  # whom a fork made is known from the whole log
            what = what._replace(child=None)
        assert parse_line(statement.raw).what == what


def test_raw_is_the_line_without_prefix_and_time() -> None:
    log = (Path(__file__).parent / "samples" / "relative.log").read_text()
    expected = [line.lstrip().split(" ", 1)[1] for line in log.splitlines()]
    assert [one.raw for one in parse(log).statements] == expected


def opaque(arg: Arg) -> list[str]:
    match arg:
        case Opaque(text=text):
            return [text]
        case Array(items=items):
            return [text for item in items for text in opaque(item)]
        case Struct(fields=fields):
            return [text for _, item in fields for text in opaque(item)]
        case Keyword(value=value):
            return opaque(value)
        case _:
            return []


def test_few_things_stay_opaque() -> None:
    allowed = ("...", "<...", "~[", "~<", "'", "WIF", "makedev(", "htons(", "inet_addr(", '1, "')
    for path in SAMPLES:
        calls = [one.what for one in parse(path.read_text()).statements if isinstance(one.what, Call)]
        texts = [text for call in calls for arg in call.args for text in opaque(arg)]
        assert [text for text in texts if not text.startswith(allowed)] == []


def test_numbers_print_as_strace_printed_them() -> None:
    """flags.log holds each flag of the memory calls alone, many pairs, unknown bits and values beyond all tables."""
    compared = 0
    for statement in parse((Path(__file__).parent / "samples" / "flags.log").read_text()).statements:
        call = statement.what
        if not isinstance(call, Call) or call.name not in SIGNATURES:
            continue
        if any(isinstance(arg, Array | Struct | Opaque) for arg in call.args):
            continue
        if any(isinstance(arg, Text) and arg.truncated for arg in call.args):
            continue
        args = [arg.value if isinstance(arg, Text) else value_of(arg, {}) for arg in call.args]
        assert call.result is not None
        assert format_syscall(call.name, args, call.result.value, call.result.errno) == statement.raw
        compared += 1
    assert compared == 609


@pytest.mark.parametrize("name", ["threads_stderr", "pipeline_stderr"])
def test_a_log_of_the_terminal_names_every_process(name: str) -> None:
    """Strace leaves the pid out while there is only one process; the first and the last lines have none."""
    statements = parse((Path(__file__).parent / "samples" / f"{name}.log").read_text()).statements
    assert None not in {one.pid for one in statements}
    assert statements[0].pid == statements[-1].pid


def test_attached_in_the_middle_of_a_line() -> None:
    statements = parse((Path(__file__).parent / "samples" / "threads_stderr.log").read_text()).statements
    split = next(one for one in statements if one.line == 39)
    assert split.raw.startswith("clone3({flags=CLONE_VM|")
    assert split.raw.endswith("} => {parent_tid=[11180]}, 88) = 11180")
    assert isinstance(split.what, Call)
    struct = split.what.args[0]
    assert isinstance(struct, Struct)
    assert struct.fields[-1][0] == "=>"
    assert value_of(dict(struct.fields)["stack"], {}) == 0x7F5C8EE0B000
