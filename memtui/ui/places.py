"""Places in a trace: its chapters, and the steps that the user has marked."""

from typing import NamedTuple

from memtui.model.step import StepLog


class Place(NamedTuple):
    """Somewhere to go."""

    number: int
    """The step."""
    text: str


class Places:
    """Steps are numbers: a step that is put before a marked one moves the mark."""

    def __init__(self) -> None:
        self.marks: frozenset[int] = frozenset()
        """Numbers of the marked steps."""

    def toggle(self, number: int) -> None:
        """Mark a step, or take the mark away."""
        self.marks ^= {number}

    def inserted(self, number: int) -> None:
        """A step was put in as the one of this number."""
        self.marks = frozenset(mark + (mark >= number) for mark in self.marks)

    def next_mark(self, cursor: int) -> int | None:
        """The marked step after the one at the cursor, round the end; None: none is marked."""
        return min((mark for mark in self.marks if mark > cursor), default=min(self.marks, default=None))

    @staticmethod
    def chapter(log: StepLog, direction: int) -> int | None:
        """The first step of the next chapter (1); of this chapter, if it is behind, or of the one before (-1)."""
        starts = (step.number for step in log.steps if step.chapter)
        if direction > 0:
            return next((start for start in starts if start > log.cursor), None)
        return max((start for start in starts if start < log.cursor), default=None)

    def entries(self, log: StepLog) -> list[Place]:
        """Chapters and marked steps, in the order of the trace."""
        found = [
            Place(step.number, f"{'*' if step.number in self.marks else ' '} {step.number:>5}  {words}")
            for step in log.steps
            if (words := step.chapter or (step.text if step.number in self.marks else ""))
        ]
        return ([Place(0, "*     0  before the first step")] if 0 in self.marks else []) + found
