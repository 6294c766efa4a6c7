"""The answer to a why: what it is about, and a few named sentences."""

from typing import Final, NamedTuple

from memtui.draw.fit import field_rows
from memtui.draw.run import Row

_KEY: Final = 8


class Answer(NamedTuple):
    """Whatever the cursor is on, the pane of the details shows it alike."""

    title: str
    fields: tuple[tuple[str, str], ...]
    """Name -> sentence. Names are short: "here", "step", "frees", "rule"."""

    def rows(self, width: int) -> tuple[Row, ...]:
        """As many rows as that takes."""
        return tuple(row for key, text in self.fields for row in field_rows(key, text, width, key_width=_KEY))
