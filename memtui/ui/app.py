"""The app: it holds the snapshot and asks the source, nothing more."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.reactive import var
from textual.screen import Screen
from textual.worker import Worker

from memtui.draw.fit import safe
from memtui.model.errors import Cancelled, MemtuiError, ProcessGone
from memtui.model.request import Refresh, Request
from memtui.model.snapshot import Snapshot
from memtui.model.source import Source
from memtui.ui.lane import Lane
from memtui.ui.no_color import Colourless
from memtui.ui.signals import heed_signals
from memtui.ui.themes import Palette, Themes, load

if TYPE_CHECKING:
    from memtui.model.elf_source import ElfSource
    from memtui.ui.home import Home
    from memtui.ui.screens.loading import Opening
    from memtui.ui.screens.main import MainScreen


class MemtuiApp(App[None]):
    """Shows one source, or first lets the user pick one. A source that it is given is closed when it is done with.

    Args:
        themes: all themes, or as many as are needed at the start.
        theme_name: the one to start with; None is the default.
        source: what to show; None: `home` lets the user pick.
        home: what there is to pick from.
        opening: a title, and what makes the source while a bar tells how far it has come.
        first: the request for the first picture.
        snapshot: the first picture, if it is there already.
        interval: seconds between two looks at a live source.
        elf: where the ELF knowledge of a source comes from.
        pane: the pane that has the focus at the start: map, detail, residence, oom, steps.
        tour: show the user around before anything else.
        load_themes: reads them again.

    Raises:
        NotSupported: there is no theme of this name.
    """

    TITLE = "memtui"
    CSS_PATH = "memtui.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+z", "suspend_process", show=False)]

    snapshot: var[Snapshot | None] = var(None, init=False)
    """The picture on the screen; the panes show it, and repaint themselves where it differs."""

    def __init__(
        self,
        themes: Themes,
        *,
        theme_name: str | None = None,
        source: Source | None = None,
        home: "Home | None" = None,
        opening: tuple[str, "Opening"] | None = None,
        first: Request | None = None,
        snapshot: Snapshot | None = None,
        interval: float = 1.0,
        pane: str = "map",
        tour: bool = False,
        elf: "Callable[[Source], ElfSource | None]" = lambda source: None,
        load_themes: Callable[[], Themes] = load,
    ) -> None:
        self.themes = themes
        self.palette: Palette = themes.get(theme_name)
        self._load_themes = load_themes
        self._generation = 0
        """How often the themes were read again."""
        super().__init__()
        self._use_palette()
        self._variables = self.get_css_variables()
        """Those that the styles are first read with."""
        self.stylesheet.set_variables(self._variables)
        self.set_reactive(MemtuiApp.snapshot, snapshot)
        self.home = home
        self.interval = interval
        self.lane: Lane | None = None
        self.failure: MemtuiError | None = None
        """Why the source that was to be opened could not be had."""
        self._source = source
        self._opening = opening
        self._first = first or Refresh(whole=False)
        self._pane = pane
        self.tour = tour
        """Whether the user is to be shown around first."""
        self.when_ready: Callable[[], None] = lambda: None
        """Called once the first frame stands, and with the first picture of each source."""
        self._said = ""
        self._elf_of = elf

    def get_default_screen(self) -> Screen[None]:
        """What is shown first: the source, or what there is to pick from."""
        if self._source is not None:
            self.lane = Lane(self._source)
            return self._main_screen()
        if self._opening is not None:
            from memtui.ui.screens.loading import LoadingScreen

            return LoadingScreen(*self._opening)
        if self.home is None:
            return Screen()
        from memtui.ui.screens.home import HomeScreen

        return HomeScreen(self.home)

    def _main_screen(self) -> "MainScreen":
        """Who picks something first does not wait for its panes."""
        from memtui.ui.screens.main import MainScreen

        return MainScreen(self._pane)

    def refresh_css(self, animate: bool = True) -> None:
        """Textual reads all styles again for the first theme, which they have been read with."""
        known, self._variables = self._variables, {}
        if self.get_css_variables() != known:
            super().refresh_css(animate)

    def on_ready(self) -> None:
        """The first frame stands."""
        self.when_ready()

    def on_mount(self) -> None:
        """Ask for the first picture."""
        if not self.is_headless:
            heed_signals(self)
        self._say_problems()
        if self.lane is not None and self.snapshot is None:
            self.ask(self._first)

    def draw_anew(self) -> None:
        """Write the whole screen, whatever stands on the terminal now."""
        for screen in self.screen_stack:
            screen.refresh(layout=True)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, but that NO_COLOR takes every colour, where Textual would leave shades of grey."""
        return [Colourless()] if self.no_color else super().get_line_filters()

    def open(self, source: Source) -> None:
        """Show a source that was picked; of two that were picked at once, the first."""
        if self.lane is not None:
            source.close()
            return
        self.set_reactive(MemtuiApp.snapshot, None)
        self._source, self.lane = source, Lane(source)
        self.push_screen(self._main_screen())
        self.ask(self._first)

    def elf_source(self) -> "ElfSource | None":
        """Where the ELF knowledge of the source on the screen comes from; slow."""
        return None if self._source is None else self._elf_of(self._source)

    def give_up(self, error: MemtuiError) -> None:
        """End, because there is nothing to show."""
        self.failure = error
        self.exit(return_code=1)

    async def leave(self) -> None:
        """Back to the list, if there is one; the source is let go."""
        if self.home is not None and self.lane is not None:
            await self._close()
            self.pop_screen()

    async def _close(self) -> None:
        lane, self.lane = self.lane, None
        if lane is not None:
            await lane.close()

    def accepts(self, request: type[Request]) -> bool:
        """Whether the source understands such a request."""
        return self.lane is not None and request in self.lane.accepts

    def ask(self, request: Request, then: Callable[[Snapshot], None] | None = None) -> Worker[None]:
        """Ask the source, and call `then` with its answer once that is on the screen."""
        return self._ask(request, then)

    @work
    async def _ask(self, request: Request, then: Callable[[Snapshot], None] | None) -> None:
        """The one place where the errors of a source end. The last picture stays."""
        lane = self.lane
        if lane is None:
            return
        try:
            snapshot = await lane.ask(request)
        except MemtuiError as error:
            if lane is self.lane:
                self.report(error, looking=isinstance(request, Refresh))
            return
        if lane is self.lane:
            self._said = ""
            is_first, self.snapshot = self.snapshot is None, snapshot
            if is_first:
                self.when_ready()
            if then is not None:
                then(snapshot)

    def report(self, error: MemtuiError, *, looking: bool = False) -> None:
        """Say what went wrong in one line.

        Args:
            error: what.
            looking: the picture could not be renewed: it is marked, and the same words are not said again.
        """
        if looking and self.snapshot is not None and self.snapshot.stale != error.what:
            self.snapshot = replace(self.snapshot, stale=error.what)
        words = safe(str(error))
        if not looking or words != self._said:
            severity: Literal["warning", "error"] = "warning" if isinstance(error, ProcessGone | Cancelled) else "error"
            self.notify(words, severity=severity, markup=False, timeout=8)
        self._said = words

    def next_theme(self) -> None:
        """Change to the theme that follows by name."""
        if self.themes.partial:
            self.themes = self._load_themes()
        names = sorted(self.themes.palettes)
        if names:
            later = [name for name in names if name > self.palette.name]
            self.palette = self.themes.palettes[(later or names)[0]]
            self._use_palette()

    def reload_themes(self) -> None:
        """Read the files again: what was edited is seen at once, and what is wrong with it is said."""
        self.themes = self._load_themes()
        self.palette = self.themes.palettes.get(self.palette.name) or self.themes.get(None)
        self._generation += 1
        self._use_palette()
        self._say_problems()
        if not self.themes.problems:
            self.notify(f"{len(self.themes.palettes)} themes read again", timeout=2, markup=False)

    def _use_palette(self) -> None:
        """Textual takes a theme for a new one only if it has a new name."""
        name = f"{self.palette.name}/{self._generation}" if self._generation else self.palette.name
        self.register_theme(self.palette.textual(name))
        self.theme = name

    def _say_problems(self) -> None:
        for problem in self.themes.problems:
            self.notify(safe(problem), title="Left out", severity="warning", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table of keys, for the command palette."""
        from memtui.ui.screens.main import MainScreen

        return screen.commands() if isinstance(screen, MainScreen) else super().get_system_commands(screen)

    async def on_unmount(self) -> None:
        """Let go of the source."""
        await self._close()
