"""When Python looks for garbage: not while much comes at once, and looking through it takes longer than making it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONG: Final = 5000
"""Lines or steps from which on it makes a difference."""
_YOUNG: Final = 50_000
"""Objects that come between two looks for garbage while a trace is read or runs: each step makes hundreds that stay."""


@contextmanager
def seldom_collected(steps: int) -> Iterator[None]:
    """What is there before and afterwards (a long trace, its states) is no garbage; looking through it takes long.

    Args:
        steps: how much there is to do; garbage is looked for as always when that is little.
    """
    if steps < LONG:
        yield
        return
    usual, active = gc.get_threshold(), gc.isenabled()
    gc.freeze()
    gc.set_threshold(_YOUNG, *usual[1:])
    gc.enable()
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.freeze()
        if not active:
            gc.disable()


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Many objects come at once and none of them is garbage, so looking for garbage only takes time."""
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()
