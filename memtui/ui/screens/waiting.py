"""What is said while a request takes long, and the key that ends it."""

from collections.abc import Callable
from typing import Final

from memtui.model.request import Refresh, Request
from memtui.model.snapshot import Snapshot
from memtui.ui.screens.timing import TimingScreen

_PATIENCE: Final = 0.2
"""Seconds after which slow work is shown."""
_AGAIN: Final = 0.1
"""Seconds from one look at it to the next."""


class WaitingScreen(TimingScreen):
    """Looks at the lane only while something is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = False

    def ask(self, request: Request, then: Callable[[Snapshot], None] | None = None) -> None:
        """Of the source; the header tells if that takes long."""
        super().ask(request, then)
        if not self._looks and not isinstance(request, Refresh):
            self._looks = True
            self.set_timer(_PATIENCE, self._look_at_lane)

    def _look_at_lane(self) -> None:
        lane = self.memtui.lane
        if lane is None or lane.idle:
            self._looks = False
            self.say_pace()
            return
        progress = lane.progress
        words = (
            "working" if progress is None else f"{progress.what} {progress.done:,} of {progress.total:,} · Esc stops"
        )
        self.say(words)
        self.set_timer(_AGAIN, self._look_at_lane)

    def stop_waiting(self) -> bool:
        """End slow work; False: there is none that can be ended."""
        lane = self.memtui.lane
        if lane is None or lane.idle or lane.progress is None:
            return False
        lane.stop()
        return True
