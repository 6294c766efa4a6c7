"""Models mm/page_alloc.c (6.18): who may take free pages, who has to reclaim first, and when that is hopeless.

The calls of the simulated kernel ask here before they make pages, up to 2 MiB at once. kswapd runs as soon as it is
woken and until it is content, as if another CPU had nothing else to do.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from memtui.sim.kernel import memcontrol, oom_kill, vmscan
from memtui.sim.kernel.mmzone import recount, room
from memtui.sim.kernel.outcome import Fault

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

_BATCH: Final = 32
"""Pages that are given at once when memory is short."""


def fits(kernel: "Kernel", task: "Task", pages: int) -> bool:
    """Whether a task can take so many pages without waking kswapd; they are taken for given if so."""
    left = memcontrol.room(kernel, task) if kernel.memcgs else None
    if left is not None and left < pages:
        return False
    if kernel.cushion < pages:
        recount(kernel)
        kernel.cushion = room(kernel, "low")
    if kernel.cushion < pages:
        return False
    kernel.cushion -= pages
    return True


def grants(kernel: "Kernel", task: "Task", pages: int) -> Iterator[int]:
    """Allow `pages` to be made, in parts: each must be made before the next is asked for.

    Raises:
        Fault: SIGKILL, the OOM killer took the task that asks.
    """
    while pages > 0:
        part = grant(kernel, task, pages)
        pages -= part
        yield part


def grant(kernel: "Kernel", task: "Task", pages: int) -> int:
    """__alloc_pages(): how many of `pages` may be made now, at least one.

    Raises:
        Fault: SIGKILL, the OOM killer took the task that asks.
    """
    if kernel.memcgs:
        pages = memcontrol.try_charge(kernel, task, pages)
    if kernel.cushion >= pages:
        kernel.cushion -= pages
        return pages
    recount(kernel)
    kernel.cushion = room(kernel, "low")
    if not kernel.cushion:
        vmscan.wakeup_kswapd(kernel)
        kernel.cushion = room(kernel, "low")
    if not kernel.cushion:
        return _slowpath(kernel, task, pages)
    part = min(pages, kernel.cushion)
    kernel.cushion -= part
    return part


def _slowpath(kernel: "Kernel", task: "Task", pages: int) -> int:
    """__alloc_pages_slowpath(): down to MIN, then direct reclaim, then the OOM killer."""
    retries = 0
    while True:
        part = min(pages, _BATCH, room(kernel, "min"))
        if part:
            return part
        if task.dying:  # an OOM victim may take all there is
            free = sum(zone.free for zone in kernel.zones)
            if free <= 0:
                raise Fault("SIGKILL", 0, "the OOM killer has taken the process, and nothing is left")
            return min(pages, _BATCH, free)
        freed = vmscan.try_to_free_pages(kernel)
        recount(kernel)
        retries = 0 if freed else retries + 1
        if not room(kernel, "min") and (
            retries > vmscan.MAX_RECLAIM_RETRIES or not vmscan.should_reclaim_retry(kernel)
        ):
            oom_kill.out_of_memory(kernel, task)
            recount(kernel)
            retries = 0
            if task.dying:
                raise Fault("SIGKILL", 0, "the OOM killer took the process itself")
