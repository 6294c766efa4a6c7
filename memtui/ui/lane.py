"""One thread in which a source works, so that nothing it does blocks the screen."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable

from memtui.model.errors import Cancelled, SourceError
from memtui.model.progress import Progress, Watcher
from memtui.model.request import Request
from memtui.model.snapshot import Snapshot
from memtui.model.source import Source


@runtime_checkable
class Watched(Protocol):
    """A source that tells how far slow requests have come."""

    watch: Watcher


class Lane:
    """Requests run one after the other, in the order in which they were asked."""

    def __init__(self, source: Source) -> None:
        self.accepts = source.accepts
        self._source = source
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._waiting = 0
        self._closed = False
        self._stopped = False
        self.progress: Progress | None = None
        """Of the request that runs; None: it tells nothing."""
        if isinstance(source, Watched):
            source.watch = self._watch

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return self._waiting == 0

    async def ask(self, request: Request) -> Snapshot:
        """The source's answer, awaited on the event loop.

        Raises:
            SourceError: as `Source.apply` does, or the lane was closed meanwhile.
        """
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._apply, request)
        finally:
            self._waiting -= 1

    def _apply(self, request: Request) -> Snapshot:
        if self._closed:
            raise SourceError("closed")
        self._stopped, self.progress = False, None
        try:
            return self._source.apply(request)
        finally:
            self.progress = None

    def stop(self) -> None:
        """End what runs at its next report; what waits goes on."""
        self._stopped = True

    def _watch(self, progress: Progress) -> None:
        if self._stopped:
            raise Cancelled("stopped: the picture is the one before")
        self.progress = progress

    async def close(self) -> None:
        """Let go of the source, in its own thread, once what runs has ended; what still waits is dropped."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._source.close)
            self._executor.shutdown(wait=False)
