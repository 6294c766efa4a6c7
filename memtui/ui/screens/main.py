"""The main screen: the map on the left; figures, ranking and steps on the right."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from memtui.model.request import Peek, Refresh, Step
from memtui.model.snapshot import Snapshot
from memtui.model.vma import Vma
from memtui.ui.keys import KEYS, bindings
from memtui.ui.line_view import LineView
from memtui.ui.mouse_view import MouseView
from memtui.ui.screens.dividing import DividingScreen
from memtui.ui.screens.explaining import ExplainingScreen
from memtui.ui.screens.finding import FindingScreen
from memtui.ui.screens.fitting import FittingScreen
from memtui.ui.screens.placing import PlacingScreen
from memtui.ui.screens.ranking import RankingScreen
from memtui.ui.screens.trying import TryingScreen
from memtui.ui.widgets.bars import HeaderBar, LegendBar
from memtui.ui.widgets.detail_pane import DetailPane
from memtui.ui.widgets.divider import Divider
from memtui.ui.widgets.key_bar import KeyBar
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.oom_pane import OomPane
from memtui.ui.widgets.pane import Pane
from memtui.ui.widgets.residence_pane import ResidencePane

_WIDE: Final = 100
"""Cells from which the panes stand side by side; below, one at a time stands under the map."""


_HIGH: Final = 60
"""Lines from which no pane of the right column has to be cut short."""


class _Blank(Horizontal):
    BLANK = True


class _BlankColumn(Vertical):
    BLANK = True


class MainScreen(
    FindingScreen, RankingScreen, TryingScreen, ExplainingScreen, PlacingScreen, DividingScreen, FittingScreen
):
    """Hands the app's snapshot to the panes, and the user's keys to the panes or the app."""

    # Not of a class below: each of them would merge all the keys into its own, which takes its time.
    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    ALLOW_IN_MAXIMIZED_VIEW: ClassVar[str] = "#header, #legend, #keys"

    def __init__(self, pane: str = "map") -> None:
        super().__init__()
        self._start = pane

    @property
    def address(self) -> int | None:
        """The byte under the cursor of the map."""
        return self.query_one(MapPane).address

    @property
    def under_cursor(self) -> Vma | None:
        """The VMA there."""
        return self.query_one(MapPane).vma

    def compose(self) -> ComposeResult:
        """The panes that are seen at first. What their style depends on is known before they are there."""
        self.set_class(not self.memtui.accepts(Step), "-no-steps")
        self.set_class(self.app.size.width < _WIDE, "-compact")
        self.set_class(self.app.size.height >= _HIGH, "-high")
        self.place(self._start, self._beside)
        yield HeaderBar(id="header")
        with _Blank(id="body"):
            with _BlankColumn(id="left"):
                yield MapPane(id="map")
                yield DetailPane(id="detail")
            yield Divider(id="divider")
            with _BlankColumn(id="right"):
                yield ResidencePane(id="residence")
                yield OomPane(id="oom")
                if self.memtui.accepts(Step):
                    from memtui.ui.widgets.steps_pane import StepsPane

                    yield StepsPane(id="steps")
        yield LegendBar(id="legend")
        yield KeyBar(self.memtui.accepts, id="keys")
        yield from super().compose()

    def on_mount(self) -> None:
        """Watch the app's snapshot; a live source is looked at again and again."""
        self.query_one(MapPane).peeks = self.memtui.accepts(Peek)
        self.bring(self._start, beside=self._beside)
        self._paint()
        self.watch(self.app, "snapshot", self._on_snapshot)
        self.watch(self.app, "theme", self._paint, init=False)
        self.begin()
        if self.memtui.snapshot is None:
            self.expect()
        if self.memtui.tour:
            self.memtui.tour = False
            self.call_after_refresh(self.action_tour)

    @property
    def _beside(self) -> str:
        """The pane that a narrow screen shows under the map."""
        return "steps" if self.memtui.accepts(Step) else "residence"

    def say(self, status: str) -> None:
        """Put words into the header."""
        header = self.query_one(HeaderBar)
        header.status = status
        header.redraw()

    # Drawing

    def _on_snapshot(self, before: Snapshot | None, snapshot: Snapshot | None) -> None:
        self.before = before
        if snapshot is not None:
            self.set_class(snapshot.mm is None and snapshot.steps is None, "-no-mm")
            for pane in self.query(Pane):
                pane.update_from(snapshot)
            # Reading ELF files is slow: the picture comes first.
            self.call_after_refresh(self.desk.look, snapshot.mm)
            self.point()
            self.arrived()
            self.read_on(snapshot)
            if snapshot.mm is not None and snapshot.mm.read_to is not None:
                self.ask(Refresh())

    def _paint(self) -> None:
        for view in self.query(LineView):
            view.paint_with(self.memtui.palette.styles)
        self.query_one(Divider).paint_with(self.memtui.palette.styles)

    def point(self) -> None:
        """Show in the detail pane what the cursor is on: in the ranking if that has the focus, else in the map."""
        detail, board, oom = self.query_one(DetailPane), self.query_one(MapPane), self.query_one(OomPane)
        self.point_heap()
        if self.focused is oom or (self.focused is detail and detail.about_process) or board.address is None:
            detail.look_at(oom.verdict)
        else:
            detail.look_at(board.vma or board.hole, board.address, with_pages=board.shift is None)
            self.desk.point(board.vma, board.address)
        self.explain()

    def on_descendant_focus(self) -> None:
        """The detail follows the focus."""
        self.point()

    def on_resize(self) -> None:
        """Side by side, or one pane under the map."""
        super().on_resize()
        compact = self.app.size.width < _WIDE
        self.set_class(self.app.size.height >= _HIGH, "-high")
        if compact != self.has_class("-compact"):
            self.set_class(compact, "-compact")
            self.forget_division()
        if self.focused is None and not self.has_class("-tiny"):
            # Nothing that cannot be seen keeps the focus: there was no room.
            self.call_after_refresh(self.here.focus)

    # What comes up from the panes

    def on_mouse_view_moved(self) -> None:
        """A cursor stands elsewhere."""
        self.point()

    def on_mouse_view_entered(self, event: MouseView.Entered) -> None:
        """Something was clicked twice."""
        if isinstance(event.view, Pane):
            event.view.enter()
            self.point()

    def on_mouse_view_heading_entered(self, event: MouseView.HeadingEntered) -> None:
        """A heading was clicked twice."""
        event.view.focus()
        self.action_expand()

    def on_mouse_view_zoomed(self, event: MouseView.Zoomed) -> None:
        """The wheel was turned with Ctrl."""
        (event.view if isinstance(event.view, Pane) and event.view.ZOOMS else self.query_one(MapPane)).zoom(
            event.direction
        )
        self.point()

    def on_pane_chosen(self, event: Pane.Chosen) -> None:
        """Something with a place on the map: there."""
        self.bring("map")
        self.go(event.address)

    def on_pane_wanted(self, event: Pane.Wanted) -> None:
        """A pane leads to a request."""
        if self.memtui.accepts(type(event.request)):
            self.ask(event.request)

    # Where the keys go

    def action_move(self, rows: int) -> None:
        """Rows down or up in the pane with the focus."""
        self.here.by_rows(rows)
        # Not by way of a message: what follows the cursor comes with the same frame.
        self.point()

    def action_side(self, cells: int) -> None:
        """Cells to the right or left in the map."""
        self.here.by_cells(cells)
        self.point()

    def action_page(self, pages: int) -> None:
        """Screens down or up."""
        self.action_move(pages * max(self.here.room.height - 1, 1))

    def action_first(self) -> None:
        """To the top."""
        self.action_move(-len(self.here.lines))

    def action_last(self) -> None:
        """To the bottom."""
        self.action_move(len(self.here.lines))

    def action_zoom(self, direction: int) -> None:
        """Closer or further away; from furthest away back to the list."""
        if direction < 0 and (self.stop_heap() or self.stop_waiting()):
            return
        if direction < 0 and self.asks_why:
            self.action_why()
            return
        if direction < 0 and self.here.leave():
            return
        if self.here.ZOOMS:
            self.here.zoom(direction)
        elif self.query_one(MapPane).zoom(direction):
            self.point()
        elif direction < 0:
            self.run_worker(self.memtui.leave())

    def action_enter(self) -> None:
        """Into what the cursor is on."""
        self.here.enter()
        self.point()

    def action_copy(self) -> None:
        """The row under the cursor, or the first that is shown."""
        here = self.here
        self.app.copy_to_clipboard(here.text_of(here.top if here.cursor is None else here.cursor))
        self.notify("copied", timeout=2)

    def action_save(self) -> None:
        """The screen as an SVG file in the current folder."""
        from memtui.ui.save import save_svg

        save_svg(self.memtui)

    def action_theme(self) -> None:
        """The next theme."""
        self.memtui.next_theme()

    def action_reload_themes(self) -> None:
        """Read the themes again."""
        self.memtui.reload_themes()

    def action_suspend(self) -> None:
        """Stop, back to the shell."""
        self.app.action_suspend_process()

    def action_palette(self) -> None:
        """Find a command."""
        self.app.action_command_palette()

    def action_help(self) -> None:
        """The help."""
        from memtui.ui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.memtui.palette.styles, self.here.id or ""))

    def action_tour(self) -> None:
        """A first look."""
        from memtui.ui.screens.tour import TourScreen

        self.app.push_screen(TourScreen(self))

    def action_quit(self) -> None:
        """Leave."""
        self.app.exit()

    def commands(self) -> Iterator[SystemCommand]:
        """What the command palette lists: every key that does something here."""
        for key in KEYS:
            if key.works(self.memtui.accepts):
                yield SystemCommand(key.label, f"{key.meaning} ({key.shown})", partial(self.run_action, key.action))
