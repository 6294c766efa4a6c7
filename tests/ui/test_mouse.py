"""The mouse: the line between the columns, headings, the wheel, two clicks."""

import pytest
from textual.pilot import Pilot

from memtui.model.request import Step
from memtui.ui.line_view import LineView
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.oom_pane import OomPane
from memtui.ui.widgets.residence_pane import ResidencePane
from tests.ui.conftest import COMPACT, WIDE, Run, settle
from tests.ui.fake import HEAP, Live, Simulated


async def drag(pilot: Pilot[None], start: tuple[int, int], end: tuple[int, int]) -> None:
    await pilot.mouse_down(offset=start)
    await pilot.hover(offset=end)
    await pilot.mouse_up(offset=end)
    await settle(pilot)


async def test_the_line_between_the_columns_is_dragged(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        left, line = pilot.app.screen.query_one("#left"), pilot.app.screen.query_one("#divider")
        await drag(pilot, (line.region.x, 10), (40, 12))
        assert left.region.width == 40
        assert line.region.x == 40
        assert pilot.app.screen.query_one(ResidencePane).region.right == 120
        # Neither column can be dragged away.
        await drag(pilot, (40, 10), (1, 10))
        assert left.region.width == 24
        await drag(pilot, (24, 10), (119, 10))
        assert left.region.width == 119 - 24


@pytest.mark.parametrize("size", [WIDE, COMPACT])
async def test_a_heading_is_dragged(run: Run, size: tuple[int, int]) -> None:
    async with run(Live(), size=size) as pilot:
        await pilot.press("o")
        await settle(pilot)
        pane = pilot.app.screen.query_one(OomPane)
        top, bottom = pane.region.y, pane.region.bottom
        others = [view for view in pilot.app.screen.query(LineView) if view.region.height and view is not pane]
        await drag(pilot, (pane.region.x + 5, top), (pane.region.x + 5, top - 3))
        assert (pane.region.y, pane.region.bottom) == (top - 3, bottom)
        await drag(pilot, (pane.region.x + 5, top - 3), (pane.region.x + 5, 0))
        assert all(view.region.height >= 3 or view.region.height == 1 for view in others)


async def test_two_clicks_on_a_heading_give_the_pane_the_whole_screen(run: Run) -> None:
    async with run(Live()) as pilot:
        pane = pilot.app.screen.query_one(OomPane)
        await pilot.click(offset=(pane.region.x + 5, pane.region.y), times=2)
        await settle(pilot)
        assert pilot.app.screen.maximized is pane
        await pilot.click(offset=(5, pane.region.y), times=2)
        await settle(pilot)
        assert pilot.app.screen.maximized is None


async def test_two_clicks_zoom_and_the_wheel_scrolls_or_zooms(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        assert board.cursor is not None
        await pilot.click(board, offset=(30, board.cursor - board.top + 1), times=2)
        await settle(pilot)
        assert board.address is not None
        assert board.vma is not None
        assert board.vma.start == HEAP
        assert board.shift == 0


async def test_a_click_on_the_key_bar_presses_the_key(run: Run) -> None:
    source = Simulated(at=3)
    async with run(source) as pilot:
        await pilot.click("#keys", offset=(2, 0))
        await settle(pilot)
        assert source.seen[-1] == Step(1)
