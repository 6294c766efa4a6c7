"""Slow requests: how far they have come is told, and Escape ends them."""

from memtui.model.progress import Progress
from memtui.model.request import Seek, Step
from memtui.ui.widgets.bars import HeaderBar
from tests.ui.conftest import Run, settle, until
from tests.ui.fake import Slow

REPLAYING = Progress("replaying", 512, 9000)


async def test_slow_work_is_told_and_ends_by_itself(run: Run) -> None:
    source = Slow(Seek, REPLAYING)
    async with run(source) as pilot:
        header = pilot.app.screen.query_one(HeaderBar)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "replaying 512 of 9,000 · Esc stops" in header.text_of(0))
        source.gate.set()
        await settle(pilot)
        assert source.cursor == 6
        await until(pilot, lambda: "replaying" not in header.text_of(0))


async def test_escape_ends_slow_work_and_nothing_else(run: Run) -> None:
    source = Slow(Seek, REPLAYING)
    async with run(source) as pilot:
        header = pilot.app.screen.query_one(HeaderBar)
        await pilot.press("enter")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Esc stops" in header.text_of(0))
        await pilot.press("escape")
        await until(pilot, lambda: "Esc stops" not in header.text_of(0))
        await settle(pilot)
        assert source.cursor == 3
        assert [note.severity for note in pilot.app._notifications] == ["warning"]
        assert pilot.app.screen.query_one("#map").title.startswith("[heap]")
        await pilot.press("n")
        await settle(pilot)
        assert source.seen[-1] == Step(1)
        assert source.cursor == 4
