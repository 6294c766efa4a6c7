"""What happens between two steps: I/O ends, the LRU lists and the zones are brought up to date."""

from typing import TYPE_CHECKING

from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.mmzone import recount
from memtui.sim.kernel.page_writeback import end_writeback
from memtui.sim.kernel.vmscan_told import direct_event, kswapd_event

if TYPE_CHECKING:
    from memtui.model.event import Event
    from memtui.sim.kernel.kernel import Kernel


def begin_step(kernel: "Kernel") -> None:
    """What was being written reaches the disk."""
    end_writeback(kernel)
    kernel.events.clear()
    kernel.stalls.clear()
    kernel.kswapd_runs.clear()
    kernel.cushion = 0


def end_step(kernel: "Kernel") -> "tuple[Event, ...]":
    """Bring the lists up to date; what happened in the step besides its result."""
    lru_add_drain(kernel)
    recount(kernel)
    reclaim = [event for event in (kswapd_event(kernel), direct_event(kernel)) if event is not None]
    return (*reclaim, *kernel.events)
