"""Running the app without a terminal, and waiting for it without ever sleeping."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from memtui.model.source import Source
from memtui.ui.app import MemtuiApp
from memtui.ui.themes import Themes, load

WIDE, COMPACT = (120, 40), (80, 24)

Run = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


async def settle(pilot: Pilot[None]) -> None:
    """Until every request is answered and every message is handled, also those that an answer gives rise to."""
    await pilot.pause()
    while not all(worker.is_finished for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the app go on until something that it does by itself has happened; the test's time-out ends it otherwise."""
    for _ in range(10_000):
        if condition():
            return
        await pilot.pause(0.001)
    pytest.fail("it never happened")


@pytest.fixture(scope="session")
def themes(tmp_path_factory: pytest.TempPathFactory) -> Themes:
    """The built-in ones only."""
    return load(user=tmp_path_factory.mktemp("no-themes"))


@pytest.fixture
def run(themes: Themes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`async with run(source) as pilot`: the app shows its first picture. It looks again only when asked."""
    monkeypatch.chdir(tmp_path)

    @asynccontextmanager
    async def running(
        source: Source | None, *, size: tuple[int, int] = WIDE, **options: Any
    ) -> AsyncIterator[Pilot[None]]:
        options.setdefault("interval", 10_000.0)
        options.setdefault("themes", themes)
        app = MemtuiApp(options.pop("themes"), source=source, **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            yield pilot

    return running
