"""The line between the columns, to be dragged."""

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from memtui.draw.run import Run
from memtui.ui.strips import Look, StripPainter, Styles


class Divider(Widget):
    """One cell wide."""

    ALLOW_SELECT = False

    class Dragged(Message):
        """The mouse holds it over a column of the screen."""

        def __init__(self, column: int) -> None:
            self.column = column
            super().__init__()

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._painter = StripPainter({})
        self._held = False

    def paint_with(self, styles: Styles) -> None:
        """Use a theme."""
        self._painter = StripPainter(styles, self.app.get_line_filters())
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The same in every row."""
        line = Look((Run("┃" if self._held else "│", "key" if self._held else "text.dim"),), 1)
        return [self._painter.strip(line)] * crop.height

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of it."""
        event.stop()
        self._held = True
        self.capture_mouse()
        self.refresh()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag it."""
        if self._held:
            self.post_message(self.Dragged(int(event.screen_x)))

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._held:
            self._held = False
            self.release_mouse()
            self.refresh()
