"""What is seen while a long log is read: how far that has come, and the key that stops it."""

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Center, Middle
from textual.widgets import Label, ProgressBar

from memtui.draw.fit import safe
from memtui.model.errors import Cancelled, MemtuiError
from memtui.model.progress import Progress, Watcher
from memtui.model.source import Source
from memtui.ui.screens.fitting import FittingScreen

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp

Opening = Callable[[Watcher], Source]
"""Makes a source, and tells how far it has come; runs beside the screen."""


class LoadingScreen(FittingScreen):
    """One bar; when the work is done the app opens the source."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,ctrl+c", "stop", "stop")]
    DEFAULT_CSS = """
    LoadingScreen Center { height: auto; }
    """

    def __init__(self, title: str, opening: Opening) -> None:
        super().__init__()
        self._title = title
        self._opening = opening
        self._stopped = Event()

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    def compose(self) -> ComposeResult:
        """What is read, the bar, the key."""
        with Middle():
            yield Center(Label(safe(self._title), id="loading-title", markup=False))
            yield Center(ProgressBar(id="loading-bar", show_eta=False))
            yield Center(Label("Esc stops", id="loading-what", markup=False))
        yield from super().compose()

    def on_mount(self) -> None:
        """Begin."""
        self._load()

    def action_stop(self) -> None:
        """End the work at its next report."""
        self._stopped.set()

    @work(thread=True)
    def _load(self) -> None:
        try:
            source = self._opening(self._watch)
        except MemtuiError as error:
            self.app.call_from_thread(self.memtui.give_up, error)
        else:
            self.app.call_from_thread(self.memtui.open, source)

    def _watch(self, progress: Progress) -> None:
        if self._stopped.is_set():
            raise Cancelled("stopped")
        self.app.call_from_thread(self._show, progress)

    def _show(self, progress: Progress) -> None:
        self.query_one("#loading-bar", ProgressBar).update(total=progress.total, progress=progress.done)
        words = f"{progress.what} {progress.done:,} of {progress.total:,}   Esc stops"
        self.query_one("#loading-what", Label).update(words)
