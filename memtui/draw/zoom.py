"""How close the map is looked at: the whole space, a region, the pages of a VMA, the bytes of a page."""

from enum import IntEnum
from typing import Final, NamedTuple

_CLOSER: Final = 2
"""Each zoom of the pages shows 2**_CLOSER times fewer of them in a cell."""


class Level(IntEnum):
    """From far to near."""

    SPACE = 0
    REGION = 1
    PAGES = 2
    BYTES = 3


class Zoom(NamedTuple):
    """A level, and for pages their scale."""

    level: Level = Level.SPACE
    shift: int = 0
    """log2 of the pages in a cell."""

    def closer(self, fitting: int, *, region: bool) -> "Zoom | None":
        """One step; None: there is none.

        Args:
            fitting: the shift with which all pages of the VMA can be seen.
            region: whether the VMA is one of several of a region.
        """
        match self.level:
            case Level.SPACE if region:
                return Zoom(Level.REGION)
            case Level.SPACE | Level.REGION:
                return Zoom(Level.PAGES, fitting)
            case Level.PAGES if self.shift:
                return Zoom(Level.PAGES, max(self.shift - _CLOSER, 0))
            case Level.PAGES:
                return Zoom(Level.BYTES)
        return None

    def further(self, fitting: int, *, region: bool) -> "Zoom | None":
        """One step back; None: this is the whole space."""
        match self.level:
            case Level.SPACE:
                return None
            case Level.REGION:
                return Zoom()
            case Level.PAGES if self.shift >= fitting:
                return Zoom(Level.REGION) if region else Zoom()
            case Level.PAGES:
                return Zoom(Level.PAGES, min(self.shift + _CLOSER, fitting))
        return Zoom(Level.PAGES)
