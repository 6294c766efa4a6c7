"""Statements and calls to text, in strace's own format (strace 6.1)."""

from collections.abc import Mapping, Sequence

from memtui.trace.line import Arg, Result, Statement


def reprint(statement: Statement, result: Result | None = None, env: Mapping[str, int] | None = None) -> str:
    """The statement with `result` in place of the recorded one (None: no result).

    Arguments stay as written, but variables and sizes such as 64K become numbers and a binding `p = ` is
    dropped. `result.text` is printed if it is not empty, else what strace prints for value and errno.

    Args:
        statement: what was parsed.
        result: what stands behind ` = `.
        env: bound name -> value, for variables.
    """
    raise NotImplementedError


def format_call(name: str, args: Sequence[int | str | bytes | Arg], result: Result | None) -> str:
    """A call as strace prints it: pointers hex or NULL, lengths decimal, flags by name, `=` in column 40.

    Args:
        name: of the call.
        args: numbers are printed by the argument's kind, bytes as a C string, a str as it is.
        result: what stands behind ` = `; None: nothing.
    """
    raise NotImplementedError


def format_syscall(name: str, args: Sequence[int | str | bytes], value: int | None, errno: str = "") -> str:
    """`format_call` with the result given as a number (-1 with the name of an errno; None prints `?`)."""
    raise NotImplementedError


def quote(data: bytes, limit: int | None = 32) -> str:
    r"""A C string as strace prints it: octal escapes, `"..."...` when longer than `limit` bytes (None: never cut)."""
    raise NotImplementedError
