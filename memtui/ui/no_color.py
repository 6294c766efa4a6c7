"""NO_COLOR: not one colour is written, not even a shade of grey."""

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter


class Colourless(LineFilter):
    """Leaves bold, dim, underlined; what stood out by its background is reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without colours.

        Args:
            segments: of one line.
            background: of the widget.
        """
        plain = background.rich_color
        return [
            Segment(
                text, None if style is None else _colourless(style, raised=style.bgcolor not in (None, plain)), control
            )
            for text, style, control in segments
        ]


def _colourless(style: Style, *, raised: bool) -> Style:
    return Style(
        bold=style.bold,
        dim=style.dim,
        italic=style.italic,
        underline=style.underline,
        strike=style.strike,
        reverse=raised != bool(style.reverse),
        link=style.link,
    )
