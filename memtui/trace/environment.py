"""The environments that strace -v prints with each execve: as the kernel counts them, and not for everybody to read."""

from collections.abc import Sequence
from typing import Final

from memtui.trace.line import Array, Call, Statement, Text
from memtui.trace.parser import Trace
from memtui.trace.statements import locate

ENVP: Final = {"execve": 2, "execveat": 3}
"""Call -> the place of its environment."""


def with_environment(trace: Trace, environ: Sequence[bytes]) -> Trace:
    """Shorten environments in the text of the steps, as strace itself does; what the steps mean keeps them whole.

    Args:
        trace: a log that strace wrote with whole environments, whose long strings it cut.
        environ: "NAME=value" of the first program, not cut.
    """
    first, statements = True, []
    for statement in trace.statements:
        call = statement.what
        if isinstance(call, Call) and call.name in ENVP and len(call.args) > ENVP[call.name]:
            statement = _shortened(statement, call, environ if first else None)
            first = False
        statements.append(statement)
    return trace._replace(statements=tuple(statements))


def _shortened(statement: Statement, call: Call, environ: Sequence[bytes] | None) -> Statement:
    place = ENVP[call.name]
    envp = call.args[place]
    if not isinstance(envp, Array) or not envp.items:
        return statement
    _, spans, _ = locate(statement.raw)
    span = spans[place]
    raw = f"{statement.raw[: span.start]}[/* {len(envp.items)} vars */]{statement.raw[span.end :]}"
    if environ is not None:
        envp = Array(tuple(Text(variable) for variable in environ))
    args = (*call.args[:place], envp, *call.args[place + 1 :])
    return statement._replace(raw=raw, what=call._replace(args=args))
