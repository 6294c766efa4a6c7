"""The options that several commands have, and their types."""

import math
from collections.abc import Callable
from typing import Any

import click

from memtui.opening import DEFAULT_INTERVAL, DEFAULT_SIZE, Size
from memtui.settings import LEAST_INTERVAL, is_interval, size_of


class _SizeType(click.ParamType[Size]):
    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if isinstance(value, Size):
            return value
        cells = size_of(value)
        if cells is None:
            self.fail(f"{value!r} is not a size: cells as in 120x40", param, ctx)
        return Size(*cells)


class _SecondsType(click.ParamType[float]):
    name = "S"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not is_interval(seconds):
            self.fail(f"{value!r} is not {LEAST_INTERVAL} seconds or more", param, ctx)
        return seconds


def screen_options(command: Callable[..., None]) -> Callable[..., None]:
    """--theme, --size and --press."""
    options = [
        click.option(
            "--theme", metavar="NAME", help="A theme by name: a file of the themes folder, or one of your own."
        ),
        click.option(
            "--size",
            type=_SizeType(),
            default=DEFAULT_SIZE,
            help="Size of the picture of --print svg; 120x40.",
        ),
        click.option(
            "--press", metavar="KEYS", default="", help="Keys to press before --print svg takes its picture: 'u enter'."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def print_option(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--print, with what this command can print."""
    return click.option(
        "--print", "what", type=click.Choice(kinds), help="Print this and exit, instead of opening the screen."
    )


interval_option = click.option(
    "--interval",
    type=_SecondsType(),
    default=DEFAULT_INTERVAL,
    show_default=True,
    metavar="S",
    help="Seconds between looks at a live process.",
)
