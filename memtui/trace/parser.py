"""Text to statements: strace and ltrace logs, and traces written by hand."""

import re
from typing import Final, NamedTuple, NoReturn

from memtui.model.errors import ParseError
from memtui.trace.interrupted import Joiner, Line, lines_of
from memtui.trace.lexer import Wrong, prefix
from memtui.trace.line import Call, Echo, Exited, Signal, Statement, Variable
from memtui.trace.pids import with_pids
from memtui.trace.statements import call, statement, without_time

_MIXED: Final = "if the program's own output is mixed in: record with strace -o FILE"
_PADDING: Final = re.compile(r"\) {2,}= ")


class Trace(NamedTuple):
    """A whole trace file."""

    statements: tuple[Statement, ...]
    """In the order in which they take effect: an interrupted call stands where it resumed."""
    file: str = ""
    warnings: tuple[str, ...] = ()
    """One line each: what was left out and why (a last line that the log cut off, narration without a step)."""


def parse(text: str, file: str = "") -> Trace:
    """Parse a strace or ltrace log, or a hand-written trace.

    Raises:
        ParseError: a line is wrong (names file, line, column and what was expected), or there are no steps.
    """
    return _Parser(file).parse(text)


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
        self.bound: set[str] = set()
        self.by_hand = False
        """Narration, a name, echo or machine() was seen: no log."""
        self.like_strace = False
        """A pid, a time, a padded result, a signal or an end was seen."""

    def parse(self, text: str) -> Trace:
        lines = [line for line in lines_of(text) if line.text]
        joiner = Joiner()
        for line in lines:
            if line.text.startswith("#"):
                self._comment(line.text)
                continue
            whole = joiner.feed(line)
            if whole is None:
                self.like_strace = True
                continue
            if whole.text.startswith("+++"):
                for open_call in joiner.left(whole.pid):
                    self._add(open_call)
            try:
                self._add(whole)
            except Wrong as wrong:
                if line is not lines[-1] or not self._is_log():
                    self._fail(wrong, whole)
                self.warnings.append(f"line {line.number} is cut off and left out: {wrong.what}")
        for open_call in joiner.all_left():
            self._add(open_call)
        return self._finish(lines)

    def _comment(self, text: str) -> None:
        self.by_hand = True
        body = text.lstrip("#").strip()
        if text.startswith("##"):
            self.chapter = body
        elif not text.startswith("#!"):
            self.narration.append(body)

    def _add(self, line: Line) -> None:
        text = without_time(line.text)
        what = call(text, unfinished=True) if line.unfinished else statement(text)
        self._check(what, text)
        padded = _PADDING.search(text) is not None
        self.like_strace |= bool(line.offset) or padded or isinstance(what, Signal | Exited)
        self.by_hand |= isinstance(what, Echo)
        story = "\n".join(self.narration).strip("\n")
        self.statements.append(Statement(what, text, line.number, line.pid, story, self.chapter))
        self.narration, self.chapter = [], ""

    def _check(self, what: Call | Echo | Signal | Exited, text: str) -> None:
        if not isinstance(what, Call):
            return
        if what.name == "machine":
            self.by_hand = True
            if self.statements:
                raise Wrong("machine(...) must be the first step", 0)
        if what.result is None and not what.unfinished:
            for arg in what.args:
                if isinstance(arg, Variable) and arg.name not in self.bound:
                    place = re.compile(rf"\b{re.escape(arg.name)}\b").search(text, text.index("("))
                    raise Wrong(
                        f"{arg.name} is not bound: expected 'x = CALL(...)' before", place.start() if place else 0
                    )
        if what.bind:
            self.by_hand = True
            self.bound.add(what.bind)

    def _is_log(self) -> bool:
        return self.like_strace and not self.by_hand and bool(self.statements)

    def _fail(self, wrong: Wrong, line: Line) -> NoReturn:
        column = max(wrong.position + line.offset + 1, 1)
        hint = _MIXED if self._is_log() else ""
        raise ParseError(wrong.what, file=self.file, line=line.number, column=column, hint=hint) from wrong

    def _finish(self, lines: list[Line]) -> Trace:
        if self._is_log() and self._cut_before_result():
            gone = self.statements.pop()
            self.warnings.append(f"line {gone.line} is cut off and left out: it has no result")
        if not self.statements:
            hint = "only comments" if lines else "only blank lines"
            raise ParseError("no steps in this trace", file=self.file, hint=hint)
        if self.narration or self.chapter:
            self.warnings.append("the last comment is not shown: no step follows it")
        return Trace(tuple(with_pids(self.statements)), self.file, tuple(self.warnings))

    def _cut_before_result(self) -> bool:
        calls = [what for one in self.statements if isinstance(what := one.what, Call) and not what.unfinished]
        last = self.statements[-1].what
        bare = [what for what in calls if what.result is None]
        return len(calls) > 1 and len(bare) == 1 and bare[0] is last
