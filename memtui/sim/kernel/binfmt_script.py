"""Models fs/binfmt_script.c (6.18): what a script's first line names."""

from typing import Final, NamedTuple

BINPRM_BUF_SIZE: Final = 256
"""Bytes of a file that exec reads to know its kind."""
_BLANKS: Final = b" \t"
_TERMINATORS: Final = b" \t\0"


class Script(NamedTuple):
    """The program that runs a script."""

    interpreter: bytes
    """Empty where a NUL follows #!: that is the working directory."""
    argument: bytes | None
    """The one argument of the line, with its inner blanks; empty where a blank ends a file without a newline."""


def load_script(head: bytes) -> Script | None:
    """The first line behind #!.

    Args:
        head: how the file begins, BINPRM_BUF_SIZE bytes or all of it.

    Returns:
        None: it is no script, names nothing, or the name might be cut off (ENOEXEC).
    """
    if not head.startswith(b"#!"):
        return None
    buffer = head[: BINPRM_BUF_SIZE - 1].ljust(BINPRM_BUF_SIZE - 1, b"\0")
    line, newline, _ = head[2:BINPRM_BUF_SIZE].partition(b"\n")
    if not newline:
        line = buffer[2:]
        name = line.lstrip(_BLANKS)
        if not any(byte in _TERMINATORS for byte in name):
            return None
    line = line.strip(_BLANKS)
    end = next((place for place, byte in enumerate(line) if byte in _TERMINATORS), len(line))
    interpreter, rest = line[:end], line[end:]
    if not line:
        return None
    argument = None
    if rest[:1] not in {b"", b"\0"}:
        argument = rest.lstrip(_BLANKS).partition(b"\0")[0]
    return Script(interpreter, argument)
