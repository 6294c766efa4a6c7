"""The view that every pane is: what it paints, what it remembers, where it scrolls."""

from typing import cast

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.events import MouseScrollDown, MouseScrollUp
from textual.filter import LineFilter, Monochrome
from textual.geometry import Region
from textual.strip import Strip

from memtui.draw.lines import Lines
from memtui.draw.roles import ROLES
from memtui.draw.run import Row, Run
from memtui.ui.line_view import LineView
from memtui.ui.mouse_view import MouseView
from memtui.ui.strips import Look, StripPainter

STYLES = {
    **{role: Style(color="#aaaaaa", bgcolor="#000000") for role in ROLES},
    "map.cursor.row": Style(color="#aaaaaa", bgcolor="#222222"),
    "map.cursor": Style(color="#000000", bgcolor="#ffff00"),
}


class Numbers:
    """So many numbered rows; `asked` has every row that was made."""

    width = 20

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def row(self, index: int) -> Row:
        if not 0 <= index < self.count:
            return ()
        self.asked.append(index)
        return (Run(f"row {index} ", "text"), Run("█" * (index % 7), "residence.anon"))


class ViewApp(App[None]):
    """One view."""

    def __init__(self, lines: Lines, cursor: int | None = 0) -> None:
        super().__init__()
        self._lines, self._cursor = lines, cursor
        self.moved = 0
        self.zoomed: list[int] = []

    def compose(self) -> ComposeResult:
        yield LineView(id="view")

    def on_mount(self) -> None:
        self.view.cursor = self._cursor
        self.view.paint_with(STYLES)
        self.view.show(self._lines, title="Numbers")
        self.view.focus()

    @property
    def view(self) -> LineView:
        return self.query_one(LineView)

    def on_mouse_view_moved(self) -> None:
        self.moved += 1

    def on_mouse_view_zoomed(self, event: MouseView.Zoomed) -> None:
        self.zoomed.append(event.direction)


def text(strip: Strip) -> str:
    return strip.text.rstrip()


def screen(view: LineView) -> list[str]:
    return [text(strip) for strip in view.render_lines(Region(0, 0, view.size.width, view.size.height))]


async def test_heading_rows_and_both_ends_of_y() -> None:
    async with ViewApp(Numbers(3)).run_test(size=(30, 8)) as pilot:
        view = cast("ViewApp", pilot.app).view
        assert screen(view) == ["━ Numbers ━━━━━━━━━━━━━━━━━━━", "row 0", "row 1 █", "row 2 ██", "", "", "", ""]
        for y in (-5, -1, 8, 1000):
            assert view.render_line(y).text == " " * 30
        assert all(strip.cell_length == 30 for strip in view.render_lines(Region(0, 0, 30, 8)))
        assert [strip.text for strip in view.render_lines(Region(4, 1, 6, 2))] == ["0     ", "1 █   "]


async def test_cache_hits_rise_and_only_shown_rows_are_made() -> None:
    lines = Numbers(60_000)
    async with ViewApp(lines).run_test(size=(30, 20)) as pilot:
        view = cast("ViewApp", pilot.app).view
        assert max(lines.asked) < 20
        made, misses, hits = len(lines.asked), view.painter.misses, view.painter.hits
        view.refresh()
        await pilot.pause()
        assert (len(lines.asked), view.painter.misses) == (made, misses)
        assert view.painter.hits >= hits + 20
        hits = view.painter.hits
        view.scroll_rows(1)
        await pilot.pause()
        assert len(lines.asked) == made + 1
        # New are the row that came into view, and the blank scroll bar's cell that may have moved.
        assert view.painter.misses <= misses + 2
        assert view.painter.hits >= hits + 18


async def test_a_cursor_move_paints_two_rows() -> None:
    async with ViewApp(Numbers(100)).run_test(size=(30, 20)) as pilot:
        view = cast("ViewApp", pilot.app).view
        await pilot.pause()
        view.move_to(1)
        assert view._repaint_regions == {Region(0, 1, 30, 1), Region(0, 2, 30, 1)}


@pytest.mark.parametrize("cursor", [None, 0])
async def test_scrolling_stays_within_the_rows(cursor: int | None) -> None:
    app = ViewApp(Numbers(100), cursor)
    async with app.run_test(size=(30, 11)):
        view = app.view
        view.by_rows(1000)
        assert view.top == 90
        assert screen(view)[-1].startswith("row 99")
        assert screen(view)[-1].endswith("┃")
        view.by_rows(-1000)
        assert view.top == 0
        view.show(Numbers(5))
        assert view.top == 0
        assert "┃" not in "".join(screen(view))


async def test_wheel_scroll_bar_and_clicks() -> None:
    app = ViewApp(Numbers(100))
    async with app.run_test(size=(30, 11)) as pilot:
        view = app.view
        await pilot.click(view, offset=(3, 4))
        assert (view.cursor, app.moved) == (3, 1)
        await pilot.click(view, offset=(3, 0))
        assert (view.cursor, app.moved) == (3, 1)
        for wheel, ctrl in ((MouseScrollDown, False), (MouseScrollDown, True), (MouseScrollUp, True)):
            view.post_message(wheel(view, 3, 3, 0, 0, 0, shift=False, meta=False, ctrl=ctrl))
        await pilot.pause()
        assert (view.top, view.cursor, app.zoomed) == (3, 3, [-1, 1])
        await pilot.mouse_down(view, offset=(29, 10))
        assert view.top == 90
        await pilot.hover(view, offset=(29, 1))
        assert view.top == 0
        await pilot.mouse_up(view, offset=(29, 1))
        await pilot.hover(view, offset=(29, 9))
        assert view.top == 0


def test_painter_bounds_its_memory() -> None:
    painter = StripPainter(STYLES, limit=10)
    looks = [Look((Run(f"row {number}", "text"),), 20) for number in range(30)]
    for look in looks:
        painter.strip(look)
    assert (len(painter), painter.misses, painter.hits) == (10, 30, 0)
    assert painter.strip(looks[-1]) is painter.strip(looks[-1])
    assert painter.hits == 2
    painter.strip(looks[0])
    assert painter.misses == 31


def test_painter_marks_the_row_and_the_cell() -> None:
    painter = StripPainter(STYLES)
    row = (Run("ab", "text"), Run("██", "residence.anon"))
    strip = painter.strip(Look(row, 10, marked=True, cell=2, edge=(Run("┃", "text.dim"),)))
    assert strip.text == "ab■█     ┃"
    styles = {segment.text: segment.style for segment in strip}
    assert styles["ab"] is not None
    assert styles["ab"].bgcolor == STYLES["map.cursor.row"].bgcolor
    assert styles["■"] is not None
    assert styles["■"].bgcolor == STYLES["map.cursor"].bgcolor
    assert painter.strip(Look(row, 3)).text == "ab█"
    assert painter.strip(Look(row, 0)).text == ""


def test_painter_goes_through_the_filters_of_textual() -> None:
    seen: list[Color] = []

    class Watched(Monochrome):
        def apply(self, segments, background):  # type: ignore[no-untyped-def]
            seen.append(background)
            return super().apply(segments, background)

    filters: list[LineFilter] = [Watched()]
    strip = StripPainter({**STYLES, "text": Style(color="#ff0000", bgcolor="#000000")}, filters).strip(
        Look((Run("red", "text"),), 3)
    )
    assert seen == [Color(0, 0, 0)]
    colour = next(iter(strip)).style
    assert colour is not None
    assert colour.color is not None
    red, green, blue = colour.color.get_truecolor()
    assert red == green == blue
