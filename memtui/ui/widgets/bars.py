"""The lines above and below the panes."""

from textual.geometry import Size

from memtui.draw.header import header_row
from memtui.draw.legend import legend_rows
from memtui.draw.lines import Lines, RowLines
from memtui.model.snapshot import Snapshot
from memtui.ui.line_view import LineBar
from memtui.ui.widgets.pane import Pane


class HeaderBar(Pane, can_focus=False):
    """The line on top: what is looked at and how current it is."""

    FRAMED = False

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.status = ""
        """What only the screen knows: "every 1 s", "paused"."""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """All of it: the cost is another one each time."""
        return snapshot, self.status

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """One row."""
        width = self.room.width
        return RowLines((header_row(snapshot, width, status=self.status),), width)


class LegendBar(LineBar):
    """What the characters mean; as many lines as that takes."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As the width asks for."""
        return len(legend_rows(width))

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self.show(RowLines(legend_rows(self.size.width), self.size.width))
