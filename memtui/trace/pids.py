"""Which process a line belongs to that names none, and which child a fork made."""

from collections.abc import Sequence
from typing import Final

from memtui.trace.line import Call, Exited, Statement

FORKS: Final = frozenset({"fork", "vfork", "clone", "clone3"})
PID_MAX: Final = 1 << 22
"""PID_MAX_LIMIT (include/linux/threads.h): pids ascend and begin anew here at the latest."""


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


def with_children(statements: Sequence[Statement]) -> list[Statement]:
    """Name the child of each fork: the recorded result, or else a process that the log names later.

    Pids ascend, so the processes of unknown origin belong, by ascending pid, to the forks in the order in which they
    began; but nobody runs before the fork that makes it began.
    """
    named = list(statements)
    open_forks: list[tuple[int, int]] = []
    first_seen: dict[int, int] = {}
    known: set[int] = set()
    for index, statement in enumerate(statements):
        if statement.pid is not None and statement.pid not in first_seen:
            first_seen[statement.pid] = statement.opened or statement.line
        call = statement.what
        if isinstance(call, Call) and call.name in FORKS:
            if (child := _child(statement)) is not None:
                known.add(child)
                named[index] = statement._replace(what=call._replace(child=child))
            elif call.result is None or call.result.value is None:
                open_forks.append((statement.opened or statement.line, index))
    if open_forks and first_seen:
        _match(named, sorted(open_forks), first_seen, known)
    return named


def _match(named: list[Statement], forks: list[tuple[int, int]], first_seen: dict[int, int], known: set[int]) -> None:
    root = min(first_seen, key=lambda pid: first_seen[pid])
    newcomers = [pid for pid in first_seen if pid != root and pid not in known]
    for pid in sorted(newcomers, key=lambda pid: (pid - root) % PID_MAX):
        at = next((at for at, (line, _) in enumerate(forks) if line < first_seen[pid]), None)
        if at is None:
            continue
        _, index = forks.pop(at)
        call = named[index].what
        assert isinstance(call, Call)
        named[index] = named[index]._replace(what=call._replace(child=pid))


def _child(statement: Statement) -> int | None:
    call = statement.what
    if not isinstance(call, Call) or call.name not in FORKS or call.result is None:
        return None
    pid = call.result.value
    return pid if pid is not None and pid > 0 else None
