"""The keys that ask something of the source: time, and what can be tried on a simulated process."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.binding import BindingType

from memtui.model.request import Back, Inject, Measure, Refresh, Request, Seek, Step
from memtui.ui.inject import Allocations, touch_line
from memtui.ui.keys import bindings, keys_of
from memtui.ui.screens.fitting import FittingScreen

if TYPE_CHECKING:
    from textual.timer import Timer

    from memtui.ui.app import MemtuiApp

_PLAY: Final = 0.7
"""Seconds a step while a simulation plays."""


class AskingScreen(FittingScreen):
    """Turns keys into requests. What it shows is its subclass's concern."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None
        self._allocations = Allocations()
        self._say: Callable[[str], None] = lambda status: None

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    @property
    def address(self) -> int | None:
        """The byte that the cursor is on."""
        raise NotImplementedError

    def begin(self, say: Callable[[str], None]) -> None:
        """Begin: a live source is looked at again and again. `say` hears of each change, in words for the header."""
        self._say = say
        if not self.memtui.accepts(Step):
            self.action_play()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what the source cannot do."""
        keys = keys_of(action, parameters)
        return True if not keys or any(key.works(self.memtui.accepts) for key in keys) else None

    def ask(self, request: Request) -> None:
        """Of the source."""
        self.memtui.ask(request)

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
        self.prompt("go to step", self._seek)

    def _seek(self, text: str) -> None:
        if text.isdecimal():
            self.ask(Seek(int(text)))
        else:
            self.notify(f"{text!r} is no step: a number from 0", severity="warning", markup=False)

    def action_play(self) -> None:
        """Start or stop what goes on by itself."""
        if self._timer is None:
            self._timer = self.set_interval(_PLAY if self.memtui.accepts(Step) else self.memtui.interval, self._tick)
        else:
            self._timer.stop()
            self._timer = None
        self._say(self._pace())

    def _pace(self) -> str:
        if self.memtui.accepts(Step):
            return "playing" if self._timer else ""
        return f"every {self.memtui.interval:g} s" if self._timer else "paused"

    def _tick(self) -> None:
        """Go on; not while the request before is still on its way, so that none pile up."""
        lane, now = self.memtui.lane, self.memtui.snapshot
        if lane is None or not lane.idle:
            return
        log = now.steps if now is not None else None
        if not self.memtui.accepts(Step):
            self.ask(Refresh())
        elif log is not None and log.complete and log.cursor == len(log.steps):
            self.action_play()
        else:
            self.ask(Step())

    def action_malloc(self) -> None:
        """Allocate."""
        self.prompt("malloc how much?", self._malloc, value="100K")

    def _malloc(self, size: str) -> None:
        name, line = self._allocations.malloc_line(size)
        self.memtui.ask(Inject(line), lambda now: self._allocations.made(name, now.steps.cursor if now.steps else 0))

    def action_free(self) -> None:
        """Free the latest allocation of `malloc`."""
        now = self.memtui.snapshot
        name = self._allocations.latest(now.steps.cursor) if now is not None and now.steps is not None else None
        if name is None:
            self.notify("nothing to free: m allocates first", markup=False)
        else:
            self._allocations.freed(name)
            self.ask(Inject(f"free({name})"))

    def action_touch(self) -> None:
        """Write to the page under the cursor."""
        if self.address is not None:
            self.ask(Inject(touch_line(self.address)))

    def action_inject(self) -> None:
        """Run a line of the trace language."""
        hint = "mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
        self.prompt("run", lambda line: self.ask(Inject(line)), hint=hint)

    def prompt(self, question: str, then: Callable[[str], None], *, value: str = "", hint: str = "") -> None:
        """Ask the user for a line; `then` gets it if there is one."""
        from memtui.ui.screens.prompt import Prompt

        def answered(line: str | None) -> None:
            if line:
                then(line)

        self.app.push_screen(Prompt(question, value, hint), answered)
