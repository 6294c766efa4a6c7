"""What the characters of the maps mean."""

from typing import Final

from memtui.draw.fit import crop, row_width
from memtui.draw.glyphs import GLYPHS, NAMES, residence_role
from memtui.draw.roles import PART
from memtui.draw.run import Row, Run
from memtui.model.pages import Residence

_DIM: Final = "dim: less than half there"


def legend_rows(width: int) -> tuple[Row, ...]:
    """As many rows as the glyphs need at this width; one from 72 cells on, and what dim means if it has room.

    A cell has the glyph of the residence that most of its pages have, absent ones not counted; it is dimmer when less
    than half of its pages are there.
    """
    tight, wide = _rows(width, gap=1), _rows(width, gap=2)
    if len(wide) > 1:
        return tight if len(tight) == 1 else wide
    glyph = Run(GLYPHS[Residence.ANON], residence_role(Residence.ANON) + PART)
    told = (*wide[0], Run("  ", "text"), glyph, Run(f" {_DIM}", "text.dim"))
    return (told,) if row_width(told) <= width else wide


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
