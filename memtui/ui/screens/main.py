"""The main screen: the map on the left, figures, ranking and steps on the right."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from memtui.draw.changes import changed
from memtui.draw.header import header_row
from memtui.draw.legend import legend_rows
from memtui.draw.lines import RowLines
from memtui.draw.oom_table import OomTable
from memtui.draw.residence_bars import residence_rows
from memtui.draw.step_list import StepList
from memtui.draw.vma_detail import hole_rows, vma_rows
from memtui.model.request import Back, Focus, Inject, Refresh, Request, Seek, Step
from memtui.model.snapshot import Snapshot
from memtui.ui.inject import Allocations, find
from memtui.ui.keys import bindings, key_of
from memtui.ui.line_view import LineView, Pane
from memtui.ui.map_pane import MapPane
from memtui.ui.screens.help import HelpScreen
from memtui.ui.screens.prompt import Prompt
from memtui.ui.svg import self_contained

if TYPE_CHECKING:
    from textual.timer import Timer

    from memtui.ui.app import MemtuiApp

_LEAST: Final = (40, 12)
"""Cells below which nothing useful fits."""
_WIDE: Final = 100
"""Cells from which the panes stand side by side."""
_PLAY: Final = 0.7
"""Seconds a step while a simulation plays."""
_PANES: Final = ("map", "detail", "residence", "oom", "steps")
_SIDE: Final = _PANES[1:]


class MainScreen(Screen[None]):
    """Hands the app's snapshot to the panes, and the user's keys to the app."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    BLANK = True

    def __init__(self, pane: str = "map") -> None:
        super().__init__()
        self._pane = pane
        self._side = "residence" if pane == "map" else pane
        self._drawn: Snapshot | None = None
        self._timer: Timer | None = None
        self._allocations = Allocations()

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    def compose(self) -> ComposeResult:
        """The panes."""
        yield LineView(id="header")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Pane(MapPane(id="map"))
                yield Pane(LineView(id="detail"), "VMA")
            with Vertical(id="right"):
                yield Pane(LineView(id="residence"), "Residence")
                yield Pane(LineView(id="oom"), "OOM ranking")
                yield Pane(LineView(id="steps"), "Steps")
        yield LineView(id="legend")
        yield Static(id="too-small")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Watch the app's snapshot; a live source is looked at again and again."""
        for name in ("header", "legend"):
            self.query_one(f"#{name}", LineView).can_focus = False
        self.query_one(f"#{self._pane}").focus()
        self.watch(self.app, "snapshot", self._on_snapshot, init=False)
        self.watch(self.app, "theme", self._on_theme, init=False)
        if not self.memtui.accepts(Step):
            self._timer = self.set_interval(self.memtui.interval, self._tick)

    # Drawing

    def _on_snapshot(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            before, self._drawn = self._drawn, snapshot
            self.set_class(snapshot.steps is None, "-no-steps")
            self._draw(snapshot, before)

    def _on_theme(self) -> None:
        self._redraw()

    def on_line_view_resized(self) -> None:
        """A pane has another width."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        if self._drawn is not None:
            self._draw(self._drawn, None)

    def _draw(self, now: Snapshot, before: Snapshot | None) -> None:
        """Draw what is not the same object as in the picture before."""
        self._draw_header()
        if now.mm is not None and (before is None or now.mm is not before.mm):
            self._map.palette_styles = self._styles
            self._map.draw(now.mm, changed(before.mm, now.mm) if before else None)
            self._draw_detail()
        elif now.mm is None:
            self._map.show(RowLines((), 0), self._styles)
            self._map.pane.border_title = now.unknown.get("mm", "no address space")
        if before is None or now.mm is not before.mm or now.system is not before.system:
            view = self._view("residence")
            view.show(RowLines(residence_rows(now, view.size.width), view.size.width), self._styles)
        if before is None or now.tasks is not before.tasks or now.domain is not before.domain:
            self._draw_oom(now)
        if now.steps is not None and (before is None or now.steps is not before.steps):
            self._draw_steps(now)
        legend = self._view("legend")
        rows = legend_rows(legend.size.width)
        legend.styles.height = len(rows)
        legend.show(RowLines(rows, legend.size.width), self._styles)

    def _draw_header(self) -> None:
        if self._drawn is not None:
            view = self._view("header")
            row = header_row(self._drawn, view.size.width, status=self._status())
            view.show(RowLines((row,), view.size.width), self._styles)

    def _draw_detail(self) -> None:
        view, mm = self._view("detail"), self._drawn.mm if self._drawn else None
        width = view.size.width
        vma, hole = self._map.vma, self._map.hole
        if mm is not None and vma is not None:
            rows = vma_rows(vma, width, address=self._map.address, unknown=mm.unknown)
        else:
            rows = hole_rows(hole, width) if hole is not None else ()
        view.show(RowLines(rows, width), self._styles)

    def _draw_oom(self, now: Snapshot) -> None:
        view = self._view("oom")
        before = view.lines
        chosen = before.verdict_at(view.cursor or 1) if isinstance(before, OomTable) else None
        table = OomTable(now, view.size.width)
        row = table.row_of(chosen.task.pid) if chosen else None
        view.show(table, self._styles, cursor=row if row is not None else min(1, len(table) - 1))

    def _draw_steps(self, now: Snapshot) -> None:
        assert now.steps is not None
        view = self._view("steps")
        steps = StepList(now.steps, view.size.width)
        row = steps.row_of(now.steps.cursor)
        view.show(steps, self._styles)
        view.pane.border_title = f"Steps {now.steps.cursor}/{len(now.steps.steps)}{'' if now.steps.complete else '+'}"
        view.scroll_to(y=max(row - view.size.height // 3, 0), animate=False)

    def _view(self, name: str) -> LineView:
        return self.query_one(f"#{name}", LineView)

    @property
    def _map(self) -> MapPane:
        return self.query_one("#map", MapPane)

    @property
    def _styles(self):  # type: ignore[no-untyped-def]
        return self.memtui.palette.styles

    def _status(self) -> str:
        if self.memtui.accepts(Step):
            return "playing" if self._timer else ""
        return f"every {self.memtui.interval:g} s" if self._timer else "paused"

    # The terminal's size

    def on_resize(self) -> None:
        """Side by side, one side pane below the map, or a word that it is too small."""
        width, height = self.app.size
        tiny = width < _LEAST[0] or height < _LEAST[1]
        self.set_class(tiny, "-tiny")
        self.set_class(width < _WIDE, "-compact")
        self.query_one("#too-small", Static).update(
            f"{width}x{height} is too small: at least {_LEAST[0]}x{_LEAST[1]} is needed"
        )
        self._show_side(self._side)

    def _show_side(self, name: str) -> None:
        self._side = name
        for side in _SIDE:
            self.set_class(side == name, f"-side-{side}")

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what the source cannot do."""
        key = key_of(action)
        if key is None or (action == "show" and parameters != ("steps",)):
            return True
        return None if key.needs is not None and not self.memtui.accepts(key.needs) else True

    def _ask(self, request: Request) -> None:
        self.memtui.ask(request)

    def action_step(self, steps: int) -> None:
        """Forward."""
        self._ask(Step(steps))

    def action_back(self, steps: int) -> None:
        """Back."""
        self._ask(Back(steps))

    def action_refresh(self) -> None:
        """Look again."""
        self._ask(Refresh())

    def action_play(self) -> None:
        """Start or stop what goes on by itself."""
        if self._timer is None:
            pace = _PLAY if self.memtui.accepts(Step) else self.memtui.interval
            self._timer = self.set_interval(pace, self._tick)
        else:
            self._timer.stop()
            self._timer = None
        self._draw_header()

    def _tick(self) -> None:
        lane, now = self.memtui.lane, self._drawn
        if lane is None or not lane.idle or (now is not None and now.stale):
            return
        if not self.memtui.accepts(Step):
            self._ask(Refresh())
        elif (
            now is not None
            and now.steps is not None
            and now.steps.complete
            and now.steps.cursor == len(now.steps.steps)
        ):
            self.action_play()
        else:
            self._ask(Step())

    def action_seek(self) -> None:
        """Go to a step."""

        def seek(line: str | None) -> None:
            if line and line.isdecimal():
                self._ask(Seek(int(line)))
            elif line:
                self.notify(f"{line!r} is no step: a number from 0", severity="error", markup=False)

        self.app.push_screen(Prompt("Go to step"), seek)

    def action_malloc(self) -> None:
        """Allocate."""

        def malloc(size: str | None) -> None:
            if size:
                self._ask(Inject(self._allocations.malloc(size)))

        self.app.push_screen(Prompt("malloc: how much?", "100K"), malloc)

    def action_free(self) -> None:
        """Free the latest allocation of `malloc`."""
        line = self._allocations.free()
        if line is None:
            self.notify("nothing to free: m allocates first", markup=False)
        else:
            self._ask(Inject(line))

    def action_touch(self) -> None:
        """Write to the page under the cursor."""
        if self._map.address is not None:
            self._ask(Inject(f"touch({self._map.address:#x}, 1, WRITE)"))

    def action_inject(self) -> None:
        """Run a line of the trace language."""

        def inject(line: str | None) -> None:
            if line:
                self._ask(Inject(line))

        self.app.push_screen(
            Prompt(
                "Run a line of the trace language",
                "mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
            ),
            inject,
        )

    def action_find(self) -> None:
        """Find a VMA or an address."""

        def go(wanted: str | None) -> None:
            if not wanted or self._drawn is None or self._drawn.mm is None:
                return
            address = find(self._drawn.mm, wanted, self._map.address or 0)
            if address is None:
                self.notify(f"no VMA is named {wanted!r}, and it is no address", severity="warning", markup=False)
            else:
                self._map.go(address)
                self._draw_detail()

        self.app.push_screen(Prompt("Find a VMA by name, or an address"), go)

    def _focused(self) -> LineView:
        focused = self.focused
        return focused if isinstance(focused, LineView) else self._map

    def action_move(self, rows: int) -> None:
        """Rows down or up in the pane with the focus."""
        view = self._focused()
        if isinstance(view, MapPane):
            view.by_rows(rows)
            self._draw_detail()
        elif view.cursor is not None:
            view.move(min(max(view.cursor + rows, 1), len(view.lines) - 1))
        else:
            view.scroll_relative(y=rows, animate=False)

    def action_side(self, cells: int) -> None:
        """Cells to the right or left in the map."""
        if isinstance(self._focused(), MapPane):
            self._map.by_cells(cells)
            self._draw_detail()

    def action_page(self, pages: int) -> None:
        """Screens down or up."""
        self.action_move(pages * max(self._focused().size.height - 1, 1))

    def action_first(self) -> None:
        """To the top."""
        self.action_move(-len(self._focused().lines))

    def action_last(self) -> None:
        """To the bottom."""
        self.action_move(len(self._focused().lines))

    def action_zoom(self, direction: int) -> None:
        """Into the pages of a VMA; out again, and from there back to the home screen."""
        if not self._map.zoom(direction > 0) and direction < 0 and self.memtui.home is not None:
            self.memtui.close_lane()
            self.app.pop_screen()
            return
        self._draw_detail()

    def action_pane(self, step: int) -> None:
        """The next or previous pane that there is."""
        panes = [name for name in _PANES if name != "steps" or not self.has_class("-no-steps")]
        here = self._focused().id or "map"
        self.action_show(panes[(panes.index(here) + step) % len(panes)] if here in panes else "map")

    def action_show(self, name: str) -> None:
        """To a pane by its name."""
        if name in _SIDE:
            self._show_side(name)
        self.query_one(f"#{name}").focus()

    def action_focus_process(self) -> None:
        """Show the process that is selected in the ranking."""
        view = self._view("oom")
        if isinstance(view.lines, OomTable) and view.cursor is not None:
            verdict = view.lines.verdict_at(view.cursor)
            if verdict is not None:
                self._map.address = None
                self._ask(Focus(verdict.task.pid))

    def action_copy(self) -> None:
        """The row under the cursor, or the first visible one."""
        view = self._focused()
        row = view.cursor if view.cursor is not None else view.scroll_offset.y
        self.app.copy_to_clipboard(view.text_of(row))
        self.notify("copied", timeout=2)

    def action_save(self) -> None:
        """The screen as an SVG file in the current folder."""
        step = self._drawn.steps.cursor if self._drawn and self._drawn.steps else 0
        path = Path(f"memtui-{step}.svg").absolute()
        try:
            path.write_text(self_contained(self.app.export_screenshot(title="memtui")), encoding="utf-8")
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error", markup=False)
        else:
            self.notify(f"saved {path}", markup=False)

    def action_theme(self) -> None:
        """The next theme."""
        self.memtui.next_theme()

    def action_help(self) -> None:
        """The help."""
        self.app.push_screen(HelpScreen(self.memtui.palette))

    def action_quit(self) -> None:
        """Leave."""
        self.app.exit()

    # The mouse

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        """Select; a second click zooms."""
        view = event.view
        if isinstance(view, MapPane):
            if view.drawing is not None:
                view.go(view.drawing.address_at(event.row, event.column))
                if event.twice:
                    view.zoom(not view.zoomed)
                self._draw_detail()
        elif view.cursor is not None and event.row > 0:
            view.move(event.row)
