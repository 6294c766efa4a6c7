"""How the room is divided between the panes: the line between the columns and the headings can be dragged."""

from typing import Final

from textual.widget import Widget

from memtui.ui.line_view import LineView
from memtui.ui.mouse_view import MouseView
from memtui.ui.screens.asking import AskingScreen
from memtui.ui.widgets.divider import Divider

_LEAST: Final = 3
"""Rows that a pane keeps."""
_LEAST_WIDE: Final = 24
"""Cells that a column keeps."""
_BY: Final = 4
"""Cells that a key moves the line between the columns."""


class DividingScreen(AskingScreen):
    """Expects the columns #left and #right, with a `Divider` between them."""

    # The columns

    def on_divider_dragged(self, event: Divider.Dragged) -> None:
        """The line between the columns follows the mouse."""
        self._divide_columns(event.column)

    def _divide_columns(self, left: int) -> None:
        width = self.app.size.width - 1
        left = min(max(left, _LEAST_WIDE), width - _LEAST_WIDE)
        self.query_one("#left").styles.width = f"{left}fr"
        self.query_one("#right").styles.width = f"{width - left}fr"

    def action_wider(self, direction: int) -> None:
        """The left column wider (1) or narrower (-1)."""
        if not self.has_class("-compact"):
            self._divide_columns(self.query_one("#left").size.width + direction * _BY)

    # The panes of a column

    def on_mouse_view_heading_dragged(self, event: MouseView.HeadingDragged) -> None:
        """The heading of a pane follows the mouse."""
        self._divide_rows(event.view, event.row)

    def action_taller(self, direction: int) -> None:
        """The pane with the focus higher (1) or lower (-1), at the cost of the one that it touches."""
        here = self.focused
        if not isinstance(here, LineView):
            return
        pair = self._pair(here)
        if pair is not None:
            self._divide_rows(here, here.region.y - direction)
            return
        for view in self.query(LineView):
            below = self._pair(view)
            if below is not None and below[0] in (here, here.parent):
                self._divide_rows(view, view.region.y + direction)
                return

    def _divide_rows(self, view: MouseView, row: int) -> None:
        """Put the heading of a view on a row of the screen."""
        pair = self._pair(view)
        if pair is None:
            return
        above, below = pair
        total = above.region.height + below.region.height
        height = min(max(row - above.region.y, _LEAST), total - _LEAST)
        if total < 2 * _LEAST:
            return
        for widget in self._shown(above):
            self._fix(widget, widget.region.height)
        self._fix(above, height)
        self._fix(below, total - height)

    def _pair(self, view: MouseView) -> tuple[Widget, Widget] | None:
        """Whom a heading parts: the panes above and below it, or the columns if those stand above each other."""
        if not view.region.height:
            return None
        widget: Widget = view
        for _ in range(2):
            shown = self._shown(widget)
            nth = shown.index(widget) if widget in shown else 0
            if nth:
                return shown[nth - 1], widget
            if not self.has_class("-compact") or not isinstance(widget.parent, Widget):
                break
            widget = widget.parent
        return None

    @staticmethod
    def _shown(widget: Widget) -> list[Widget]:
        """It and its siblings, those that can be seen and have a say in the height."""
        parent = widget.parent
        if not isinstance(parent, Widget):
            return []
        return [child for child in parent.children if child.display and child.region.height and child.id not in _FIXED]

    @staticmethod
    def _fix(widget: Widget, rows: int) -> None:
        widget.styles.height = f"{rows}fr"
        widget.styles.min_height = _LEAST
        widget.styles.max_height = "100%"

    def forget_division(self) -> None:
        """As it was at first: another layout has other proportions."""
        for widget in (*self.query(LineView), self.query_one("#left"), self.query_one("#right")):
            for rule in ("width", "height", "min_height", "max_height"):
                widget.styles.clear_rule(rule)


_FIXED: Final = frozenset({"heap-legend"})
