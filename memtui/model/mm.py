"""One address space at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from memtui.model.file_cache import FileCache
    from memtui.model.heap import HeapView
    from memtui.model.pages import Examined
    from memtui.model.vma import Vma


class MmCounters(NamedTuple):
    """The counters of /proc/PID/status, KiB; None: not told (kernel thread, old kernel, not simulated)."""

    vm_peak: int | None = None
    vm_size: int | None = None
    vm_lck: int | None = None
    vm_pin: int | None = None
    vm_hwm: int | None = None
    vm_rss: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    vm_data: int | None = None
    vm_stk: int | None = None
    vm_exe: int | None = None
    vm_lib: int | None = None
    vm_pte: int | None = None
    vm_swap: int | None = None
    hugetlb_pages: int | None = None


NOT_COUNTED = MmCounters()

COUNTER_NAMES: dict[str, str] = {
    "VmPeak": "vm_peak",
    "VmSize": "vm_size",
    "VmLck": "vm_lck",
    "VmPin": "vm_pin",
    "VmHWM": "vm_hwm",
    "VmRSS": "vm_rss",
    "RssAnon": "rss_anon",
    "RssFile": "rss_file",
    "RssShmem": "rss_shmem",
    "VmData": "vm_data",
    "VmStk": "vm_stk",
    "VmExe": "vm_exe",
    "VmLib": "vm_lib",
    "VmPTE": "vm_pte",
    "VmSwap": "vm_swap",
    "HugetlbPages": "hugetlb_pages",
}
"""The kernel's spelling in /proc/PID/status -> the field of `MmCounters`, in the kernel's order."""


@dataclass(frozen=True, slots=True, eq=False)
class MmSnapshot:
    """The address space of the process in focus."""

    pid: int
    comm: str
    vmas: "tuple[Vma, ...]"
    """By ascending address; [vsyscall], which is no VMA of the mm, is last if maps shows it."""
    counters: MmCounters = NOT_COUNTED
    start_brk: int | None = None
    brk: int | None = None
    start_stack: int | None = None
    cmdline: tuple[str, ...] = ()
    exe: str | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be had -> why: keys such as "smaps", "runs", "cmdline", "heap"."""
    read_to: int | None = None
    """What lies from this address on was not looked at yet; None: everything was."""
    labels: Mapping[int, str] = field(default_factory=dict)
    """Start of a VMA that the kernel has no name for -> what is known to be in it: "pymalloc: 3 arenas"."""
    heap: "HeapView | None" = None
    """The allocator's heap; None: nobody asked for it (`ShowHeap`), or unknown["heap"] says why."""
    files: "tuple[FileCache, ...]" = ()
    """What of each mapped file is in the page cache; empty: none is mapped, or unknown["files"]."""
    examined: "Examined | None" = None
    """Pages that were looked at one by one; None: nobody asked (`Examine`), or the address is not mapped any more."""
