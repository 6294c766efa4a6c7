"""The line on top of the screen."""

from memtui.draw.run import Row
from memtui.model.snapshot import Snapshot


def header_row(snapshot: Snapshot, width: int, *, status: str = "") -> Row:
    """What is looked at, and how current it is, just `width` cells wide.

    Args:
        snapshot: the picture.
        width: cells.
        status: what only the screen knows: "every 1.0 s", "paused".
    """
    return ()
