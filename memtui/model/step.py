"""The steps of a simulation, as the step pane lists them."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from memtui.model.event import Event

_PADDING: Final = re.compile(r"\)\s+= ")


class StepRecord(NamedTuple):
    """One step: a line of the trace, or a system call that the model made itself (ld.so, malloc)."""

    number: int
    """From 1, over all steps, made ones too."""
    text: str
    """The line in strace's format; with the predicted result once it ran."""
    pid: int
    done: bool = False
    made: bool = False
    """Made by the model (the dynamic linker's calls), not written in the trace."""
    narration: str = ""
    chapter: str = ""
    """The title, on the step that opens a chapter."""
    why: str = ""
    """The rule that decided the result, in a sentence."""
    events: tuple[Event, ...] = ()
    line: int = 0
    """Line in the trace file, 0 for a made or injected step."""
    calls: tuple[str, ...] = ()
    """What it did on its way, as strace prints it: the system calls of a malloc, the mappings of an execve."""

    @property
    def told(self) -> str:
        """The text without the blanks with which strace puts results in a column."""
        return _PADDING.sub(") = ", self.text)


@dataclass(frozen=True, slots=True, eq=False)
class StepLog:
    """All steps known so far and where the cursor stands."""

    steps: tuple[StepRecord, ...]
    cursor: int = 0
    """How many steps have run: 0 is before the first. steps[cursor - 1] is the last one that ran."""
    divergences: int = 0
    without_effect: int = 0
    """Calls that were kept and shown, but that the simulator gives no effect."""
    title: str = ""
    complete: bool = True
    """False while steps that the model will make are not yet known, so that the total may still grow."""
