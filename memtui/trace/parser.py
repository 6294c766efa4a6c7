"""Text to statements: strace and ltrace logs, and traces written by hand."""

import re
from typing import Final, NamedTuple, NoReturn

from memtui.model.errors import ParseError
from memtui.model.garbage import seldom_collected
from memtui.model.progress import BETWEEN, Progress, Watcher, unwatched
from memtui.trace.architecture import of_x86_64
from memtui.trace.constants import CONSTANTS
from memtui.trace.interrupted import Joiner, Line, lines_of
from memtui.trace.lexer import Wrong, prefix
from memtui.trace.line import Arg, Call, Echo, Exited, Flags, Mode, NotUnderstood, Signal, Statement, Variable
from memtui.trace.nested import with_makers
from memtui.trace.pids import with_children, with_pids
from memtui.trace.statements import statement, without_time

_MIXED: Final = "if the program's own output is mixed in: record with strace -o FILE"
_NO_TRACE: Final = "no line of the file is a step of a trace; strace -f -o FILE CMD writes one"
_CUT_ERROR: Final = re.compile(r"-|-1 E?|-1 E[A-Z]*(?: ?\([^)]*)?")
LONGEST: Final = 500
"""Characters that are kept of a line that is not understood."""
_PADDING: Final = re.compile(r"\) {2,}= ")


class Trace(NamedTuple):
    """A whole trace file."""

    statements: tuple[Statement, ...]
    """In the order in which they take effect: an interrupted call stands where it resumed."""
    file: str = ""
    warnings: tuple[str, ...] = ()
    """One line each: what was left out and why (narration without a step)."""
    recorded: bool = False
    """Whether it is a log that strace or ltrace wrote: neither written by hand nor with touch() lines, so that what the
    program wrote to is unknown."""


def parse(text: str, file: str = "", watch: Watcher = unwatched) -> Trace:
    """Parse a strace or ltrace log, or a hand-written trace.

    Args:
        text: all of it.
        file: its name, for messages.
        watch: told of each few hundred lines; what it raises ends the work.

    Raises:
        ParseError: a line is wrong (names file, line, column and what was expected), or there are no steps.
    """
    with seldom_collected(text.count("\n")):
        return _Parser(file).parse(text, watch)


def parse_line(line: str) -> Statement:
    """Parse one line that a user typed.

    Raises:
        ParseError: it is no step; names the column.
    """
    before = prefix(line)
    text = without_time(line[before.length :])
    if not text or text.startswith("#"):
        raise ParseError("no step", column=1, hint="a call such as p = malloc(100)")
    try:
        return Statement(statement(text), text, 1, before.pid)
    except Wrong as wrong:
        raise ParseError(wrong.what, column=wrong.position + before.length + 1) from wrong


class _Parser:
    """The state while a file is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.statements: list[Statement] = []
        self.warnings: list[str] = []
        self.narration: list[str] = []
        self.chapter = ""
        self.not_understood: list[tuple[int, Wrong, Line]] = []
        """Place among the statements, what is wrong, the line."""
        self.bound: set[str] = set()
        self.by_hand = False
        """Narration, a name, echo or machine() was seen: no log."""
        self.ends_in_line = False
        """The last line has no line end."""
        self.tells_accesses = False
        """touch() was seen: it says itself what a program wrote to."""
        self.like_strace = False
        """A pid, a time, a padded result, a signal or an end was seen."""

    def parse(self, text: str, watch: Watcher) -> Trace:
        self.ends_in_line = not text.endswith("\n")
        lines = [line for line in lines_of(text) if line.text]
        joiner = Joiner()
        for count, line in enumerate(lines):
            if count % BETWEEN == BETWEEN - 1:
                watch(Progress("reading", count + 1, len(lines)))
            if line.text.startswith("#"):
                self._comment(line.text)
                continue
            whole = joiner.feed(line)
            if whole is None:
                self.like_strace = True
                continue
            if whole.text.startswith("+++"):
                self._add_all(joiner.ended(whole))
            self._try(whole)
        self._add_all(joiner.all_left())
        return self._finish(lines)

    def _comment(self, text: str) -> None:
        self.by_hand = True
        body = text.lstrip("#").strip()
        if text.startswith("##"):
            self.chapter = body
        elif not text.startswith("#!"):
            self.narration.append(body)

    def _add_all(self, open_calls: list[Line]) -> None:
        for line in open_calls:
            self._try(line)

    def _try(self, line: Line) -> None:
        """Add a line. One that is not understood may belong to a log: that is known at the end."""
        try:
            self._add(line)
        except Wrong as wrong:
            self.not_understood.append((len(self.statements), wrong, line))
            text = line.text if len(line.text) <= LONGEST else line.text[:LONGEST] + "..."
            self.statements.append(Statement(NotUnderstood(wrong.what), text, line.number, line.pid))

    def _add(self, line: Line) -> None:
        text = without_time(line.text)
        what = statement(text, unfinished=line.unfinished)
        if isinstance(what, Call):
            what = self._check(what, text)
        if not self.like_strace:
            padded = _PADDING.search(text) is not None
            self.like_strace = bool(line.offset) or padded or isinstance(what, Signal | Exited)
        self.by_hand |= isinstance(what, Echo)
        story = "\n".join(self.narration).strip("\n") if self.narration else ""
        pid = what.pid if isinstance(what, Mode) else line.pid
        self.statements.append(Statement(what, text, line.number, pid, story, self.chapter, line.opened))
        self.narration, self.chapter = [], ""

    def _check(self, what: Call, text: str) -> Call:
        """The call with names in capitals that were bound as variables.

        Raises:
            Wrong: machine() that is not first, or a name without a value in a call without a recorded result.
        """
        self.tells_accesses |= what.name == "touch"
        if what.name == "machine":
            self.by_hand = True
            if self.statements:
                raise Wrong("machine(...) must be the first step", 0)
        args = tuple(map(self._variable, what.args)) if self.bound else what.args
        if what.result is None and not what.unfinished:
            for name in self._unknown(args):
                place = re.compile(rf"\b{re.escape(name)}\b").search(text, text.index("("))
                raise Wrong(
                    f"{name} has no value: expected a constant or a name bound before", place.start() if place else 0
                )
        if what.bind:
            self.by_hand = True
            self.bound.add(what.bind)
        return what if args is what.args else what._replace(args=args)

    def _variable(self, arg: Arg) -> Arg:
        match arg:
            case Flags(names=(name,), bits=0) if name in self.bound:
                return Variable(name)
            case _:
                return arg

    def _unknown(self, args: tuple[Arg, ...]) -> list[str]:
        unknown = [arg.name for arg in args if isinstance(arg, Variable) and arg.name not in self.bound]
        if self.by_hand:  # a log may know flags that are newer than our tables
            names = [name for arg in args if isinstance(arg, Flags) for name in arg.names]
            unknown += [name for name in names if name not in CONSTANTS]
        return unknown

    def _is_log(self) -> bool:
        return self.like_strace and not self.by_hand and len(self.statements) > 2 * len(self.not_understood)

    def _fail(self, wrong: Wrong, line: Line) -> NoReturn:
        column = max(wrong.position + line.offset + 1, 1)
        hint = _MIXED if self.like_strace and not self.by_hand and len(self.statements) > 1 else ""
        if 1 < len(self.statements) == len(self.not_understood) and not self.by_hand:
            hint = _NO_TRACE
        raise ParseError(wrong.what, file=self.file, line=line.number, column=column, hint=hint) from wrong

    def _finish(self, lines: list[Line]) -> Trace:
        if self.not_understood and not self._is_log():
            _, wrong, line = self.not_understood[0]
            self._fail(wrong, line)
        if self._is_log() and (why := self._cut_off()):
            self.statements[-1] = self.statements[-1]._replace(what=NotUnderstood(f"cut off: {why}"))
        if not self.by_hand:
            self.statements = of_x86_64(self.statements, self.file)
        if not self.statements:
            hint = "only comments" if lines else "only blank lines"
            raise ParseError("no steps in this trace", file=self.file, hint=hint)
        if self.narration or self.chapter:
            self.warnings.append("the last comment is not shown: no step follows it")
        self.statements = with_makers(self.statements)
        recorded = self._is_log() and not self.tells_accesses
        return Trace(tuple(with_children(with_pids(self.statements))), self.file, tuple(self.warnings), recorded)

    def _cut_off(self) -> str:
        """What the last call of a log lacks: all before it have a result, and each error its message."""
        calls = [what for one in self.statements if isinstance(what := one.what, Call) and not what.unfinished]
        last = self.statements[-1].what
        if len(calls) < 2 or not isinstance(last, Call) or last.unfinished:
            return ""
        if last.result is None:
            return "it has no result" if all(call.result for call in calls[:-1]) else ""
        cut = self.ends_in_line and _CUT_ERROR.fullmatch(last.result.text)
        return "its error is not complete" if cut else ""
