"""A picture in plain text on the terminal, before Textual is imported: that takes longer than reading a process.

Textual's own first frame takes its place. Nothing is imported here but what Python itself has loaded at its start.
"""

import sys

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
"""The other screen, without a cursor, empty."""
_LEAVE = "\x1b[?25h\x1b[?1049l"


class PlainFrame:
    """Stands on the terminal until the screen takes its place; a failure inside gives the terminal back.

    Args:
        rows: no more than the terminal has, and none wider.
    """

    def __init__(self, rows: list[str]) -> None:
        self._text = "\r\n".join(rows)

    def draw(self) -> None:
        """Take the terminal."""
        self._write(_ENTER + self._text)

    def leave(self) -> None:
        """Give the terminal back, as it was."""
        self._write(_LEAVE)

    def _write(self, text: str) -> None:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()

    def __enter__(self) -> "PlainFrame":
        return self

    def __exit__(self, kind: object, error: object, at: object) -> None:
        if error is not None:
            self.leave()
