"""One thread, in order, and nothing after the end."""

import asyncio
import threading

import pytest

from memtui.model.errors import SourceError
from memtui.model.request import Refresh, Request, Seek
from memtui.model.snapshot import Snapshot
from memtui.ui.lane import Lane
from tests.ui.fake import Simulated


class Held(Simulated):
    """Waits in its first request until it is let go, and notes in which thread it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.threads: set[int] = set()

    def apply(self, request: Request) -> Snapshot:
        self.threads.add(threading.get_ident())
        self.go.wait()
        return super().apply(request)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        super().close()


async def test_requests_run_serially_and_in_order() -> None:
    source = Held()
    lane = Lane(source)
    asked = [asyncio.create_task(lane.ask(Seek(number))) for number in range(20)]
    await asyncio.sleep(0)
    assert not lane.idle
    source.go.set()
    snapshots = await asyncio.gather(*asked)
    assert source.seen == [Seek(number) for number in range(20)]
    assert [snapshot.steps.cursor for snapshot in snapshots if snapshot.steps] == [*range(11), *[10] * 9]
    assert lane.idle
    await lane.close()
    assert len(source.threads) == 1
    assert threading.get_ident() not in source.threads


async def test_closing_drops_what_waits() -> None:
    source = Held()
    lane = Lane(source)
    running, waiting = (asyncio.create_task(lane.ask(Refresh())) for _ in range(2))
    await asyncio.sleep(0)
    closing = asyncio.create_task(lane.close())
    await asyncio.sleep(0)
    source.go.set()
    await closing
    await running
    with pytest.raises(SourceError):
        await waiting
    assert source.closed
    assert source.seen == [Refresh()]
    await lane.close()


async def test_errors_come_back_to_who_asked() -> None:
    class Failing(Simulated):
        def apply(self, request: Request) -> Snapshot:
            raise SourceError("no")

    lane = Lane(Failing())
    with pytest.raises(SourceError, match="no"):
        await lane.ask(Refresh())
    assert lane.idle
    await lane.close()
