"""What the home screen is made of: lists to pick from, and what is told of the thing under the cursor."""

from collections.abc import Callable, Sequence

from textual.message import Message

from memtui.draw.fit import crop, wrap
from memtui.draw.lines import RowLines
from memtui.draw.run import Row, Run
from memtui.ui.line_view import LineView


class Picks(LineView):
    """A list of things to pick from, under headings that the cursor passes over."""

    class Pointed(Message):
        """The cursor stands on another thing, or on none."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self.names: Sequence[str] = ()
        self._places: list[str | None] = []
        """What each row stands for; None: a heading."""
        self._heads: dict[int, str] = {}
        self._drawn_as: Callable[[str, int], Row] = lambda name, width: (Run(name, "text"),)

    def offer(self, groups: Sequence[tuple[str, Sequence[str]]], row: Callable[[str, int], Row], *, title: str) -> None:
        """Show these; the cursor goes to the first.

        Args:
            groups: headings with their names; without a heading ("") the names stand alone, without names neither.
            row: draws a name within a width.
            title: of the list.
        """
        self._drawn_as, self.title, self.top = row, title, 0
        self.names = [name for _, names in groups for name in names]
        self._places, self._heads = [], {}
        for head, names in groups:
            if head and names:
                self._heads[len(self._places)] = head
                self._places.append(None)
            self._places += names
        self.lay_out()
        self.move_to(0)

    def lay_out(self) -> None:
        """Draw the rows again: more is known of them, or there is another width."""
        width = self.room.width
        rows = tuple(
            crop((Run(f" {self._heads[nth]}", "title"),) if name is None else self._drawn_as(name, width), width)
            for nth, name in enumerate(self._places)
        )
        self.show(RowLines(rows, width), subtitle=str(len(self.names)))

    def move_to(self, row: int, column: int | None = None) -> None:
        """Past a heading on in the same direction; over the first one there is nothing."""
        row = self._within(row)
        upwards = self.cursor is not None and row < self.cursor
        if row < len(self._places) and self._places[row] is None:
            row = row - 1 if upwards and row else row + 1
        super().move_to(row, column)
        if row == 1 and self._places[0] is None:
            self.reveal(0)
        self.post_message(self.Pointed())

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self.lay_out()

    @property
    def picked(self) -> str | None:
        """What the cursor is on."""
        return self._places[self.cursor] if self.cursor is not None and self.cursor < len(self._places) else None


class Story(LineView, can_focus=False):
    """What is told of the thing under the cursor."""

    _text = ""

    def tell(self, title: str, text: str) -> None:
        """Show it, a paragraph a line of the text."""
        self._text = text
        width = self.room.width
        rows = [(Run(f"  {line}", "text"),) for line in wrap(text, max(width - 3, 1))]
        self.show(RowLines(tuple(crop(row, width) for row in rows), width), title=title)

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self.tell(self.title, self._text)
