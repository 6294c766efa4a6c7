"""The app: it holds the snapshot and asks the source, nothing more."""

import dataclasses

from textual import work
from textual.app import App
from textual.reactive import reactive

from memtui.model.errors import MemtuiError, ProcessGone
from memtui.model.request import Refresh, Request
from memtui.model.snapshot import Snapshot
from memtui.model.source import Source
from memtui.ui.home import Home
from memtui.ui.lane import Lane
from memtui.ui.screens.home import HomeScreen
from memtui.ui.screens.main import MainScreen
from memtui.ui.themes import Palette, Themes


class MemtuiApp(App[None]):
    """Shows one source, or first lets the user pick one.

    Args:
        themes: all themes.
        theme_name: the one to start with; None is the default.
        source: what to show; None: `home` lets the user pick.
        home: what there is to pick from.
        first: the request for the first picture.
        interval: seconds between two looks at a live source.
        pane: the pane that has the focus at the start.

    Raises:
        NotSupported: there is no theme of this name.
    """

    TITLE = "memtui"
    CSS_PATH = "memtui.tcss"
    ENABLE_COMMAND_PALETTE = True

    snapshot: reactive[Snapshot | None] = reactive(None, init=False)
    """The picture on the screen; the panes watch it."""

    def __init__(
        self,
        themes: Themes,
        *,
        theme_name: str | None = None,
        source: Source | None = None,
        home: Home | None = None,
        first: Request | None = None,
        interval: float = 1.0,
        pane: str = "map",
    ) -> None:
        self.themes = themes
        self.palette: Palette = themes.get(theme_name)
        super().__init__()
        self.home = home
        self.interval = interval
        self.lane: Lane | None = None
        self._source = source
        self._first = first or Refresh()
        self._pane = pane

    def on_mount(self) -> None:
        """Open what was asked for."""
        for palette in {**self.themes.palettes, self.palette.name: self.palette}.values():
            self.register_theme(palette.textual())
        self.theme = self.palette.name
        for problem in self.themes.problems:
            self.notify(problem, title="A theme was left out", severity="warning", markup=False)
        if self._source is not None:
            self.open(self._source, self._first)
        elif self.home is not None:
            self.push_screen(HomeScreen(self.home))

    def open(self, source: Source, first: Request | None = None) -> None:
        """Show a source; the one before is let go."""
        self.close_lane()
        self.set_reactive(MemtuiApp.snapshot, None)
        self.lane = Lane(source)
        self.push_screen(MainScreen(self._pane))
        self.ask(first or Refresh())

    def close_lane(self) -> None:
        """Let go of the source, if there is one."""
        if self.lane is not None:
            self.lane.close()
            self.lane = None

    def accepts(self, request: type[Request]) -> bool:
        """Whether the source understands such a request."""
        return self.lane is not None and request in self.lane.accepts

    @work
    async def ask(self, request: Request) -> None:
        """Ask the source; the one place where its errors end. The last picture stays."""
        lane = self.lane
        if lane is None:
            return
        try:
            snapshot = await lane.ask(request)
        except MemtuiError as error:
            if lane is self.lane:
                self.report(error)
        else:
            if lane is self.lane:
                self.snapshot = snapshot

    def report(self, error: MemtuiError) -> None:
        """Say what went wrong in one line, and mark the picture if it can no longer be renewed."""
        stale = isinstance(error, ProcessGone)
        if stale and self.snapshot is not None:
            if self.snapshot.stale is None:
                self.snapshot = dataclasses.replace(self.snapshot, stale=str(error))
            else:
                return
        self.notify(printable(str(error)), severity="warning" if stale else "error", markup=False, timeout=8)

    def next_theme(self) -> None:
        """Change to the theme that follows by name."""
        names = sorted(self.themes.palettes)
        self.use_theme(names[(names.index(self.palette.name) + 1) % len(names)])

    def use_theme(self, name: str) -> None:
        """Change to a theme by name."""
        self.palette = self.themes.palettes[name]
        self.theme = name

    def on_unmount(self) -> None:
        """Let go of the source."""
        self.close_lane()


def printable(text: str) -> str:
    """Text that any terminal can take: bytes that were no UTF-8 as escapes, no control characters."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
