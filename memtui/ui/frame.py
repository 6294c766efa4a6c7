"""What all lines of one painting of a view have in common."""

from typing import Final, NamedTuple

from memtui.draw.run import Row, Run

_THUMB: Final[Row] = (Run("┃", "text.dim"),)
_TRACK: Final[Row] = (Run("╎", "text.dim"),)


class Frame(NamedTuple):
    """What all lines of one painting have in common."""

    width: int
    height: int
    focused: bool
    thumb: int = 0
    """The lines of the scroll bar's thumb, from here..."""
    thumb_end: int = 0
    """...up to here; the same where there is no scroll bar."""

    def bar(self, y: int) -> Row:
        """The scroll bar in the last column of a line below the heading; () where there is none."""
        if self.thumb == self.thumb_end:
            return ()
        return _THUMB if self.thumb <= y < self.thumb_end else _TRACK
