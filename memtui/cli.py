"""The composition root: argv -> Source -> print, or the screen. Alone may join live, sim and ui.

`--help` and every `--print` but svg start without importing textual: each command imports what it runs.
"""

import contextlib
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from memtui import __version__
from memtui.failing import complain, failing
from memtui.model.request import Refresh, Request, Seek
from memtui.opening import (
    DEFAULT_SIZE,
    Screen,
    Size,
    needs_terminal,
    open_home,
    open_screen,
    open_trace,
    print_picture,
)
from memtui.options import interval_option, print_option, screen_options
from memtui.printing import print_text
from memtui.settings import read as read_settings
from memtui.sources import DEFAULT_SCENARIO, ENDING, SLOW, is_slow, live, replay_of_run, simulation

if TYPE_CHECKING:
    from memtui.model.source import Source
    from memtui.plain_frame import PlainFrame
    from memtui.ui.screens.loading import Opening


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
@interval_option
@click.pass_context
def commands(ctx: click.Context, theme: str | None, interval: float) -> None:
    """See how Linux manages process memory: a live process, or an exact simulation.

    Without a command: pick a process or a scenario. `memtui PID` is `memtui attach PID`.
    """
    _hand_down(ctx)
    if ctx.invoked_subcommand is None:
        open_home(Screen(theme, DEFAULT_SIZE, interval))


def _hand_down(ctx: click.Context) -> None:
    """Options before the command are defaults of the command."""
    given = {
        name: value
        for name, value in ctx.params.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    defaults = ctx.default_map or {}
    ctx.default_map = {**defaults, **{name: {**defaults.get(name, {}), **given} for name in commands.commands}}


@commands.command()
@click.argument("process", metavar="PID|NAME")
@print_option("maps", "smaps", "summary", "json", "svg")
@screen_options
@interval_option
def attach(process: str, what: str | None, theme: str | None, size: Size, press: str, interval: float) -> None:
    """Look at a live process. Nothing is stopped or changed."""
    _show(live(process), what, Screen(theme, size, interval, press), first=Refresh(whole=what is not None))


@commands.command()
@click.argument("trace", metavar="[NAME|FILE]", default=DEFAULT_SCENARIO)
@click.option("--at", "at", type=click.IntRange(min=0), metavar="N", help="Stop after step N.")
@click.option("--why", is_flag=True, help="With --print trace: the rule that decided each result.")
@print_option("trace", "maps", "smaps", "summary", "json", "svg")
@screen_options
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
        Screen(theme, size, press=press),
        slow=is_slow(trace),
        at=at,
        why=why,
    )


@commands.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, metavar="CMD [ARG...]", type=click.UNPROCESSED)
@click.option("--at", "at", type=click.IntRange(min=0), metavar="N", help="Stop after step N.")
@click.option("--aslr", is_flag=True, help="Leave address space randomization on; random addresses are not predicted.")
@print_option("trace", "maps", "smaps", "summary", "json", "svg")
@screen_options
def run(
    command: tuple[str, ...], at: int | None, aslr: bool, what: str | None, theme: str | None, size: Size, press: str
) -> None:
    """Run CMD under strace, then step through what it did beside what is predicted.

    CMD keeps the terminal. With --print, its output goes to stderr unless stdout is a terminal, and its exit status
    is memtui's.
    """
    from memtui.live.strace import record

    if what is None:
        needs_terminal()
    output = sys.stderr.fileno() if what is not None and not sys.stdout.isatty() else None
    recorded = record(command, aslr=aslr, output=output)
    title = shlex.join(command)
    _open(
        title,
        lambda watch: replay_of_run(recorded.log, title, watch, at=_target(at, what)),
        what,
        Screen(theme, size, press=press),
        slow=len(recorded.log) >= SLOW,
        at=at,
    )
    if what is not None:
        sys.exit(recorded.status)


@commands.command()
@click.option(
    "--cgroup", metavar="NAME", help="Among the tasks of this memory cgroup (v1 or v2), relative to its mount."
)
@print_option("summary", "json", "svg")
@screen_options
@interval_option
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
    """Make a source and show it, or print it; what takes long shows how far it has come.

    Raises:
        MemtuiError: the source cannot be had.
    """
    first = Seek(_target(at, what))
    if what is None:
        open_trace(title, opening, screen, first, slow=slow)
        return
    from memtui.progress_line import ProgressLine

    with ProgressLine(sys.stderr) as watch:
        source = opening(watch)
    _show(source, what, screen, first=first, why=why)


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
    pane = "oom" if ranking else "map"
    with contextlib.closing(source):
        if what is None:
            open_screen(source, screen, first, pane=pane)
        elif what == "svg":
            print_picture(source, screen, first, pane=pane)
        else:
            print_text(source, what, first, ranking=ranking, why=why)


def main(argv: Sequence[str] | None = None, frame: "PlainFrame | None" = None) -> None:
    """Run the command line.

    Exit status: 0 done, 1 a source that cannot be had, 2 a wrong call, 130 interrupted.

    Args:
        argv: what the user typed; None: as the program was called.
        frame: what stands on the terminal already.
    """
    settings = read_settings()
    if frame is not None and settings.problems:
        frame.leave()
    for problem in settings.problems:
        complain(problem)
    try:
        with failing(), frame or contextlib.nullcontext():
            commands.main(
                args=None if argv is None else list(argv),
                prog_name="memtui",
                standalone_mode=False,
                default_map=settings.default_map,
            )
    except click.ClickException as error:
        hint = f" ({error.ctx.command_path} --help)" if isinstance(error, click.UsageError) and error.ctx else ""
        complain(f"{error.format_message()}{hint}")
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
