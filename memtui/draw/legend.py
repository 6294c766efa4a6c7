"""What the characters of the maps mean."""

from memtui.draw.fit import crop, row_width
from memtui.draw.glyphs import GLYPHS, NAMES, residence_role
from memtui.draw.run import Row, Run


def legend_rows(width: int) -> tuple[Row, ...]:
    """As many rows as the whole legend needs at this width; one from 72 cells on.

    A cell has the glyph of the residence that most of its pages have, absent ones not counted; it is dimmer when less
    than half of its pages are there.
    """
    tight = _rows(width, gap=1)
    return tight if len(tight) == 1 and len(_rows(width, gap=2)) > 1 else _rows(width, gap=2)


def _rows(width: int, gap: int) -> tuple[Row, ...]:
    rows: list[list[Run]] = [[]]
    for residence, glyph in GLYPHS.items():
        item = [Run(glyph, residence_role(residence)), Run(f" {NAMES[residence]}", "text.dim")]
        taken = row_width(rows[-1])
        if taken and taken + gap + row_width(item) > width:
            rows.append([])
        lead = " " * (gap if rows[-1] else 1)
        rows[-1] += [Run(lead, "text"), *item]
    return tuple(crop(row, width) for row in rows)
