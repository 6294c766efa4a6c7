"""Models __vm_enough_memory() of 2.6.32 (mm/mmap.c): who might promise how much memory before 3.10 and 5.1."""

from math import isqrt
from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import CAP_SYS_ADMIN
from memtui.sim.kernel.vmstat import free_pages, page_states

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

_FOR_ROOT: Final = 32
"""One in so many pages is left for whoever has CAP_SYS_ADMIN."""


def guess(kernel: "Kernel", task: "Task | None", pages: int) -> None:
    """Mode 0: what is free, or could be freed, must exceed the request.

    Approximate: the simulation has neither zones nor slab, so that totalreserve_pages is the high watermark of one
    zone, and reclaimable slab counts as none.

    Raises:
        Errno: ENOMEM.
    """
    states = page_states(kernel)
    room = _left(task, states.file + kernel.swap.free)
    if room > pages:
        return
    free = free_pages(kernel, states) - totalreserve_pages(kernel)
    if free > 0:
        room += _left(task, free)
    if free <= 0 or room <= pages:
        raise Errno("ENOMEM", f"overcommit mode 0: {pages:,} pages asked, {room:,} are free or could be freed")


def allowed(kernel: "Kernel", task: "Task | None", mm: "Mm | None", by_ratio: int) -> int:
    """Mode 2: the pages that may be promised, of a share `by_ratio` of RAM; before 3.10."""
    own = mm.total_vm // _FOR_ROOT if mm is not None else 0
    return _left(task, by_ratio) + kernel.total_swap_pages - own


def totalreserve_pages(kernel: "Kernel") -> int:
    """The high watermark: 3/2 of min_free_kbytes (mm/page_alloc.c, 2.6.32)."""
    ram_kbytes = kernel.totalram_pages * 4
    min_free = kernel.sysctl.get("min_free_kbytes", min(max(isqrt(16 * ram_kbytes), 128), 65536))
    return min_free // 4 * 3 // 2


def _left(task: "Task | None", pages: int) -> int:
    return pages if task is None or task.capable(CAP_SYS_ADMIN) else pages - pages // _FOR_ROOT
