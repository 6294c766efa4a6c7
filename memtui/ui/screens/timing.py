"""The keys of time: steps of a simulation, its chapters and bookmarks; looks at a live source."""

from typing import TYPE_CHECKING, Final, cast

from memtui.model.request import Back, Measure, Refresh, Seek, Step
from memtui.model.step import StepLog
from memtui.ui.places import Places
from memtui.ui.screens.asking import AskingScreen

if TYPE_CHECKING:
    from textual.timer import Timer

    from memtui.ui.widgets.steps_pane import StepsPane

_A_STEP: Final = 0.7
"""Seconds a step while a simulation plays, at first."""
_FASTEST, _SLOWEST = 0.05, 60.0
"""Seconds; a key halves or doubles what lies between."""
_END: Final = 1 << 62
"""Beyond the last step of any trace."""


class TimingScreen(AskingScreen):
    """Goes on by itself, too. Expects a `StepsPane` on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._every = _A_STEP
        self.places = Places()

    @property
    def trace(self) -> StepLog | None:
        """The steps on the screen."""
        now = self.memtui.snapshot
        return now.steps if now is not None else None

    def begin(self) -> None:
        """Begin: a live source is looked at again and again."""
        if not self.memtui.accepts(Step):
            self._every = self.memtui.interval
            self.action_play()

    # One after the other

    def action_step(self, steps: int) -> None:
        """Forward."""
        self.ask(Step(steps))

    def action_back(self, steps: int) -> None:
        """Back."""
        self.ask(Back(steps))

    def action_refresh(self) -> None:
        """Look again."""
        self.ask(Refresh())

    def action_measure(self) -> None:
        """Read what is not read by itself."""
        self.ask(Measure())

    def action_seek(self) -> None:
        """Go to a step."""
        self.prompt("go to step", self._seek, hint="a number from 0, or end")

    def _seek(self, text: str) -> None:
        if text.isdecimal():
            self.ask(Seek(int(text)))
        elif text.casefold() == "end":
            self.ask(Seek(_END))
        else:
            self.notify(f"{text!r} is no step: a number from 0, or end", severity="warning", markup=False)

    # By itself

    def action_play(self) -> None:
        """Start or stop what goes on by itself."""
        if self._timer is None:
            self._timer = self.set_interval(self._every, self._tick)
        else:
            self._timer.stop()
            self._timer = None
        self.say_pace()

    def action_speed(self, direction: int) -> None:
        """Twice as fast (1), or half as fast (-1)."""
        factor = 0.5 if direction > 0 else 2
        self._every = min(max(self._every * factor, _FASTEST), _SLOWEST)
        if self._timer is not None:
            self._timer.stop()
            self._timer = self.set_interval(self._every, self._tick)
            self.say_pace()
        else:
            self.notify(f"{self._every:.3g} s a {'step' if self.memtui.accepts(Step) else 'look'}", timeout=2)

    def say_pace(self) -> None:
        """Tell how fast it goes on by itself."""
        self.say(self._pace())

    def _pace(self) -> str:
        if self.memtui.accepts(Step):
            return f"playing, {self._every:.2g} s a step" if self._timer else ""
        return f"every {self._every:.3g} s" if self._timer else "paused"

    def _tick(self) -> None:
        """Go on; not while the request before is still on its way, so that none pile up."""
        lane, log = self.memtui.lane, self.trace
        if lane is None or not lane.idle:
            return
        if not self.memtui.accepts(Step):
            self.ask(Refresh())
        elif log is not None and log.complete and log.cursor == len(log.steps):
            self.action_play()
        else:
            self.ask(Step())

    # Places

    def action_chapter(self, direction: int) -> None:
        """To the first step of the next chapter, or of the one before."""
        log = self.trace
        number = None if log is None else self.places.chapter(log, direction)
        if number is None:
            self.notify("no chapter further on" if direction > 0 else "no chapter before", timeout=2)
        else:
            self.ask(Seek(number))

    def action_bookmark(self) -> None:
        """Mark the step that ran last, or take its mark away."""
        if self.trace is not None:
            self.places.toggle(self.trace.cursor)
            self._show_marks()

    def action_next_bookmark(self) -> None:
        """To the next step that is marked, round the end."""
        log = self.trace
        number = None if log is None else self.places.next_mark(log.cursor)
        if number is None:
            self.notify("no step is marked: * marks the one that ran last", timeout=3)
        else:
            self.ask(Seek(number))

    def action_places(self) -> None:
        """Pick a chapter or a bookmark from a list."""
        if self.trace is None:
            return
        from memtui.ui.screens.choosing import ChoosingScreen

        entries = self.places.entries(self.trace)

        def chosen(nth: int | None) -> None:
            if nth is not None:
                self.ask(Seek(entries[nth].number))

        lines = [entry.text for entry in entries]
        screen = ChoosingScreen("Chapters and bookmarks", lines, "none: * marks the step that ran last")
        self.app.push_screen(screen, chosen)

    def inserted(self, number: int) -> None:
        """A new step stands at this number: the marks behind it move."""
        self.places.inserted(number)
        self._show_marks()

    def _show_marks(self) -> None:
        cast("StepsPane", self.pane("steps")).mark(self.places.marks)
