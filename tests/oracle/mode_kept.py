"""The machine's mode of overcommit: locked by whoever changes it, shared by whoever it must not change for."""

import fcntl
import os
from typing import Final

MACHINE: Final = "/proc/sys/vm/overcommit_memory"
"""Locked itself: one machine may run several suites."""


def keep_mode() -> int:
    """Nobody changes the mode until what this gives is closed."""
    lock = os.open(MACHINE, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock
