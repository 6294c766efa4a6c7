"""The keys at the bottom of the screen."""

from collections.abc import Callable

from textual import events

from memtui.draw.lines import RowLines
from memtui.model.request import Request
from memtui.ui.keys import Key, footer_row
from memtui.ui.line_view import LineBar


class KeyBar(LineBar):
    """Drawn from the table of keys; a click on one is a press."""

    def __init__(self, accepts: Callable[[type[Request]], bool], *, id: str) -> None:
        super().__init__(id=id)
        self._accepts = accepts
        self._cells: tuple[Key, ...] = ()

    def on_resize(self) -> None:
        """As many as fit."""
        row, self._cells = footer_row(self._accepts, self.size.width)
        self.show(RowLines((row,), self.size.width))

    def on_click(self, event: events.Click) -> None:
        """Press the key."""
        event.stop()
        if event.x < len(self._cells):
            self.app.simulate_key(self._cells[event.x].keys.partition(",")[0])
