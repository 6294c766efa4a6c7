"""One horizontal bar."""

from collections.abc import Sequence

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
    filled = _filled(part, whole, cells)
    runs = (Run(glyph * filled, role), Run(empty * (cells - filled), "bar.empty"))
    return tuple(run for run in runs if run.text)


def stacked_bar(parts: Sequence[tuple[int, str, str]], whole: int, cells: int, *, empty: str = " ") -> tuple[Run, ...]:
    """The same of several parts one after the other, each with its glyph and role."""
    total = sum(part for part, _, _ in parts)
    filled = _filled(total, whole, cells)
    runs, before, end = [], 0, 0
    for part, glyph, role in parts:
        before += part
        start, end = end, (before * filled * 2 + total) // (total * 2) if total else 0
        runs.append(Run(glyph * (end - start), role))
    runs.append(Run(empty * (cells - filled), "bar.empty"))
    return tuple(run for run in runs if run.text)


def _filled(part: int, whole: int, cells: int) -> int:
    return min(max((part * cells * 2 + whole) // (whole * 2), 1), cells) if part > 0 and whole > 0 else 0
