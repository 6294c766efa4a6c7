"""What happened in a step besides its result."""

from enum import StrEnum
from typing import NamedTuple


class EventKind(StrEnum):
    """The kinds of events."""

    FAILURE = "failure"
    """A call that failed: ENOMEM and the like."""
    SIGNAL = "signal"
    """SIGSEGV, SIGBUS."""
    OOM_KILL = "oom_kill"
    DIVERGENCE = "divergence"
    """The recorded result and the predicted one differ."""
    NO_EFFECT = "no_effect"
    """A call that the simulator keeps without effect."""
    NOTE = "note"


class Event(NamedTuple):
    """One event with its text for the user."""

    kind: EventKind
    text: str
    expected: str = ""
    """DIVERGENCE: the recorded result."""
    predicted: str = ""
    """DIVERGENCE: the simulator's own."""
