"""What happens between two steps: I/O ends, the LRU lists and the zones are brought up to date."""

from typing import TYPE_CHECKING

from memtui.model.event import Event, EventKind
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.page_writeback import end_writeback

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel


def begin_step(kernel: "Kernel") -> None:
    """What was being written reaches the disk."""
    end_writeback(kernel)
    kernel.events.clear()
    kernel.stalls.clear()
    kernel.cushion = 0


def end_step(kernel: "Kernel") -> tuple[Event, ...]:
    """Bring the lists up to date; what happened in the step besides its result."""
    lru_add_drain(kernel)
    recount(kernel)
    events = list(kernel.events)
    if kernel.stalls:
        text = f"direct reclaim, {len(kernel.stalls):,} times; the last: {kernel.stalls[-1]}"
        events.append(Event(EventKind.NOTE, text))
    return tuple(events)
