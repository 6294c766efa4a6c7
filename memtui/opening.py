"""Opening the screen, or drawing it as a picture. The app, and with it Textual, is imported when all else is known."""

import gc
import shutil
import sys
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtui.failing import complain, failing
from memtui.model.request import Refresh, Request, Seek
from memtui.settings import is_first_start, read, settings_path
from memtui.sources import DEFAULT_SCENARIO, commands, elf_of, is_slow, live, live_process, processes, simulation
from memtui.start import has_terminal

if TYPE_CHECKING:
    from memtui.model.source import Source
    from memtui.plain_frame import PlainFrame
    from memtui.ui.app import MemtuiApp
    from memtui.ui.screens.loading import Opening


_TURN: Final = 0.0005
"""Seconds for which a thread that reads a process may keep the screen waiting; Python's own are ten times that."""
_WHOLE: Final = 1000
"""Collections of what is young before one of everything, which takes 20 ms where 60,000 VMAs came anew."""


class Size(NamedTuple):
    """Cells of a screen."""

    width: int
    height: int


DEFAULT_SIZE: Final = Size(120, 40)
"""Of a picture."""
DEFAULT_INTERVAL: Final = 1.0
"""Seconds between two looks."""


class Screen(NamedTuple):
    """How the screen is shown, or drawn as a picture."""

    theme: str | None = None
    size: Size = DEFAULT_SIZE
    interval: float = DEFAULT_INTERVAL
    press: str = ""
    """Keys to press before a picture is taken, blanks between."""


def open_loading(title: str, opening: "Opening", screen: Screen, first: Request) -> None:
    """Open the screen with a bar that tells how far the making of the source has come.

    Raises:
        MemtuiError: the source cannot be had.
    """
    needs_terminal()
    app = _app(screen, opening=(title, opening), first=first)
    _run(app)
    if app.failure is not None:
        raise app.failure


def open_trace(title: str, opening: "Opening", screen: Screen, first: Request, *, slow: bool) -> None:
    """Make a source and open the screen; what takes long shows how far it has come: a bar, or a line on stderr.

    Args:
        title: of the source.
        opening: makes it.
        screen: how it is shown.
        first: the request for the first picture.
        slow: it is known to take long.

    Raises:
        MemtuiError: the source cannot be had.
    """
    if slow:
        open_loading(title, opening, screen, first)
        return
    from memtui.progress_line import ProgressLine

    with ProgressLine(sys.stderr) as watch:
        source = opening(watch)
    with closing(source):
        open_screen(source, screen, first, pane="map")


def open_at_once(trace: str = DEFAULT_SCENARIO) -> None:
    """`memtui sim [NAME|FILE]` without the command line, as `open_process`."""
    with failing():
        open_trace(trace, lambda watch: simulation(trace, watch), Screen(), Seek(0), slow=is_slow(trace))


def open_list() -> None:
    """`memtui` without the command line, as `open_process`."""
    with failing():
        open_home(Screen())


def open_process(pid: int, frame: "PlainFrame | None") -> None:
    """`memtui PID` without the command line, where no settings have a say. Exit status: as of `memtui.cli.main`.

    Args:
        pid: of the process.
        frame: what stands on the terminal already.
    """
    with failing(), frame or nullcontext(), closing(live(str(pid))) as source:
        open_screen(source, Screen(), Refresh(whole=False), pane="map")


def open_screen(source: "Source", screen: Screen, first: Request, *, pane: str) -> None:
    """Open the screen; a source that cannot be had is said before.

    Args:
        source: what to show.
        screen: how.
        first: the request for the first picture.
        pane: that has the focus.

    Raises:
        MemtuiError: the source cannot be had.
    """
    needs_terminal()
    snapshot = source.apply(first)
    from memtui.draw.plain_rows import plain_rows
    from memtui.plain_frame import PlainFrame

    with PlainFrame(plain_rows(snapshot, *shutil.get_terminal_size())) as frame:
        frame.draw()
        app = _app(screen, source=source, snapshot=snapshot, pane=pane)
        app.tour = is_first_start()
        _run(app)


def print_picture(source: "Source", screen: Screen, first: Request, *, pane: str) -> None:
    """Print the screen as SVG.

    Raises:
        MemtuiError: the source cannot be had.
        BadParameter: there is no such key.
    """
    keys = _keys(screen.press)
    snapshot = source.apply(first)
    app = _app(screen, source=source, snapshot=snapshot, pane=pane, on_terminal=False)
    import asyncio

    from memtui.printing import write
    from memtui.ui.svg import render_svg

    _collect_from_now_on()
    for problem in app.themes.problems:
        complain(problem)
    write(asyncio.run(render_svg(app, screen.size, keys)))


def _keys(press: str) -> list[str]:
    import click

    from memtui.ui.keys import key_named

    words = press.split()
    keys = [key for word in words if (key := key_named(word)) is not None]
    if len(keys) < len(words):
        unknown = next(word for word in words if key_named(word) is None)
        raise click.BadParameter(
            f"there is no key {unknown!r}; n, enter, Esc, Ctrl-P, ? are some", param_hint="--press"
        )
    return keys


def open_home(screen: Screen) -> None:
    """Open the screen on which a process or a scenario is picked."""
    needs_terminal()
    from memtui.scenarios import scenario_chapters, scenario_story, scenario_summary
    from memtui.ui.home import Home, Scenario

    home = Home(
        processes=processes,
        scenarios=[
            Scenario(name, scenario_summary(name), chapter)
            for chapter, names in scenario_chapters().items()
            for name in names
        ],
        story=scenario_story,
        open_process=live_process,
        open_scenario=simulation,
        commands=commands,
    )
    app = _app(screen, home=home)
    app.tour = is_first_start()
    _run(app)


def needs_terminal() -> None:
    """There has to be one.

    Raises:
        UsageError: there is none.
    """
    if not has_terminal():
        import click

        raise click.UsageError("the screen needs a terminal: --print writes to a file or a pipe")


def _run(app: "MemtuiApp") -> None:
    """Until it ends; what broke it is this program's status too."""
    app.when_ready = _collect_from_now_on
    sys.setswitchinterval(_TURN)
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        # Where Textual draws; what goes wrong is still written to sys.stderr.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    app.run()
    if app.failure is None and app.return_code:
        sys.exit(app.return_code)


def _collect_from_now_on() -> None:
    """What is there by now stays: it is never looked through again. All else is so as a whole once in a long while."""
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _WHOLE)
    gc.enable()


def _app(screen: Screen, *, on_terminal: bool = True, **options: Any) -> "MemtuiApp":
    """The app, not yet running; garbage is not looked for until it shows what the hundreds of modules are there for."""
    gc.disable()
    from memtui.ui.app import MemtuiApp
    from memtui.ui.themes import for_terminal, load_first

    preferred, usual = read().values.get("theme"), for_terminal() if on_terminal else None
    themes = load_first(screen.theme or preferred or usual)
    if screen.theme is None and preferred is not None and preferred not in themes.palettes:
        there_are = ", ".join(sorted(themes.palettes))
        problem = f"{settings_path()}: no theme named {preferred} (there are {there_are})"
        themes, preferred = themes._replace(problems=(*themes.problems, problem)), None
    name = screen.theme or preferred or (usual if usual in themes.palettes else None)
    return MemtuiApp(themes, theme_name=name, interval=screen.interval, elf=elf_of, **options)
