"""The key that asks why: the pane of the details answers for whatever the cursor is on, and follows it."""

from typing import Final

from memtui.draw.answer import Answer
from memtui.ui.screens.asking import AskingScreen
from memtui.ui.widgets.detail_pane import DetailPane
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.pane import Pane

_NOTHING: Final = Answer("why", (("", "there is nothing under the cursor that could be explained"),))


class ExplainingScreen(AskingScreen):
    """Expects a `DetailPane` and a `MapPane` on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: Pane | None = None

    def point(self) -> None:
        """What follows the cursor is to follow it now."""
        raise NotImplementedError

    @property
    def asks_why(self) -> bool:
        """Whether the details tell why."""
        return self.has_class("-why")

    def action_why(self) -> None:
        """Ask why, or no more."""
        if self.maximized is not None:
            self.minimize()
        self.set_class(not self.asks_why, "-why")
        self.point()

    def explain(self) -> None:
        """Have the details answer for the pane with the focus, if that is asked for."""
        detail = self.query_one(DetailPane)
        if not self.asks_why:
            detail.tell(None)
            return
        here = self.focused
        if here is not None and here.id == "heap-detail":
            here = self.pane("heap")
        if isinstance(here, Pane) and here is not detail:
            self._asked = here
        detail.tell((self._asked or self.query_one(MapPane)).answer() or _NOTHING)
