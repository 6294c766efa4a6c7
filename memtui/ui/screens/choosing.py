"""Pick one of a few lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from memtui.draw.fit import safe, shorten
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.ui.line_view import LineView

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp


class ChoosingScreen(ModalScreen[int | None]):
    """Gives the number of the line, from 0, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q", "dismiss(None)", "back"),
        ("enter", "choose", "go there"),
        ("down,j", "move(1)", "down"),
        ("up,k", "move(-1)", "up"),
        ("pagedown,ctrl+f", "move(10)", "page down"),
        ("pageup,ctrl+b", "move(-10)", "page up"),
        ("home,g", "move(-99999)", "top"),
        ("end,G", "move(99999)", "bottom"),
    ]

    def __init__(self, title: str, lines: Sequence[str], nothing: str) -> None:
        super().__init__()
        self._title, self._lines, self._nothing = title, lines, nothing

    def compose(self) -> ComposeResult:
        """One list."""
        yield ChoiceView(self._title, self._lines, self._nothing, id="choices")

    def on_mount(self) -> None:
        """Colour it."""
        view = self.query_one(ChoiceView)
        view.paint_with(cast("MemtuiApp", self.app).palette.styles)
        view.focus()

    def action_move(self, rows: int) -> None:
        """Rows down or up."""
        self.query_one(ChoiceView).by_rows(rows)

    def action_choose(self) -> None:
        """The line under the cursor."""
        view = self.query_one(ChoiceView)
        self.dismiss(view.cursor if self._lines else None)

    def on_mouse_view_entered(self) -> None:
        """A line was clicked twice."""
        self.action_choose()


class ChoiceView(LineView):
    """The lines."""

    def __init__(self, title: str, lines: Sequence[str], nothing: str, *, id: str) -> None:
        super().__init__(id=id)
        self._choices, self._nothing = lines, nothing
        self.title, self.subtitle = title, "Enter goes there  Esc back"
        self.cursor = 0

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        width = self.room.width
        lines = [(line, "text") for line in self._choices] or [(self._nothing, "text.dim")]
        self.show(RowLines(tuple((Run(shorten(safe(f" {line}"), width), role),) for line, role in lines), width))
