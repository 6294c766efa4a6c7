"""How far slow work has come, in one line of a terminal."""

import time
from typing import Final, TextIO

from memtui.model.progress import Progress

PATIENCE: Final = 0.3
"""Seconds before anything is said: short work says nothing."""
WIDTH: Final = 30
"""Cells of the bar."""


class ProgressLine:
    """Draws a bar over and over in the same line, and wipes it out at the end; nothing if there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin = time.monotonic()
        self._drawn = ""

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *failure: object) -> None:
        if self._drawn:
            self._stream.write("\r" + " " * len(self._drawn) + "\r")
            self._stream.flush()

    def __call__(self, progress: Progress) -> None:
        """Draw it."""
        if not self._stream.isatty() or time.monotonic() - self._begin < PATIENCE:
            return
        share = min(progress.done / max(progress.total, 1), 1.0)
        bar = "#" * round(share * WIDTH)
        text = f"{progress.what} [{bar:<{WIDTH}}] {share:4.0%}"
        if text != self._drawn:
            self._drawn = text
            self._stream.write(f"\r{text}")
            self._stream.flush()
