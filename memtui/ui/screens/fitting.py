"""Screens that say so when the terminal is too small for them."""

from typing import Final

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

LEAST: Final = (40, 12)
"""Cells, width and height, below which nothing useful fits."""


class FittingScreen(Screen[None]):
    """Hides everything below a least size, and comes back when the terminal grows."""

    BLANK = True
    AUTO_FOCUS = ""

    def compose(self) -> ComposeResult:
        """The words; subclasses add what they show."""
        yield Static(id="too-small")

    def on_resize(self) -> None:
        """Look whether there is room."""
        width, height = self.app.size
        tiny = width < LEAST[0] or height < LEAST[1]
        if tiny:
            words = f"too small: needs at least {LEAST[0]}x{LEAST[1]}, now {width}x{height}"
            self.query_one("#too-small", Static).update(words)
        self.set_class(tiny, "-tiny")
