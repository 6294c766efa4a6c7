"""Which panes can be seen, and which of them has the focus."""

from typing import Final

from memtui.model.request import Request, ShowHeap, Step
from memtui.ui.screens.heap import HEAP_PANES, HeapScreen
from memtui.ui.screens.sharing import SharingScreen
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.pane import Pane

PANES: Final = (
    "map",
    "detail",
    "residence",
    "oom",
    "steps",
    "usage",
    "heap",
    "libraries",
    "files",
    "sharing",
    "machine",
    "tree",
)
_ALONE: Final = frozenset({"usage", "libraries", "files", "sharing", "machine", "tree"})
"""Panes that have the right column to themselves."""
_LEFT: Final = frozenset({"map", "detail"}) | HEAP_PANES


class PlacingScreen(HeapScreen, SharingScreen):
    """Expects a pane of each of these names on the screen."""

    @property
    def here(self) -> Pane:
        """The pane that the keys are for."""
        return self.focused if isinstance(self.focused, Pane) else self.query_one(MapPane)

    @property
    def _at(self) -> str:
        """The name of the pane with the focus; a detail is its pane's."""
        name = self.here.id or "map"
        return name if name in PANES else "heap"

    def action_pane(self, step: int) -> None:
        """The next or previous pane that there is."""
        needs: dict[str, type[Request]] = {"steps": Step, "heap": ShowHeap}
        panes = [pane for pane in PANES if pane not in needs or self.memtui.accepts(needs[pane])]
        self.action_show(panes[(panes.index(self._at) + step) % len(panes)])

    def action_show(self, name: str) -> None:
        """To a pane by its name; from the heap to the next way to look at it."""
        if name == "heap" and self.focused is self.heap:
            self.next_sight()
        else:
            self.bring(name)

    def bring(self, name: str, beside: str = "") -> None:
        """Focus a pane; where there is room for one beside the map, it is this one, or `beside` if it is the map."""
        self.make_room(name)
        self.set_class(name not in _LEFT, "-right-front")
        side = "" if name in HEAP_PANES else name if name != "map" else beside
        if side:
            for pane in PANES[1:]:
                self.set_class(pane == side, f"-side-{pane}")
            self.set_class(side in _ALONE, "-alone")
            self.want_sharing(side)
        self.query_one(f"#{name}").focus()

    def action_expand(self) -> None:
        """The pane over the whole screen, and back."""
        if self.maximized is None:
            self.maximize(self.here)
        else:
            self.minimize()
