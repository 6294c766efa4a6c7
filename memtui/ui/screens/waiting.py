"""What is said while something takes long, and the key that ends it."""

from collections.abc import Callable
from typing import Final

from memtui.model.request import Refresh, Request
from memtui.model.snapshot import Snapshot
from memtui.ui.screens.heap import HeapScreen
from memtui.ui.screens.knowing import KnowingScreen
from memtui.ui.screens.timing import TimingScreen

_PATIENCE: Final = 0.2
"""Seconds after which slow work is shown."""
_AGAIN: Final = 0.1
"""Seconds from one look at it to the next."""


class WaitingScreen(TimingScreen, HeapScreen, KnowingScreen):
    """Looks at the lane and the desk only while something is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = False
        self._tells = False
        """Whether the header tells of it now."""
        self._told = False
        """Whether it says how to end it."""

    def ask(self, request: Request, then: Callable[[Snapshot], None] | None = None) -> None:
        """Of the source; the header tells if that takes long."""
        super().ask(request, then)
        if not isinstance(request, Refresh):
            self.expect()

    def expect(self) -> None:
        """Something is on its way: tell of it if that takes long."""
        if not self._looks:
            self._looks = True
            self.set_timer(_PATIENCE, self._look)

    def arrived(self) -> None:
        """A picture came: what it was waited for is no longer told, if it was the last."""
        if self._tells and self._slow is None:
            self._tells = self._told = False
            self.say_pace()

    def _look(self) -> None:
        words = self._slow
        if words is None:
            self._looks = False
            self.arrived()
            return
        self._tells, self._told = True, bool(words)
        self.say(f"{words} · Esc stops" if words else "working")
        self.set_timer(_AGAIN, self._look)

    @property
    def _slow(self) -> str | None:
        """What is on its way and can be ended, in words; "": it cannot be; None: nothing is."""
        lane = self.memtui.lane
        if self.seeking:
            return self.seeking
        if self.reading_heap is not None:
            return f"reading the heap, {self.reading_heap * 100:.0f} %"
        if lane is None or lane.idle:
            return None
        progress = lane.progress
        return "" if progress is None else progress.words

    def stop_waiting(self) -> bool:
        """End the slow work that the header tells of; False: it tells of none that can be ended."""
        lane = self.memtui.lane
        if not self._told or lane is None:
            return False
        if self.seeking:
            self.seek_no_more()
        elif lane.progress is not None:
            lane.stop()
        else:
            return False
        return True
