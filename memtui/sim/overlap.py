"""Calls of a log that overlap: each took effect between its entry and its exit, in an order that no log tells."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final

from memtui.model.errors import ParseError
from memtui.sim.kernel.mman import MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_FIXED, MREMAP_MAYMOVE
from memtui.sim.syscall_table import numbers
from memtui.trace.line import Call, Statement

MAKE_OR_FREE_ROOM: Final = frozenset({"mmap", "mremap", "munmap", "shmat", "shmdt"})
ON_THE_MAP: Final = MAKE_OR_FREE_ROOM | {"brk", "mprotect"}
"""Calls that change an address space, and whose results others of them may change."""


def entry(statement: Statement) -> int:
    """The line of the log behind which a call took effect; before its exit it had."""
    return statement.opened or statement.line


def exit_line(statement: Statement) -> float:
    """The line of a call's exit; infinite for a call that the log does not see end."""
    call = statement.what
    return inf if isinstance(call, Call) and call.unfinished else statement.line


def on_the_map(statement: Statement) -> bool:
    """Whether it is a call of a log that changes an address space."""
    return bool(statement.line) and isinstance(statement.what, Call) and statement.what.name in ON_THE_MAP


class Overlaps:
    """Which calls of a log overlap; found out when somebody first asks."""

    def __init__(self, program: Sequence[Statement] = ()) -> None:
        self._program = program
        self._rivals: dict[int, list[Statement]] | None = None
        self._opened: dict[int, int] = {}
        """By the line of a call's exit: the first entry of all that it overlaps with, and that overlap with these."""

    def rivals(self, statement: Statement) -> Sequence[Statement]:
        """The calls of other tasks that overlap this one. O(1) but for the first time."""
        if self._rivals is None:
            calls = sorted(filter(on_the_map, self._program), key=entry)
            self._rivals, self._opened = _rivals(calls), _opened(calls)
        return self._rivals.get(statement.line, ())

    def opened(self, statement: Statement) -> int:
        """The line at which no call was under way, the last before a call that has rivals."""
        return self._opened[statement.line]


def _rivals(calls: Sequence[Statement]) -> dict[int, list[Statement]]:
    """By the line of each call's exit. O(calls x tasks)."""
    found: dict[int, list[Statement]] = {}
    running: list[Statement] = []
    for call in calls:
        running = [other for other in running if exit_line(other) > entry(call)]
        for other in running:
            if other.pid != call.pid:
                found.setdefault(call.line, []).append(other)
                found.setdefault(other.line, []).append(call)
        running.append(call)
    return found


def _opened(calls: Iterable[Statement]) -> dict[int, int]:
    found: dict[int, int] = {}
    first, last = 0, 0.0
    for call in calls:
        if entry(call) > last:
            first = entry(call)
        last = max(last, exit_line(call))
        found[call.line] = first
    return found


def depend(one: Call, other: Call) -> bool:
    """Whether two calls on one map may give other results in the other order.

    They do if one looks for a free place and the other makes or frees room, or if both move the break. Programs
    that let their threads race for the same addresses are left aside.
    """
    if one.name == other.name == "brk":
        return True
    return (_looks_for_room(one) and other.name in MAKE_OR_FREE_ROOM) or (
        _looks_for_room(other) and one.name in MAKE_OR_FREE_ROOM
    )


def _looks_for_room(call: Call) -> bool:
    try:
        match call.name:
            case "mmap":
                return not numbers(call, 4, {})[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)
            case "mremap":
                flags = numbers(call, 4, {})[3]
                return bool(flags & MREMAP_MAYMOVE) and not flags & MREMAP_FIXED
            case "shmat":
                return not numbers(call, 2, {})[1]
    except ParseError:  # an argument that the log does not tell
        return True
    return False
