"""Where in a trace a process comes from, for lines of a child that stand before its parent's."""

from collections.abc import Sequence

from memtui.trace.line import Call, Statement


class Births:
    """The forks of a trace by the child that they make; found out when somebody first asks."""

    def __init__(self, program: Sequence[Statement] = ()) -> None:
        self._program = program
        self._by_pid: dict[int, list[Statement]] | None = None

    def still_to_come(self, statement: Statement) -> Statement | None:
        """The line further down in which the process of this line is made. O(1) but for the first time."""
        if self._by_pid is None:
            self._by_pid = {}
            for one in self._program:
                if isinstance(one.what, Call) and one.what.child is not None:
                    self._by_pid.setdefault(one.what.child, []).append(one)
        if not statement.line or statement.pid is None:
            return None
        return next((one for one in self._by_pid.get(statement.pid, ()) if one.line > statement.line), None)
