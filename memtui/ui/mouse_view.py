"""What the mouse does in a view of lines: choose, enter, scroll, zoom; drag its scroll bar or its heading."""

from typing import ClassVar, Final

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from memtui.ui.frame import Frame

_WHEEL: Final = 3
"""Rows a notch of the wheel."""


class AboutView(Message):
    """Something happened in a view."""

    def __init__(self, view: "MouseView") -> None:
        super().__init__()
        self.view = view


class MouseView(Widget, can_focus=True, inherit_bindings=False):
    """Turns what the mouse does into moves and messages; subclasses draw."""

    FRAMED: ClassVar[bool] = True
    """Whether there is a heading above the rows and a scroll bar beside them."""
    top: int
    """The first row that is shown."""

    class Moved(AboutView):
        """The mouse has put the cursor elsewhere."""

    class Entered(AboutView):
        """The row under the cursor was clicked twice."""

    class HeadingEntered(AboutView):
        """The heading was clicked twice."""

    class HeadingDragged(AboutView):
        """The mouse holds the heading over a row of the screen."""

        def __init__(self, view: "MouseView", row: int) -> None:
            super().__init__(view)
            self.row = row

    class Zoomed(AboutView):
        """The wheel was turned while Ctrl was held."""

        def __init__(self, view: "MouseView", direction: int) -> None:
            super().__init__(view)
            self.direction = direction

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._dragging = False
        self._moving = False

    @property
    def rows(self) -> int:
        """How many there are."""
        raise NotImplementedError

    @property
    def last_top(self) -> int:
        """The last row that can be the first one shown."""
        raise NotImplementedError

    @property
    def room(self) -> Size:
        """Cells and rows that are left for the drawing."""
        raise NotImplementedError

    def frame(self) -> Frame:
        """The edges."""
        raise NotImplementedError

    def choose(self, row: int, column: int) -> None:
        """Put the cursor where the mouse points."""
        raise NotImplementedError

    def scroll_rows(self, rows: int) -> None:
        """Show what is so many rows further down."""
        raise NotImplementedError

    def go_to(self, top: int) -> None:
        """Show this row first."""
        raise NotImplementedError

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scroll bar, or of the heading."""
        if event.y == 0 and self.FRAMED:
            self._moving = True
            self.capture_mouse()
        elif event.x == self.size.width - 1 and event.y > 0 and self.frame().bar(event.y):
            self._dragging = True
            self.capture_mouse()
            self._drag_to(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag what is held."""
        if self._moving:
            self.post_message(self.HeadingDragged(self, int(event.screen_y)))
        if self._dragging:
            self._drag_to(event.y)

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._dragging or self._moving:
            self._dragging = self._moving = False
            self.release_mouse()

    def _drag_to(self, y: int) -> None:
        self.go_to(self.last_top * (y - 1) // max(self.room.height - 1, 1))

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; enter it on a second click."""
        if event.y == 0 and self.FRAMED and event.chain == 2:
            self.post_message(self.HeadingEntered(self))
        row = event.y - self.FRAMED + self.top
        if event.y < self.FRAMED or event.x >= self.room.width or not row < self.rows:
            return
        self.choose(row, event.x)
        if event.chain == 2:
            self.post_message(self.Entered(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Down; with Ctrl: out."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Up; with Ctrl: in."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        event.stop()
        event.prevent_default()
        if event.ctrl:
            self.post_message(self.Zoomed(self, -direction))
        else:
            self.scroll_rows(direction * _WHEEL)
