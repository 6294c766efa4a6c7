"""Which process a line belongs to that names none."""

from collections.abc import Sequence
from typing import Final

from memtui.trace.line import Call, Exited, Statement

FORKS: Final = frozenset({"fork", "vfork", "clone", "clone3"})


def with_pids(statements: Sequence[Statement]) -> list[Statement]:
    """Name the process of each line: `strace -f` on a terminal leaves it out while there is only one.

    Statements come back unchanged where the log does not tell who the first process is: it must be the only one
    that no recorded fork returned.
    """
    children = {pid for statement in statements if (pid := _child(statement)) is not None}
    roots = {statement.pid for statement in statements if statement.pid is not None} - children
    if not children or len(roots) != 1:
        return list(statements)
    root = next(iter(roots))
    alive, named = {root}, []
    for statement in statements:
        pid = statement.pid
        if pid is None:
            pid = next(iter(alive)) if len(alive) == 1 else root
        named.append(statement._replace(pid=pid))
        if (child := _child(statement)) is not None:
            alive.add(child)
        if isinstance(statement.what, Exited) and not statement.what.text.startswith("superseded"):
            alive.discard(pid)
    return named


def _child(statement: Statement) -> int | None:
    call = statement.what
    if not isinstance(call, Call) or call.name not in FORKS or call.result is None:
        return None
    pid = call.result.value
    return pid if pid is not None and pid > 0 else None
