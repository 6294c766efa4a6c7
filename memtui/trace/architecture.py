"""Programs of other architectures: told apart by calls and addresses that x86-64 does not have."""

from collections.abc import Sequence
from typing import Final

from memtui.model.errors import ParseError
from memtui.trace.constants import EXECS
from memtui.trace.line import Call, Mode, Statement

_ELSEWHERE: Final = frozenset(
    {"mmap2", "old_mmap", "mmap_pgoff", "fstat64", "_llseek", "cacheflush", "riscv_hwprobe", "riscv_flush_icache"}
)
"""Calls of i386, arm, mips, riscv."""
_PLACING: Final = frozenset({"brk", "mmap", "mremap", "munmap", "mprotect"})
_HIGHEST: Final = 1 << 47
_ERRORS: Final = (1 << 64) - 4096


def of_x86_64(statements: Sequence[Statement], file: str) -> list[Statement]:
    """The statements of a log, with a `Mode` behind each execve of a 32-bit program that strace does not tell of.

    Strace writes the mode to its stderr, not into the log that -o names.

    Raises:
        ParseError: the log was not made on x86-64; names the first line that tells.
    """
    statements = _of_whom(statements)
    named, narrow, programs = list[Statement](), set[int | None](), dict[int | None, int]()
    for statement in statements:
        what = statement.what
        if isinstance(what, Mode):
            (narrow.add if what.bits != 64 else narrow.discard)(statement.pid)
        elif isinstance(what, Call) and what.name in EXECS:
            programs[statement.pid] = len(named)
            narrow.discard(statement.pid)
        elif isinstance(what, Call) and statement.pid not in narrow and (why := _foreign(what)):
            if statement.pid == statements[0].pid or statement.pid not in programs or what.name not in _ELSEWHERE:
                hint = "only x86-64 is simulated"
                raise ParseError(f"a log of another architecture: {why}", file=file, line=statement.line, hint=hint)
            narrow.add(statement.pid)
            named.insert(programs[statement.pid] + 1, _mode(named[programs[statement.pid]]))
            programs = {pid: at + (at > programs[statement.pid]) for pid, at in programs.items()}
        named.append(statement)
    return named


def _of_whom(statements: Sequence[Statement]) -> Sequence[Statement]:
    """Where lines have no pid, the mode that strace says of one is that of the only process."""
    pids = {statement.pid for statement in statements if not isinstance(statement.what, Mode)}
    if None not in pids:
        return statements
    known = [statement.pid in pids for statement in statements]
    return [one if here else one._replace(pid=None) for one, here in zip(statements, known, strict=True)]


def _mode(execve: Statement) -> Statement:
    pid = execve.pid or 0
    return Statement(Mode(32, pid), f"[ Process PID={pid} runs in 32 bit mode. ]", execve.line, execve.pid)


def _foreign(call: Call) -> str:
    result = call.result.value if call.result is not None else None
    if call.name in _ELSEWHERE and call.result is not None and not call.result.errno:
        return f"x86-64 has no {call.name}"
    if call.name in _PLACING and result is not None and _HIGHEST <= result < _ERRORS:
        return f"no program of x86-64 has memory at {result:#x}"
    return ""
