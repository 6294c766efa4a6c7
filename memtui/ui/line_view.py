"""A scrolling view of a drawing: rows are made when they are shown, and remembered by what they say."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from memtui.draw.lines import Lines, RowLines
from memtui.draw.run import Row, plain

_EMPTY: Final = RowLines((), 0)


class StripCache:
    """Strips by what they show, bounded; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.hits = 0
        self.misses = 0
        self._strips: OrderedDict[tuple[Row, int, int], Strip] = OrderedDict()

    def get(self, key: tuple[Row, int, int]) -> Strip | None:
        """The strip, counted as a hit, or None, counted as a miss."""
        strip = self._strips.get(key)
        if strip is None:
            self.misses += 1
        else:
            self.hits += 1
            self._strips.move_to_end(key)
        return strip

    def put(self, key: tuple[Row, int, int], strip: Strip) -> None:
        """Remember a strip."""
        self._strips[key] = strip
        if len(self._strips) > self.limit:
            self._strips.popitem(last=False)

    def clear(self) -> None:
        """Forget all, as when the colours change."""
        self._strips.clear()


class Pane(Vertical):
    """The frame around a view. The view paints its own lines, so a border of its own would never be drawn."""

    def __init__(self, view: "LineView", title: str = "") -> None:
        super().__init__(view, id=f"{view.id}-pane")
        self.border_title = title


class LineView(ScrollView, can_focus=True):
    """Shows `Lines`. It knows rows and columns, nothing of what they mean."""

    DEFAULT_CSS = """
    LineView { height: 1fr; scrollbar-size: 1 1; overflow-x: hidden; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = set()
    cursor: reactive[int | None] = reactive(None, repaint=False)
    """The row under the cursor; None: this view has no cursor."""
    column: reactive[int | None] = reactive(None, repaint=False)
    """The cell under the cursor in its row, or None."""

    class Chosen(Message):
        """A row was clicked."""

        def __init__(self, view: "LineView", row: int, column: int, *, twice: bool) -> None:
            self.view, self.row, self.column, self.twice = view, row, column, twice
            super().__init__()

    class Resized(Message):
        """The view has another width: whoever draws for it has to draw again."""

        def __init__(self, view: "LineView") -> None:
            self.view = view
            super().__init__()

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.lines: Lines = _EMPTY
        self.cache = StripCache(2048)
        self._styles_by_role: Mapping[str, Style] = {}

    @property
    def pane(self) -> Widget:
        """The frame around it."""
        assert isinstance(self.parent, Widget)
        return self.parent

    def show(self, lines: Lines, styles: Mapping[str, Style], *, cursor: int | None = None) -> None:
        """Show another drawing; the place it is scrolled to stays."""
        if styles is not self._styles_by_role:
            self.cache.clear()
            self._styles_by_role = styles
        self.lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        self.set_reactive(LineView.cursor, cursor)
        self.refresh()

    def move(self, row: int | None, column: int | None = None) -> None:
        """Put the cursor on a row (and cell) and scroll it into view; only the rows concerned are drawn again."""
        before = self.cursor
        self.cursor, self.column = row, column
        for y in {before, row} - {None}:
            assert y is not None
            self.refresh(Region(0, y - self.scroll_offset.y, self.size.width, 1))
        if row is not None:
            self.scroll_to_region(Region(0, row, 1, 1), animate=False, force=True)

    def text_of(self, row: int) -> str:
        """The row as plain text."""
        return plain(self.lines.row(row)).rstrip()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The visible rows; styles are read once, not once a row."""
        top, width = self.scroll_offset.y, self.size.width
        return [self._strip(top + y, width).crop(crop.x, crop.right) for y in range(crop.y, crop.bottom)]

    def render_line(self, y: int) -> Strip:
        """One row; `y` may lie outside on either side."""
        return self._strip(self.scroll_offset.y + y, self.size.width)

    def _strip(self, index: int, width: int) -> Strip:
        row = self.lines.row(index) if 0 <= index < len(self.lines) else ()
        selected = -1
        if index == self.cursor and self.cursor is not None:
            selected = width if self.column is None else self.column
        key = (row, width, selected)
        strip = self.cache.get(key)
        if strip is None:
            strip = self._paint(row, width, selected)
            self.cache.put(key, strip)
        return strip

    def _paint(self, row: Row, width: int, selected: int) -> Strip:
        styles = self._styles_by_role
        plain_style = styles.get("text", Style())
        over = styles["map.cursor.row"] if selected >= 0 and "map.cursor.row" in styles else None
        back = Style(bgcolor=over.bgcolor) if over and over.bgcolor else None
        segments, used = [], 0
        for text, role in row:
            style = styles.get(role, plain_style)
            segments.append(Segment(text, style + back if back else style))
            used += len(text)
        if used < width:
            segments.append(Segment(" " * (width - used), plain_style + back if back else plain_style))
        strip = Strip(segments, max(used, width)).crop(0, width)
        return self._with_cell(strip, selected) if 0 <= selected < width else strip

    def _with_cell(self, strip: Strip, column: int) -> Strip:
        cell = strip.crop(column, column + 1)
        over = self._styles_by_role.get("map.cursor", Style(reverse=True))
        marked = Strip([Segment(segment.text, (segment.style or Style()) + over) for segment in cell], 1)
        return Strip.join([strip.crop(0, column), marked, strip.crop(column + 1, strip.cell_length)])

    def notify_style_update(self) -> None:
        """Colours changed: what was painted is void."""
        self.cache.clear()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Let the owner draw for the new width."""
        self.virtual_size = Size(self.size.width, len(self.lines))
        self.post_message(self.Resized(self))

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse."""
        row = event.y + self.scroll_offset.y
        if 0 <= row < len(self.lines):
            self.post_message(self.Chosen(self, row, event.x, twice=event.chain == 2))
