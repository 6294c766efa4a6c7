"""The composition root: argv -> Source -> print, or the screen. Alone may join live, sim and ui.

`--help` and every `--print` but svg start without importing textual: each command imports what it runs.
"""

import contextlib
import gc
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from memtui import __version__
from memtui.model.errors import MemtuiError, NotSupported
from memtui.model.request import Back, Refresh, Request, Seek, ShowHeap
from memtui.settings import is_first_start
from memtui.settings import read as read_settings
from memtui.sources import ENDING, SLOW, elf_of, is_slow, live, replay_of_run, simulation

if TYPE_CHECKING:
    from memtui.model.elf_objects import ObjectMap
    from memtui.model.snapshot import Snapshot
    from memtui.model.source import Source
    from memtui.ui.app import MemtuiApp
    from memtui.ui.screens.loading import Opening

DEFAULT_SCENARIO = "first-malloc"
LAST_STEPS = 8
"""Steps from the end of a log within which its program ends."""


class Size(NamedTuple):
    """Cells of a screen."""

    width: int
    height: int


DEFAULT_SIZE = Size(120, 40)


class _SizeType(click.ParamType[Size]):
    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if isinstance(value, Size):
            return value
        match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", value)
        if not match or "0" in match.groups():
            self.fail(f"{value!r} is not a size: cells as in 120x40", param, ctx)
        return Size(int(match[1]), int(match[2]))


class Screen(NamedTuple):
    """How the screen is shown, or drawn as a picture."""

    theme: str | None
    size: Size
    interval: float
    press: str = ""
    """Keys to press before a picture is taken, blanks between."""


def _screen_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option(
            "--theme", metavar="NAME", help="A theme by name: a file of the themes folder, or one of your own."
        ),
        click.option(
            "--size", type=_SizeType(), default=DEFAULT_SIZE, help="Size of the picture that --print svg writes."
        ),
        click.option(
            "--press", metavar="KEYS", default="", help="Keys to press before --print svg takes its picture: 'u enter'."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _print_option(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--print", "what", type=click.Choice(kinds), help="Print this and exit, instead of opening the screen."
    )


_interval_option = click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between looks at a live process.",
)


class _Commands(click.Group):
    """A first argument that is a number is a PID to attach to."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0].isdecimal():
            args = ["attach", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="memtui")
@click.option("--theme", metavar="NAME", help="A theme by name.")
@_interval_option
@click.pass_context
def commands(ctx: click.Context, theme: str | None, interval: float) -> None:
    """See how Linux manages process memory: a live process, or an exact simulation.

    Without a command: pick a process or a scenario. `memtui PID` is `memtui attach PID`.
    """
    if ctx.invoked_subcommand is None:
        _home(theme, interval)


@commands.command()
@click.argument("process", metavar="PID|NAME")
@_print_option("maps", "smaps", "summary", "json", "svg")
@_screen_options
@_interval_option
def attach(process: str, what: str | None, theme: str | None, size: Size, press: str, interval: float) -> None:
    """Look at a live process. Nothing is stopped or changed."""
    source = live(process)
    _show(source, what, Screen(theme, size, interval, press))


@commands.command()
@click.argument("trace", metavar="[NAME|FILE]", default=DEFAULT_SCENARIO)
@click.option("--at", "at", type=click.IntRange(min=0), metavar="N", help="Stop after step N.")
@click.option("--why", is_flag=True, help="With --print trace: the rule that decided each result.")
@_print_option("trace", "maps", "smaps", "summary", "json", "svg")
@_screen_options
def sim(trace: str, at: int | None, why: bool, what: str | None, theme: str | None, size: Size, press: str) -> None:
    """Step through a built-in scenario, a .trace file, or an strace or ltrace log.

    Without an argument: the scenario first-malloc.
    """
    if why and what != "trace":
        raise click.UsageError("--why goes with --print trace")
    _open(
        trace,
        lambda watch: simulation(trace, watch, at=_target(at, what)),
        what,
        Screen(theme, size, 1.0, press),
        slow=is_slow(trace),
        at=at,
        why=why,
    )


@commands.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, metavar="CMD [ARG...]", type=click.UNPROCESSED)
@click.option("--at", "at", type=click.IntRange(min=0), metavar="N", help="Stop after step N.")
@click.option("--aslr", is_flag=True, help="Leave address space randomization on; random addresses are not predicted.")
@_print_option("trace", "maps", "smaps", "summary", "json", "svg")
@_screen_options
def run(
    command: tuple[str, ...], at: int | None, aslr: bool, what: str | None, theme: str | None, size: Size, press: str
) -> None:
    """Run CMD under strace, then step through what it did beside what is predicted.

    CMD keeps the terminal. With --print, its output goes to stderr unless stdout is a terminal, and its exit status
    is memtui's.
    """
    from memtui.live.strace import record

    if what is None:
        _needs_terminal()
    output = sys.stderr.fileno() if what is not None and not sys.stdout.isatty() else None
    recorded = record(command, aslr=aslr, output=output)
    title = shlex.join(command)
    _open(
        title,
        lambda watch: replay_of_run(recorded.log, title, watch, at=_target(at, what)),
        what,
        Screen(theme, size, 1.0, press),
        slow=len(recorded.log) >= SLOW,
        at=at,
    )
    if what is not None:
        sys.exit(recorded.status)


@commands.command()
@click.option(
    "--cgroup", metavar="NAME", help="Among the tasks of this memory cgroup (v1 or v2), relative to its mount."
)
@_print_option("summary", "json", "svg")
@_screen_options
@_interval_option
def oom(cgroup: str | None, what: str | None, theme: str | None, size: Size, press: str, interval: float) -> None:
    """Who dies next when memory runs out, and why."""
    from memtui.live.source import LiveSource

    source = LiveSource(None, cgroup=cgroup)
    _show(source, what, Screen(theme, size, interval, press), ranking=True)


def _open(
    title: str,
    opening: "Opening",
    what: str | None,
    screen: Screen,
    *,
    slow: bool,
    at: int | None,
    why: bool = False,
) -> None:
    """Make a source and show it; what takes long shows how far it has come: a screen with a bar, or a line on stderr.

    Raises:
        MemtuiError: the source cannot be had.
    """
    if what is None and slow:
        _needs_terminal()
        app = _app(screen, opening=(title, opening), first=Seek(_target(at, what)))
        app.run()
        if app.failure is not None:
            raise app.failure
        return
    from memtui.progress_line import ProgressLine

    with ProgressLine(sys.stderr) as watch:
        source = opening(watch)
    _show(source, what, screen, first=Seek(_target(at, what)), why=why)


def _target(at: int | None, what: str | None) -> int:
    """The step to show: without --at the last one for printing, and the start for the screen."""
    return ENDING if at is None and what is not None else at or 0


def _show(
    source: "Source",
    what: str | None,
    screen: Screen,
    *,
    first: Request = Refresh(),  # noqa: B008 - an immutable value
    ranking: bool = False,
    why: bool = False,
) -> None:
    """Print `what`, or open the screen when there is nothing to print."""
    with contextlib.closing(source):
        if what is not None and what != "svg":
            snapshot = source.apply(first)
            if what in {"maps", "smaps"} and first == Seek(ENDING):
                snapshot = _last_map(source, snapshot)
            if what in ("json", "summary") and not ranking:
                snapshot = _with_heap(source, snapshot)
            objects = _objects(source, snapshot) if what == "json" and not ranking else None
            _write(_text(snapshot, what, ranking=ranking, why=why, objects=objects))
            return
        if what is None:
            _needs_terminal()
        # A source that cannot be had is one line on stderr, before the screen is opened.
        snapshot = source.apply(first)
        pane = "oom" if ranking else "map"
        if what is None:
            from memtui.plain_frame import PlainFrame

            with PlainFrame(snapshot, *shutil.get_terminal_size()):
                app = _app(screen, source=source, snapshot=snapshot, pane=pane)
                app.tour = is_first_start()
                app.run()
            return
        import asyncio

        app = _app(screen, source=source, snapshot=snapshot, pane=pane)
        from memtui.ui.svg import render_svg

        for problem in app.themes.problems:
            click.echo(f"memtui: {problem}", err=True)
        _write(asyncio.run(render_svg(app, screen.size, screen.press.split())))


def _app(screen: Screen, **options: Any) -> "MemtuiApp":
    """The app, not yet running; garbage is not looked for while the hundreds of modules behind it are imported."""
    gc.disable()
    from memtui.ui.app import MemtuiApp
    from memtui.ui.themes import load

    gc.freeze()
    gc.enable()
    return MemtuiApp(load(), theme_name=screen.theme, interval=screen.interval, elf=elf_of, **options)


def _last_map(source: "Source", snapshot: "Snapshot") -> "Snapshot":
    """The last picture that has an address space: a log ends with the end of its program."""
    ended, steps = snapshot.mm is None, LAST_STEPS
    while snapshot.mm is None and steps:
        snapshot, steps = source.apply(Back()), steps - 1
    if ended and snapshot.mm is not None and snapshot.steps is not None:
        click.echo(f"memtui: the program has ended: this is the map at step {snapshot.steps.cursor}", err=True)
    return snapshot


def _with_heap(source: "Source", snapshot: "Snapshot") -> "Snapshot":
    """The same with the heap, which a terminal is told the progress of."""
    if ShowHeap not in source.accepts or snapshot.mm is None:
        return snapshot
    shown = False
    while (snapshot := source.apply(ShowHeap())).mm is not None:
        heap = snapshot.mm.heap
        if heap is None or heap.progress is None:
            break
        if sys.stderr.isatty():
            click.echo(f"\rreading the heap: {heap.progress * 100:3.0f} %", nl=False, err=True)
            shown = True
    if shown:
        click.echo("\r" + " " * 30 + "\r", nl=False, err=True)
    return snapshot


def _needs_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the screen needs a terminal: --print writes to a file or a pipe")


def _home(theme: str | None, interval: float) -> None:
    """Open the screen on which a process or a scenario is picked."""
    _needs_terminal()
    from memtui.live.processes import read_tasks
    from memtui.live.procfs import Procfs
    from memtui.live.source import LiveSource
    from memtui.scenarios import scenario_names, scenario_summary
    from memtui.ui.home import Home

    home = Home(
        processes=lambda: read_tasks(Procfs()),
        scenarios=[(name, scenario_summary(name)) for name in scenario_names()],
        open_process=LiveSource,
        open_scenario=simulation,
    )
    app = _app(Screen(theme, DEFAULT_SIZE, interval), home=home)
    app.tour = is_first_start()
    app.run()


def _objects(source: "Source", snapshot: "Snapshot") -> "ObjectMap | None":
    """The ELF files that are mapped; None: this source has none."""
    elf = elf_of(source)
    return None if elf is None or snapshot.mm is None else elf.objects(snapshot.mm)


def _text(snapshot: "Snapshot", what: str, *, ranking: bool, why: bool, objects: "ObjectMap | None" = None) -> str:
    match what:
        case "json":
            from memtui.draw.json_document import dump, oom_document, snapshot_document

            return dump(oom_document(snapshot) if ranking else snapshot_document(snapshot, objects))
        case "trace":
            from memtui.draw.trace_text import trace_text

            assert snapshot.steps is not None
            return trace_text(snapshot.steps, why=why)
        case "summary":
            from memtui.draw.summary import oom_summary, snapshot_summary

            return oom_summary(snapshot) if ranking else snapshot_summary(snapshot)
    if snapshot.mm is None:
        raise NotSupported(snapshot.unknown.get("mm", "there is no address space here"))
    if "vmas" in snapshot.mm.unknown:
        click.echo(f"memtui: the map is not whole: {snapshot.mm.unknown['vmas']}", err=True)
    if what == "smaps":
        from memtui.draw.smaps_text import smaps_text

        return smaps_text(snapshot.mm.vmas)
    from memtui.draw.maps_text import maps_text

    return maps_text(snapshot.mm.vmas)


def _write(text: str) -> None:
    """To stdout, with bytes that are no UTF-8 as the kernel gave them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; the console script.

    Exit status: 0 done, 1 a source that cannot be had, 2 a wrong call, 130 interrupted.
    """
    settings = read_settings()
    for problem in settings.problems:
        click.echo(f"memtui: {problem}", err=True)
    try:
        commands.main(
            args=None if argv is None else list(argv),
            prog_name="memtui",
            standalone_mode=False,
            default_map=settings.default_map,
        )
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except MemtuiError as error:
        click.echo(f"memtui: {_one_line(error)}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # The reader (head, less) has what it wants; keep the interpreter from flushing into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _one_line(error: MemtuiError) -> str:
    return str(error).encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
