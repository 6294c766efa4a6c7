"""The steps of a simulation as a list to scroll."""

import re
from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping
from itertools import accumulate
from typing import Final

from memtui.draw.fit import crop, safe, shorten, wrap
from memtui.draw.run import Row, Run
from memtui.model.event import Event, EventKind
from memtui.model.step import StepLog, StepRecord

CURRENT: Final = "▶"
MARKED: Final = "*"
"""Before a step that the user has marked."""

EVENT_MARKS: Final[Mapping[EventKind, str]] = {
    EventKind.FAILURE: "✗",
    EventKind.SIGNAL: "!",
    EventKind.OOM_KILL: "†",
    EventKind.DIVERGENCE: "≠",
    EventKind.NO_EFFECT: "∅",
    EventKind.NOTE: "·",
}
"""Before the text of an event, and behind the number of a step that has one."""

_RESULT: Final = re.compile(r"(.*\))\s+= (.*)")
_CALL_LEAST: Final = 8
"""Cells of a call's name and arguments below which its result is not kept in sight."""


def event_role(kind: EventKind) -> str:
    """The role of its mark and text."""
    return f"event.{kind.value}"


class StepList:
    """A `Lines`: chapters as headings, one row a step, and below the step that ran last its story, rule and events.

    The system calls that a malloc made stand indented below it once it ran. A step with events shows the mark of the
    first one between its number and its text. Rows are made when asked for; building counts them, O(steps).
    """

    def __init__(self, log: StepLog, width: int, marks: Container[int] = ()) -> None:
        self.width = width
        self._marks = marks
        self.log = log
        self._digits = max(len(str(len(log.steps))), 2)
        # "▶ 12 ✗ text": what stands below a step begins where its text does.
        self._text_at = 2 + self._digits + 3
        below = self._below(log.steps[log.cursor - 1]) if 0 < log.cursor <= len(log.steps) else ()
        self._below_current: tuple[Row, ...] = tuple(below)
        heights = [1 + 2 * bool(step.chapter) + len(step.calls) for step in log.steps]
        if heights and log.steps[0].chapter:
            # No empty row on top of the list.
            heights[0] -= 1
        if 0 < log.cursor <= len(heights):
            heights[log.cursor - 1] += len(self._below_current)
        # first[k] is the first row of step k + 1, its heading included; first[-1] the number of rows.
        self._first = list(accumulate(heights, initial=0))

    def __len__(self) -> int:
        return self._first[-1]

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        nth = bisect_right(self._first, index) - 1
        step = self.log.steps[nth]
        line = index - self._first[nth]
        if step.chapter:
            line -= _heading(nth)
        if line == -2:
            return ()
        if line == -1:
            return crop(
                (Run(" ", "text"), Run(shorten(safe(step.chapter), self.width - 1), "step.chapter")), self.width
            )
        if line == 0:
            return crop(self._step(nth, step), self.width)
        if line <= len(step.calls):
            return crop(self._call(step, line - 1), self.width)
        return self._below_current[line - 1 - len(step.calls)]

    def row_of(self, step_number: int) -> int:
        """The row of a step's own line; 0 before the first, that of the last step beyond the end."""
        if step_number < 1 or not self.log.steps:
            return 0
        nth = min(step_number, len(self.log.steps)) - 1
        return self._first[nth] + (_heading(nth) if self.log.steps[nth].chapter else 0)

    def step_at(self, row: int) -> int:
        """The number of the step that the row belongs to (a heading to the step below it); 0 if there is none."""
        return bisect_right(self._first, row) if 0 <= row < len(self) else 0

    def _step(self, nth: int, step: StepRecord) -> list[Run]:
        current = nth == self.log.cursor - 1
        role = _role(step, current=current, done=nth < self.log.cursor)
        event = step.events[0].kind if step.events else None
        runs = [
            Run(f"{CURRENT if current else ' '}{MARKED if step.number in self._marks else ' '}", "step.current"),
            Run(f"{step.number:>{self._digits}} ", "step.number"),
            Run(f"{EVENT_MARKS[event]} ", event_role(event)) if event else Run("  ", "text"),
        ]
        room = self.width - self._text_at
        call, result = _split(safe(step.text))
        if not result or nth >= self.log.cursor:
            return [*runs, Run(shorten(_joined(call, result), room), role)]
        if len(_joined(call, result)) > room:
            # The result matters more than the last arguments, and errno more than its words.
            result = result.split(" (", 1)[0]
        left = room - len(_joined("", result))
        if left < _CALL_LEAST:
            return [*runs, Run(shorten(_joined(call, result), room), role)]
        if len(call) > left:
            call = shorten(call[:-1], left - 1) + ")"
        result_role = "event.failure" if result.startswith("-1 ") else "step.result"
        return [*runs, Run(call, role), Run(" = ", "text.dim"), Run(result, result_role)]

    def _call(self, step: StepRecord, nth: int) -> list[Run]:
        branch = "└ " if nth == len(step.calls) - 1 else "├ "
        text = shorten(_joined(*_split(safe(step.calls[nth]))), self.width - self._text_at - len(branch))
        return [Run(" " * self._text_at + branch, "text.dim"), Run(text, "step.made")]

    def _below(self, step: StepRecord) -> Iterator[Row]:
        """What the step that ran last has to say: what did not fit in its row, its story, its rule, its events."""
        whole = _joined(*_split(safe(step.text)))
        if len(whole) > self.width - self._text_at:
            yield from self._indented(whole, "step.result")
        if step.narration:
            # The lines of a comment are one text: only a blank one starts a new paragraph.
            paragraphs = (part.replace("\n", " ") for part in step.narration.split("\n\n"))
            yield from self._indented("\n".join(paragraphs), "step.narration")
        if step.why:
            yield from self._indented(step.why, "step.why", "why ")
        for event in step.events:
            yield from self._indented(event_text(event), event_role(event.kind), EVENT_MARKS[event.kind] + " ")

    def _indented(self, text: str, role: str, mark: str = "") -> Iterator[Row]:
        # In a pane too narrow for the indent the text begins further left.
        indent = min(self._text_at, max(self.width - 20, 0))
        for line in wrap(text, self.width - indent - len(mark)):
            yield crop((Run(" " * indent, "text"), Run(mark, role), Run(line, role)), self.width)
            mark = " " * len(mark)


def _heading(nth: int) -> int:
    """Rows of a chapter's heading: its title, and an empty row above it but on top of the list."""
    return 2 if nth else 1


def _split(text: str) -> tuple[str, str]:
    """A call and its result, "" if it has none; strace puts the result in a column, with blanks before it."""
    found = _RESULT.fullmatch(text)
    return (found[1], found[2]) if found else (text, "")


def _joined(call: str, result: str) -> str:
    return f"{call} = {result}" if result else call


def _role(step: StepRecord, *, current: bool, done: bool) -> str:
    if current:
        return "step.current"
    if step.made:
        return "step.made"
    return "step.done" if done else "step.todo"


def event_text(event: Event) -> str:
    """What an event tells."""
    if event.kind is EventKind.DIVERGENCE and event.expected and event.expected not in event.text:
        return f"{event.text}: recorded {event.expected}, predicted {event.predicted}"
    return event.text
