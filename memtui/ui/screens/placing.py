"""Which panes can be seen, and which of them has the focus."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from memtui.model.request import Request, ShowHeap, Step
from memtui.ui.screens.heap import HEAP_PANES, HeapScreen
from memtui.ui.screens.knowing import KnowingScreen
from memtui.ui.screens.sharing import SharingScreen
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    from memtui.model.snapshot import Snapshot
    from memtui.ui.line_view import LineView

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
_LATER: Final[Mapping[str, Mapping[str, str]]] = {
    **{name: {name: f"{name.capitalize()}Pane"} for name in _ALONE},
    "heap": {"heap": "HeapPane", "heap-detail": "HeapDetailPane", "heap-legend": "HeapLegend"},
}
"""Panes that are made, and their module imported, when one is first wanted: most are never looked at."""
_LEFT: Final = frozenset({"map", "detail"}) | HEAP_PANES


class PlacingScreen(HeapScreen, SharingScreen, KnowingScreen):
    """Expects a pane of each of these names on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Snapshot | None = None
        """The picture before the one that is shown: what a pane that comes now tells the difference from."""

    def pane(self, name: str) -> Pane:
        """The pane of this name; one that was not shown yet is made."""
        found = self.query(f"#{name}")
        return found.first(Pane) if found else self._make(name)

    def _make(self, name: str) -> Pane:
        module = import_module(f"memtui.ui.widgets.{name}_pane")
        made: list[LineView] = [getattr(module, kind)(id=id) for id, kind in _LATER[name].items()]
        first, *more = made
        column = self.query_one("#left" if name == "heap" else "#right")
        column.mount(first, after="#map" if name == "heap" else None)
        column.mount_all(more)
        for view in made:
            view.paint_with(self.memtui.palette.styles)
            if isinstance(view, Pane):
                view.learn(self.desk.known)
                for snapshot in (self.before, self.memtui.snapshot):
                    if snapshot is not None:
                        view.update_from(snapshot)
        assert isinstance(first, Pane)
        return first

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
        pane = self.pane(name)
        self.make_room(name)
        side = self.place(name, beside)
        if side:
            self.want_sharing(side)
        pane.focus()

    def place(self, name: str, beside: str) -> str:
        """Say in classes which pane is in front, for the styles; gives the one at the side, "" if that stays."""
        side = "" if name in HEAP_PANES else name if name != "map" else beside
        classes = {"-right-front": name not in _LEFT}
        if side:
            classes |= {f"-side-{pane}": pane == side for pane in PANES[1:]}
            classes["-alone"] = side in _ALONE
        self.update_classes(classes)
        return side

    def action_expand(self) -> None:
        """The pane over the whole screen, and back."""
        if self.maximized is None:
            self.maximize(self.here)
        else:
            self.minimize()
