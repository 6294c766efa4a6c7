"""Who may change the machine that all test processes share, and when."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from typing import Final

LOCK_SECONDS: Final = 900
"""How long one waits for the others: longer than a whole module of tests has the machine for itself."""


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """An end to what would otherwise hang, in the main thread.

    Raises:
        TimeoutError: inside, wherever it is after so many seconds.
    """

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Machine:
    """What all test processes of this machine share: many may use it as it is, one alone may set its sysctls.

    Who comes through the gate holds the room; who wants it alone holds the gate meanwhile, so that no stream of others
    keeps him waiting.
    """

    _GATE: Final = "/proc/sys/vm/overcommit_ratio"
    _ROOM: Final = "/proc/sys/vm/overcommit_memory"

    def __init__(self) -> None:
        self._gate, self._room = (os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in (self._GATE, self._ROOM))
        self._enter(fcntl.LOCK_SH)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else uses the machine. Gives up its own use before it waits: two may want it at once."""
        fcntl.flock(self._room, fcntl.LOCK_UN)
        try:
            self._enter(fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
            self._enter(fcntl.LOCK_SH)

    def close(self) -> None:
        """Leave."""
        os.close(self._room)
        os.close(self._gate)

    def _enter(self, how: int) -> None:
        try:
            for lock in (self._gate, self._room):
                _lock(lock, how)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)


def _lock(file: int, how: int) -> None:
    """flock() with an end.

    Raises:
        TimeoutError: somebody else holds the lock for longer than any test takes.
    """
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError(f"{os.readlink(f'/proc/self/fd/{file}')} is locked by another process") from None
        time.sleep(0.005)
