"""Models fs/proc/meminfo.c (6.18), as far as a simulated machine has what is counted there."""

from memtui.sim.kernel.file_rmap import mapped_pages
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.lru import ACTIVE_ANON, ACTIVE_FILE, INACTIVE_ANON, INACTIVE_FILE, UNEVICTABLE
from memtui.sim.kernel.lru_add import lru_add_drain
from memtui.sim.kernel.mmzone import recount, totalreserve_pages
from memtui.sim.kernel.overcommit import commit_limit
from memtui.sim.kernel.page_writeback import nr_dirty, nr_writeback
from memtui.sim.kernel.vmstat import page_states


def meminfo(kernel: Kernel) -> dict[str, int]:
    """The kernel's spelling -> KiB; what is not simulated is not there. The LRU lists are drained first."""
    free = recount(kernel)
    lru_add_drain(kernel)
    states, size = page_states(kernel), kernel.lruvec.size
    pages = {
        "MemTotal": kernel.totalram_pages,
        "MemFree": free,
        "MemAvailable": _available(kernel, free),
        "Buffers": 0,
        "Cached": states.file,
        "SwapCached": kernel.swap.cached,
        "Active": size(ACTIVE_ANON) + size(ACTIVE_FILE),
        "Inactive": size(INACTIVE_ANON) + size(INACTIVE_FILE),
        "Active(anon)": size(ACTIVE_ANON),
        "Inactive(anon)": size(INACTIVE_ANON),
        "Active(file)": size(ACTIVE_FILE),
        "Inactive(file)": size(INACTIVE_FILE),
        "Unevictable": size(UNEVICTABLE),
        "SwapTotal": kernel.total_swap_pages,
        "SwapFree": kernel.swap.free,
        "Dirty": nr_dirty(kernel),
        "Writeback": nr_writeback(kernel),
        "AnonPages": states.anon,
        "Mapped": mapped_pages(kernel),
        "Shmem": states.shmem,
        "PageTables": states.tables,
        "CommitLimit": commit_limit(kernel),
        "Committed_AS": kernel.committed,
    }
    return {name: count * 4 for name, count in pages.items()}


def _available(kernel: Kernel, free: int) -> int:
    """si_mem_available(), mm/show_mem.c: half of the cache, or what the low watermarks do not need of it."""
    low = sum(zone.low for zone in kernel.zones)
    cache = kernel.lruvec.size(ACTIVE_FILE) + kernel.lruvec.size(INACTIVE_FILE)
    return max(free - totalreserve_pages(kernel.zones) + cache - min(cache // 2, low), 0)
