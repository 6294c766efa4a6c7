"""One horizontal bar."""

from memtui.draw.run import Run


def bar(part: int, whole: int, cells: int, glyph: str, role: str, *, empty: str = " ") -> tuple[Run, ...]:
    """`cells` cells of which the share part/whole is filled: at least one if there is anything, at most all.

    Args:
        part: what to show, in the unit of `whole`; negative is drawn as nothing.
        whole: what a full bar stands for; 0 leaves it empty.
        cells: the width.
        glyph: of a filled cell.
        role: of the filled cells.
        empty: of the others, in role "bar.empty".
    """
    filled = 0
    if part > 0 and whole > 0:
        filled = min(max((part * cells * 2 + whole) // (whole * 2), 1), cells)
    runs = (Run(glyph * filled, role), Run(empty * (cells - filled), "bar.empty"))
    return tuple(run for run in runs if run.text)
