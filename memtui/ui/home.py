"""What the home screen offers, handed in by whoever builds the app."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from memtui.model.source import Source
from memtui.model.task import Task


class Scenario(NamedTuple):
    """A story that is simulated step by step."""

    name: str
    summary: str
    """What it shows, in a few words."""
    chapter: str = ""
    """Under which heading it stands; those of one chapter stand together."""


class Home(NamedTuple):
    """Processes and scenarios to choose from."""

    processes: Callable[[], Sequence[Task]]
    """Runs beside the screen; may raise SourceError."""
    scenarios: Sequence[Scenario]
    story: Callable[[str], str]
    """What a scenario tells, a paragraph a line."""
    open_process: Callable[[int], Source]
    open_scenario: Callable[[str], Source]
    commands: Callable[[Sequence[int]], Mapping[int, str]] = lambda pids: {}
    """The command lines of those that have one that may be read; runs beside the screen."""
