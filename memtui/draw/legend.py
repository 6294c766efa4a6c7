"""What the characters of the maps mean."""

from memtui.draw.run import Row


def legend_rows(width: int) -> tuple[Row, ...]:
    """As many rows as the whole legend needs at this width; one from 76 cells on."""
    return ()
