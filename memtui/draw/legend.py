"""What the characters of the maps mean."""

from memtui.draw.fit import crop, row_width
from memtui.draw.glyphs import GLYPHS, NAMES, residence_role
from memtui.draw.run import Row, Run


def legend_rows(width: int) -> tuple[Row, ...]:
    """As many rows as the whole legend needs at this width; one from 78 cells on.

    A cell has the glyph of the residence that most of its pages have, absent ones not counted; it is dimmer when less
    than half of its pages are there.
    """
    rows: list[list[Run]] = [[]]
    for residence, glyph in GLYPHS.items():
        item = [Run(f" {glyph}", residence_role(residence)), Run(f" {NAMES[residence]} ", "text.dim")]
        if rows[-1] and row_width(rows[-1]) + row_width(item) - 1 > width:
            rows.append([])
        rows[-1] += item
    return tuple(crop(row, width) for row in rows)
