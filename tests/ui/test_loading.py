"""A source that takes long to make: a bar, a key that stops it, and the error where it ends."""

import asyncio
import threading

from textual.widgets import ProgressBar

from memtui.model.errors import Cancelled
from memtui.model.progress import Progress, Watcher
from memtui.model.source import Source
from memtui.ui.app import MemtuiApp
from memtui.ui.screens.loading import LoadingScreen
from memtui.ui.themes import load


async def test_the_bar_moves_and_escape_stops_the_work():
    reported, go_on = threading.Event(), threading.Event()

    def opening(watch: Watcher) -> Source:
        watch(Progress("reading", 30, 100))
        reported.set()
        assert go_on.wait(30)
        watch(Progress("reading", 60, 100))
        raise AssertionError("it was not stopped")

    app = MemtuiApp(load(), opening=("a long log", opening))
    async with app.run_test() as pilot:
        assert isinstance(app.screen, LoadingScreen)
        while not reported.is_set():
            await pilot.pause()
        await pilot.pause()
        assert app.screen.query_one("#loading-bar", ProgressBar).progress == 30
        await pilot.press("escape")
        go_on.set()
        async with asyncio.timeout(30):
            while app.failure is None:
                await asyncio.sleep(0.01)
    assert isinstance(app.failure, Cancelled)
    assert app.return_code == 1
