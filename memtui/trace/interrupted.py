"""Calls that a log splits in two, `<unfinished ...>` and `<... resumed>`, put together again per process."""

import re
from typing import Final, NamedTuple

from memtui.trace.lexer import prefix
from memtui.trace.printer import RESULT_COLUMN
from memtui.trace.statements import CALL

_UNFINISHED: Final = re.compile(r" ?<(?:unfinished|no return|pid changed to \d+) \.\.\.>$")
"""ltrace says "no return" of a call during which a signal came, and of exit; strace "pid changed" of an execve in a
thread that is not the first."""
_UNFINISHED_END: Final = re.compile(r" ?<unfinished \.\.\.>(?=\)\s*= )")
_SUMMARY: Final = re.compile(r"% time\s+seconds\s+usecs/call")
_RESUMED: Final = re.compile(r"<\.\.\. (?P<name>.+?) resumed>\s?")
_BARE_REST: Final = re.compile(r"(?!\w+\().*\)\s+= (?:-?\d|0x|\?)", re.DOTALL)
"""strace -z writes the other half right behind the first one, without pid and name."""
_ATTACHED: Final = re.compile(r"strace: Process \d+ (?:at|de)tached(?: with \d+ threads)?$")
_CHATTER: Final = re.compile(r"strace: (?!\[ Process PID)|Process \d+ (?:attached|detached|resumed|suspended)|^ > \S")
_SUPERSEDED: Final = re.compile(r"\+\+\+ superseded by execve in pid (\d{1,10}) \+\+\+")
_PADDED: Final = re.compile(r"(.*\))\s*= (.*)", re.DOTALL)


class Line(NamedTuple):
    """One line of the file without its prefix, whole."""

    number: int
    """In the file, from 1."""
    text: str
    pid: int | None = None
    offset: int = 0
    """A character of `text` stands this many columns further right in the file."""
    unfinished: bool = False
    """The log ends inside the call."""
    opened: int = 0
    """Line in which a call began that resumes here; 0: it begins here."""


class _Open(NamedTuple):
    name: str
    text: str
    line: Line


def lines_of(text: str) -> list[Line]:
    """The lines without strace's chatter about itself, the table that -C appends, and blanks at the ends.

    On a terminal `strace: Process 7 attached` and a line end can land in the middle of a line; what follows then
    stands on the next line.
    """
    lines: list[Line] = []
    head = ""
    for count, raw in enumerate(text.split("\n"), 1):
        content = raw.rstrip()
        if _SUMMARY.match(content):
            break
        if head and content.lstrip().startswith("[pid"):
            lines.append(_line(count - 1, head + " <unfinished ...>"))
            head = ""
        content, head = head + content, ""
        if "tached" in content and (fragment := _ATTACHED.search(content)):
            head = content[: fragment.start()]
        elif not _CHATTER.match(content):
            lines.append(_line(count, content))
    if head:
        lines.append(_line(text.count("\n") + 1, head + " <unfinished ...>"))
    return lines


def _line(number: int, content: str) -> Line:
    before = prefix(content)
    return Line(number, content[before.length :], before.pid, before.length)


class Joiner:
    """Keeps the open calls of each process. A call takes effect where it resumes."""

    def __init__(self) -> None:
        self._open: dict[int | None, list[_Open]] = {}
        self._last: _Open | None = None
        """The call that the line before has opened."""

    def feed(self, line: Line) -> Line | None:
        """The line as it is, or joined with what it resumes; None when it only opens a call."""
        text = line.text
        if "unfinished" in text:
            text = _UNFINISHED_END.sub("", text)
        last, self._last = self._last, None
        if last is not None and not line.offset and _BARE_REST.match(text):
            self._open[last.line.pid].remove(last)
            return self._joined(last, line, text, 0)
        if resumed := _RESUMED.match(text):
            line = self._resume(line, resumed["name"], text[resumed.end() :], resumed.end())
            text = line.text
        elif text is not line.text:
            line = line._replace(text=text)
        if not text.endswith("...>") or not _UNFINISHED.search(text):
            return line
        call = CALL.match(text)
        if call is None:
            return line  # no call: the parser says so
        self._last = _Open(call["name"], _UNFINISHED.sub("", text), line)
        self._open.setdefault(line.pid, []).append(self._last)
        return None

    def _resume(self, line: Line, name: str, rest: str, column: int) -> Line:
        start = self._take(line.pid, name)
        if start is None:  # the log begins inside the call: its first arguments are not known
            rest = rest.lstrip(", ")
            return line._replace(text=f"{name}(..." + (rest if rest.startswith(")") else f", {rest}"))
        return self._joined(start, line, rest, column)

    @staticmethod
    def _joined(start: _Open, line: Line, rest: str, column: int) -> Line:
        head = start.text
        if rest.startswith(")"):
            head = head.rstrip()
        joined = _padded(head + rest)
        pid = line.pid if line.pid is not None else start.line.pid
        offset = line.offset + column - len(head)
        return line._replace(text=joined, pid=pid, offset=offset, opened=start.line.number)

    def _take(self, pid: int | None, name: str) -> _Open | None:
        """The newest open call of that name; strace names no pid while there is only one process."""
        name = name.rpartition("->")[2].partition("@")[0]
        everyone = [key for key in self._open if key != pid]
        for key in (pid, *everyone):
            stack = self._open.get(key, [])
            for index in range(len(stack) - 1, -1, -1):
                if stack[index].name == name and (key == pid or None in {key, pid}):
                    return stack.pop(index)
        own = self._open.get(pid, [])
        return own.pop() if len(own) == 1 else None

    def ended(self, line: Line) -> list[Line]:
        """The calls that the process of a `+++ ... +++` line never finished.

        A thread that calls execve goes on under the pid of the process: its open execve moves there.
        """
        calls = [self._cut(call) for call in self._open.pop(line.pid, [])]
        if superseded := _SUPERSEDED.match(line.text):
            moved = self._open.pop(int(superseded[1]), [])
            self._open[line.pid] = [call._replace(line=call.line._replace(pid=line.pid)) for call in moved]
        return calls

    def all_left(self) -> list[Line]:
        """The calls that no process finished, in the order of the log."""
        calls = [call for stack in self._open.values() for call in stack]
        self._open.clear()
        return [self._cut(call) for call in sorted(calls, key=lambda call: call.line.number)]

    @staticmethod
    def _cut(call: _Open) -> Line:
        return call.line._replace(text=call.text + " <unfinished ...>", unfinished=True)


def _padded(text: str) -> str:
    match = _PADDED.fullmatch(text)
    return f"{match[1].ljust(RESULT_COLUMN - 1)} = {match[2]}" if match else text
