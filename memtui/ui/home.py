"""What the home screen offers, handed in by whoever builds the app."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from memtui.model.source import Source
from memtui.model.task import Task


class Home(NamedTuple):
    """Processes and scenarios to choose from."""

    processes: Callable[[], Sequence[Task]]
    """Runs beside the screen; may raise SourceError."""
    scenarios: Sequence[tuple[str, str]]
    """Name, what it shows."""
    open_process: Callable[[int], Source]
    open_scenario: Callable[[str], Source]
