"""A scrolling view of a drawing, painted line by line: rows are made only when they are shown."""

from typing import ClassVar, Final, NamedTuple

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from memtui.draw.fit import shorten
from memtui.draw.lines import Lines, RowLines
from memtui.draw.run import Row, Run, plain
from memtui.ui.strips import Look, StripPainter, Styles

_EMPTY: Final = RowLines((), 0)
_ROWS_KEPT: Final = 4096
_WHEEL: Final = 3
"""Rows a notch of the wheel."""
_THUMB: Final = "┃"
_TRACK: Final = "╎"


class _Frame(NamedTuple):
    """What all lines of one painting have in common."""

    width: int
    height: int
    focused: bool
    thumb: int = 0
    """The lines of the scroll bar's thumb, from here..."""
    thumb_end: int = 0
    """...up to here; the same where there is no scroll bar."""

    def edge(self, y: int) -> str:
        """The scroll bar in the last column of a line below the heading; "" where there is none."""
        if self.thumb == self.thumb_end:
            return ""
        return _THUMB if self.thumb <= y < self.thumb_end else _TRACK


class LineView(Widget, can_focus=True, inherit_bindings=False):
    """Shows `Lines`. It knows rows and columns, nothing of what they mean.

    It paints itself whole, its heading and scroll bar too: Textual's frame and scroll bars would cut each line in
    pieces and copy it on its way to the terminal, so that nothing painted could be kept.
    """

    ALLOW_SELECT = False
    FRAMED: ClassVar[bool] = True
    """Whether there is a heading above the rows and a scroll bar beside them."""

    class Moved(Message):
        """The mouse has put the cursor elsewhere."""

        def __init__(self, view: "LineView") -> None:
            self.view = view
            super().__init__()

    class Entered(Message):
        """The row under the cursor was clicked twice."""

        def __init__(self, view: "LineView") -> None:
            self.view = view
            super().__init__()

    class Zoomed(Message):
        """The wheel was turned while Ctrl was held."""

        def __init__(self, view: "LineView", direction: int) -> None:
            self.view, self.direction = view, direction
            super().__init__()

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: Lines = _EMPTY
        self.title = ""
        """Of the heading, on its left."""
        self.subtitle = ""
        """Of the heading, on its right."""
        self.top = 0
        """The first row that is shown."""
        self.cursor: int | None = None
        """The row under the cursor; None: this view has no cursor."""
        self.column: int | None = None
        """The cell under the cursor in its row, or None."""
        self.painter = StripPainter({})
        self._painted: dict[int, Look] = {}
        """What stands on the screen, by line."""
        self._rows: dict[int, Row] = {}
        self._dragging = False

    # What it shows

    def paint_with(self, styles: Styles) -> None:
        """Use a theme; what was painted with another one is void."""
        if styles is not self.painter.styles:
            self.painter = StripPainter(styles, self.app.get_line_filters())
            self.refresh()

    def show(self, lines: Lines, *, title: str | None = None, subtitle: str | None = None) -> None:
        """Show another drawing; the place it is scrolled to stays as far as there is one."""
        taller = len(lines) != len(self.lines) and self.styles.auto_dimensions
        self.lines = lines
        self.title = self.title if title is None else title
        self.subtitle = self.subtitle if subtitle is None else subtitle
        self._rows.clear()
        self.top = min(self.top, self._last_top)
        if self.cursor is not None and len(lines):
            self.cursor = self._within(self.cursor)
        if taller:
            self.refresh(layout=True)
        else:
            self._refresh_changed()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All rows, where the style says `height: auto`."""
        return len(self.lines) + self.FRAMED

    @property
    def room(self) -> Size:
        """Cells and rows that are left for the drawing."""
        edge = int(self.FRAMED)
        return Size(max(self.size.width - edge, 0), max(self.size.height - edge, 0))

    def text_of(self, row: int) -> str:
        """The row as plain text."""
        return plain(self.lines.row(row)).rstrip()

    # Where it stands

    def move_to(self, row: int, column: int | None = None) -> None:
        """Put the cursor on a row (and cell) and bring it into view; only the rows concerned are painted again."""
        before, top = self.cursor, self.top
        self.cursor, self.column = self._within(row), column
        self.reveal(self.cursor, centre=not self.top - 1 <= self.cursor <= self.top + self.room.height)
        if top == self.top:
            for changed in {before, self.cursor} - {None}:
                self._refresh_row(changed or 0)

    def by_rows(self, rows: int) -> None:
        """So many rows down (up: negative); scrolls where there is no cursor."""
        if self.cursor is None:
            self.scroll_rows(rows)
        else:
            self.move_to(self.cursor + rows)

    def by_cells(self, cells: int) -> None:
        """So many cells to the right; only maps have cells."""

    def choose(self, row: int, column: int) -> None:
        """Put the cursor where the mouse points."""
        if self.cursor is not None:
            self.move_to(row)
            self.post_message(self.Moved(self))

    def scroll_rows(self, rows: int) -> None:
        """Show what is so many rows further down; the cursor stays where it is."""
        self._go_to(self.top + rows)

    def reveal(self, row: int, *, centre: bool = False) -> None:
        """Scroll no further than needed to show the row, or so that it stands in the middle."""
        if centre:
            self._go_to(row - self.room.height // 2)
        elif row < self.top:
            self._go_to(row)
        elif row >= self.top + self.room.height:
            self._go_to(row - self.room.height + 1)

    @property
    def _last_top(self) -> int:
        return max(len(self.lines) - self.room.height, 0)

    def _go_to(self, top: int) -> None:
        top = min(max(top, 0), self._last_top)
        if top != self.top:
            self.top = top
            self.refresh()

    def _within(self, row: int) -> int:
        return min(max(row, 0), max(len(self.lines) - 1, 0))

    def _refresh_changed(self) -> None:
        """Have only those lines painted again that come out differently now."""
        frame = self._frame()
        changed = [y for y in range(frame.height) if self._look(y, frame) != self._painted.get(y)]
        if changed:
            self.refresh(*(Region(0, y, frame.width, 1) for y in changed))

    def _refresh_row(self, row: int) -> None:
        y = row - self.top + self.FRAMED
        if self.FRAMED <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # Painting

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of the crop, by way of no cache but the painter's; what all of them need is read once."""
        frame = self._frame()
        strips = [self._line(y, frame) for y in range(crop.y, crop.bottom)]
        if crop.x > 0 or crop.right < frame.width:
            return [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """One line; `y` may lie outside on either side."""
        return self._line(y, self._frame())

    def _line(self, y: int, frame: _Frame) -> Strip:
        look = self._painted[y] = self._look(y, frame)
        return self.painter.strip(look)

    def _look(self, y: int, frame: _Frame) -> Look:
        if y == 0 and self.FRAMED:
            return Look(self._heading(frame), frame.width)
        index = self.top + y - self.FRAMED
        row = self._row(index) if 0 <= y < frame.height else ()
        here = index == self.cursor
        return Look(row, frame.width, here and frame.focused, self.column if here else None, frame.edge(y))

    def _frame(self) -> _Frame:
        """The scroll bar is not there when all rows are shown."""
        width, height = self.size
        total, rows = len(self.lines), height - self.FRAMED
        if not self.FRAMED or total <= rows or rows < 2:
            return _Frame(width, height, self.has_focus)
        thumb = max(rows * rows // total, 1)
        start = 1 + (rows - thumb) * self.top // (total - rows)
        return _Frame(width, height, self.has_focus, start, start + thumb)

    def _row(self, index: int) -> Row:
        row = self._rows.get(index)
        if row is None:
            if len(self._rows) >= _ROWS_KEPT:
                self._rows.clear()
            row = self._rows[index] = self.lines.row(index)
        return row

    def _heading(self, frame: _Frame) -> Row:
        """`━ Title ━━━━━━━━━━ subtitle ━`, heavy where the focus is."""
        rule, role = ("━", "key") if frame.focused else ("─", "text.dim")
        title = shorten(self.title, frame.width - 4)
        room = frame.width - len(title) - 8
        subtitle = f" {shorten(self.subtitle, room)} " if self.subtitle and room > 8 else ""
        used = 1 + len(title) + 2 + len(subtitle) + 2
        return (
            Run(rule, role),
            Run(f" {title} ", "key" if frame.focused else "title"),
            Run(rule * max(frame.width - used, 0), role),
            Run(subtitle, "map.scale"),
            Run(rule, role),
            Run(" ", "text"),
        )

    def notify_style_update(self) -> None:
        """Styles changed. What was painted is void only if the app now filters colours in another way."""
        super().notify_style_update()
        if self.is_attached and (filters := self.app.get_line_filters()) != self.painter.filters:
            self.painter = StripPainter(self.painter.styles, filters)

    # The mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scroll bar."""
        if event.x == self.size.width - 1 and event.y > 0 and self._frame().edge(event.y):
            self._dragging = True
            self.capture_mouse()
            self._drag_to(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scroll bar."""
        if self._dragging:
            self._drag_to(event.y)

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def _drag_to(self, y: int) -> None:
        self._go_to(self._last_top * (y - 1) // max(self.room.height - 1, 1))

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; enter it on a second click."""
        row = event.y - self.FRAMED + self.top
        if event.y < self.FRAMED or event.x >= self.room.width or not row < len(self.lines):
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


class LineBar(LineView, can_focus=False):
    """A few lines without heading, scroll bar or focus: the top of the screen, the legend, the keys."""

    FRAMED = False
