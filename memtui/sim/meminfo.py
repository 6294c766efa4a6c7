"""Models fs/proc/meminfo.c (6.18), as far as a simulated machine has what is counted there."""

from collections.abc import Callable, Iterable

from memtui.sim.kernel.fs import OpenFile
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.overcommit import commit_limit
from memtui.sim.kernel.vmstat import free_pages, mapped_files, page_states


def meminfo(kernel: Kernel, files_of: Callable[[Mm], Iterable[OpenFile]] = mapped_files) -> dict[str, int]:
    """The kernel's spelling -> KiB; what is not simulated is not there.

    MemFree is missing when more is allocated than there is: reclaim is not simulated.

    Args:
        kernel: whose memory it is.
        files_of: tells the open files that an address space maps.
    """
    states = page_states(kernel, files_of)
    pages = {
        "MemTotal": kernel.totalram_pages,
        "MemFree": free_pages(kernel, states),
        "Buffers": 0,
        "Cached": states.file,
        "SwapTotal": kernel.total_swap_pages,
        "SwapFree": kernel.total_swap_pages - states.swapped,
        "AnonPages": states.anon,
        "Shmem": states.shmem,
        "PageTables": states.tables,
        "CommitLimit": commit_limit(kernel),
        "Committed_AS": kernel.committed,
    }
    if pages["MemFree"] < 0:
        del pages["MemFree"]
    return {name: count * 4 for name, count in pages.items()}
