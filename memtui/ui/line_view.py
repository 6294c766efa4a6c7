"""A scrolling view of a drawing, painted line by line: rows are made only when they are shown."""

from typing import ClassVar, Final

from textual.geometry import Region, Size
from textual.strip import Strip

from memtui.draw.fit import shorten
from memtui.draw.lines import Lines, RowLines
from memtui.draw.run import Row, Run, plain
from memtui.ui.frame import Frame
from memtui.ui.mouse_view import MouseView
from memtui.ui.strips import Look, StripPainter, Styles

_EMPTY: Final = RowLines((), 0)
_ROWS_KEPT: Final = 4096


class LineView(MouseView, can_focus=True, inherit_bindings=False):
    """Shows `Lines`. It knows rows and columns, nothing of what they mean.

    It paints itself whole, its heading and scroll bar too: Textual's frame and scroll bars would cut each line in
    pieces and copy it on its way to the terminal, so that nothing painted could be kept.
    """

    ALLOW_SELECT = False
    EDGE: ClassVar[int] = 1
    """Cells that are kept for the scroll bar."""

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
        self._expected = Size(0, 0)
        """What it will measure, as long as it measures nothing."""
        self._held = False
        """Whoever shows a drawing now paints it himself."""

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
        self.top = min(self.top, self.last_top)
        if self.cursor is not None and len(lines):
            self.cursor = self._within(self.cursor)
        if self._held:
            return
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
        edge = self.EDGE if self.FRAMED else 0
        width, height = self.size or self._expected
        return Size(max(width - edge, 0), max(height - self.FRAMED, 0))

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.lines)

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
        self.go_to(self.top + rows)

    def reveal(self, row: int, *, centre: bool = False) -> None:
        """Scroll no further than needed to show the row, or so that it stands in the middle."""
        if centre:
            self.go_to(row - self.room.height // 2)
        elif row < self.top:
            self.go_to(row)
        elif row >= self.top + self.room.height:
            self.go_to(row - self.room.height + 1)

    @property
    def last_top(self) -> int:
        """The last row that can be the first one shown."""
        return max(len(self.lines) - self.room.height, 0)

    def go_to(self, top: int) -> None:
        """Show this row first, or the nearest that can be."""
        top = min(max(top, 0), self.last_top)
        if top != self.top:
            self.top = top
            self.refresh()

    def _within(self, row: int) -> int:
        return min(max(row, 0), max(len(self.lines) - 1, 0))

    def _refresh_changed(self) -> None:
        """Have only those lines painted again that come out differently now."""
        frame = self.frame()
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
        frame = self.frame()
        strips = [self._line(y, frame) for y in range(crop.y, crop.bottom)]
        if crop.x > 0 or crop.right < frame.width:
            return [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """One line; `y` may lie outside on either side."""
        return self._line(y, self.frame())

    def _line(self, y: int, frame: Frame) -> Strip:
        look = self._painted[y] = self._look(y, frame)
        return self.painter.strip(look)

    def _look(self, y: int, frame: Frame) -> Look:
        if y == 0 and self.FRAMED:
            return Look(self._heading(frame), frame.width)
        index = self.top + y - self.FRAMED
        row = self._row(index) if 0 <= y < frame.height else ()
        here = index == self.cursor
        return Look(row, frame.width, here and frame.focused, self.column if here else None, self.edge(y, frame))

    def edge(self, y: int, frame: Frame) -> Row:
        """What stands behind the row in line `y`: the scroll bar, if there is one."""
        return frame.bar(y)

    def frame(self) -> Frame:
        """The scroll bar is not there when all rows are shown."""
        width, height = self.size
        total, rows = len(self.lines), height - self.FRAMED
        if not self.FRAMED or total <= rows or rows < 2:
            return Frame(width, height, self.has_focus)
        thumb = max(rows * rows // total, 1)
        start = 1 + (rows - thumb) * self.top // (total - rows)
        return Frame(width, height, self.has_focus, start, start + thumb)

    def _row(self, index: int) -> Row:
        row = self._rows.get(index)
        if row is None:
            if len(self._rows) >= _ROWS_KEPT:
                self._rows.clear()
            row = self._rows[index] = self.lines.row(index)
        return row

    def _heading(self, frame: Frame) -> Row:
        """`━ Title ━━━━━━━━━━ subtitle ━`, heavy where the focus is."""
        rule, role = ("━", "key") if frame.focused else ("─", "text.dim")
        title = shorten(self.title, frame.width - 4)
        room = frame.width - len(title) - 8
        subtitle = f" {shorten(self.subtitle, room)} " if self.subtitle and room > 8 else ""
        used = 1 + len(title) + 2 + len(subtitle) + 2
        return (
            Run(rule, role),
            Run(f" {title} ", "title" if frame.focused else "key"),
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


class LineBar(LineView, can_focus=False):
    """A few lines without heading, scroll bar or focus: the top of the screen, the legend, the keys."""

    FRAMED = False
