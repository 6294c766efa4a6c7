"""Rows of a drawing as Textual's strips, remembered by what they say."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.strip import Strip

from memtui.draw.run import Row

Styles = Mapping[str, Style]
"""A theme's style for each role of draw.roles.ROLES."""

_PLAIN: Final = Style.null()
_REVERSE: Final = Style(reverse=True)


class Look(NamedTuple):
    """Everything that decides how one line comes out."""

    row: Row
    width: int
    marked: bool = False
    """The cursor is on this row."""
    cell: int | None = None
    """The cursor is on this cell of it."""
    edge: Row = ()
    """What stands in the last columns, a part of the scroll bar; () leaves them to the row."""


class StripPainter:
    """Paints looks with one theme, and keeps what it painted: bounded, the least recently used goes first.

    A strip that is handed out again keeps the escape sequences that Textual rendered from it, which is most of what a
    line costs. Painting is O(runs of the row), a hit O(1).
    """

    def __init__(self, styles: Styles, filters: Sequence[LineFilter] = (), *, limit: int = 2048) -> None:
        self.styles = styles
        self.limit = limit
        self.hits = 0
        self.misses = 0
        self.filters = list(filters)
        self._strips: OrderedDict[Look, Strip] = OrderedDict()

    def strip(self, look: Look) -> Strip:
        """The line, just `look.width` cells wide."""
        strip = self._strips.get(look)
        if strip is not None:
            self.hits += 1
            self._strips.move_to_end(look)
            return strip
        self.misses += 1
        strip = self._filtered(self._paint(look))
        self._strips[look] = strip
        if len(self._strips) > self.limit:
            self._strips.popitem(last=False)
        return strip

    def __len__(self) -> int:
        return len(self._strips)

    def _paint(self, look: Look) -> Strip:
        styles = self.styles
        plain = styles.get("text", _PLAIN)
        over = _background(styles.get("map.cursor.row", _REVERSE)) if look.marked else None
        edge = [Segment(text, styles.get(role, plain)) for text, role in look.edge]
        width = look.width - sum(len(text) for text, _ in look.edge)
        segments, used = [], 0
        for text, role in look.row:
            style = styles.get(role, plain)
            # What has a background of its own keeps it.
            segments.append(Segment(text, style + over if over and style.bgcolor == plain.bgcolor else style))
            used += len(text)
        if used < width:
            segments.append(Segment(" " * (width - used), plain + over if over else plain))
        strip = Strip(segments, max(used, width))
        if used > width:
            strip = strip.crop(0, width)
        if look.cell is not None and 0 <= look.cell < width:
            strip = self._with_cell(strip, look.cell)
        if edge:
            strip = Strip([*strip, *edge], look.width)
        return strip

    def _with_cell(self, strip: Strip, cell: int) -> Strip:
        over = self.styles.get("map.cursor", _REVERSE)
        cursor = [
            # A full block would hide the cursor's colour behind its own.
            Segment(text.replace("█", "■"), (style or _PLAIN) + over)
            for text, style, _ in strip.crop(cell, cell + 1)
        ]
        marked = Strip(cursor, 1)
        return Strip.join([strip.crop(0, cell), marked, strip.crop(cell + 1, strip.cell_length)])

    def _filtered(self, strip: Strip) -> Strip:
        """What Textual's own widgets go through too: NO_COLOR, terminals without dim."""
        if self.filters:
            background = self.styles.get("text", _PLAIN).bgcolor
            base = Color.from_rich_color(background) if background else Color(0, 0, 0)
            for line_filter in self.filters:
                strip = strip.apply_filter(line_filter, base)
        return strip


def _background(style: Style) -> Style:
    """All but the colour of the text, so that a row keeps those of its roles."""
    return Style(bgcolor=style.bgcolor, bold=style.bold, underline=style.underline, reverse=style.reverse)
