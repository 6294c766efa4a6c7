"""`memtui PID`, the commonest call: its picture stands on the terminal before the command line is even read."""

import os
import sys
from typing import NamedTuple

from memtui.live.source import LiveSource
from memtui.model.errors import MemtuiError
from memtui.model.request import Refresh
from memtui.model.snapshot import Snapshot
from memtui.plain_frame import PlainFrame


class Early(NamedTuple):
    """What was read and drawn."""

    source: LiveSource
    snapshot: Snapshot
    frame: PlainFrame


def look(pid: int) -> Early | None:
    """The picture, which stands on the terminal now; None: it cannot be had, and the whole command will say why."""
    source = LiveSource(pid)
    try:
        snapshot = source.apply(Refresh())
    except MemtuiError:
        return None
    frame = PlainFrame(snapshot, *os.get_terminal_size(sys.stdout.fileno()))
    frame.draw()
    return Early(source, snapshot, frame)
