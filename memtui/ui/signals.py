"""Signals from outside: whatever ends or stops the app, the terminal is given back as it was."""

import asyncio
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
STATUS: Final = 128
"""Plus the number of the signal is the exit status, as shells have it."""


def heed_signals(app: "MemtuiApp") -> None:
    """End by way of the app; stop with the terminal given back; draw anew when continued.

    Textual would die at once of SIGTERM and SIGHUP, go on with an empty screen after a stop, and begin a second time
    at a SIGCONT that no stop came before.

    Args:
        app: running in this thread, on a terminal.
    """
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, partial(app.exit, return_code=STATUS + number))
    loop.add_signal_handler(signal.SIGTSTP, partial(_stop, app))
    loop.add_signal_handler(signal.SIGCONT, app.draw_anew)


def _stop(app: "MemtuiApp") -> None:
    with app.suspend():
        os.kill(os.getpid(), signal.SIGSTOP)
    app.draw_anew()
