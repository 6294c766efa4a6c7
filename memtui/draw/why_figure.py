"""The why of a figure of the machine or of the process: where it comes from, and what makes it smaller."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from memtui.draw.answer import Answer
from memtui.draw.ledger import system_ledger
from memtui.draw.lines import Lines
from memtui.draw.sizes import kib, of, pages_size
from memtui.model.snapshot import Snapshot
from memtui.model.system import Zone


class _Text(NamedTuple):
    """What can be said of a figure of this name."""

    what: str
    source: str
    frees: str


_TEXTS: Final = {
    "anon": _Text(
        "heap, bss, stacks, private pages of files after a write: no file has the same bytes",
        "RssAnon of /proc/PID/status; AnonPages of /proc/meminfo",
        "swap, if there is any left; MADV_DONTNEED, munmap, exit. Reclaim cannot drop it",
    ),
    "page cache": _Text(
        "pages of files: what was read, written or mapped stays in RAM until the memory is needed elsewhere",
        "RssFile of /proc/PID/status: what this process maps; Cached + Buffers - Shmem of /proc/meminfo",
        "reclaim and drop_caches 1 drop clean pages at once; dirty ones are written first. Closing the file frees none",
    ),
    "shmem": _Text(
        "tmpfs, shared anonymous, SysV and POSIX shared memory, memfd: page cache without a file on a disk",
        "RssShmem of /proc/PID/status; Shmem of /proc/meminfo, which counts it in Cached too",
        "swap; or the object's end: unlink and last close, IPC_RMID and last detach. drop_caches never",
    ),
    "page tables": _Text(
        "one page for each 2 MiB of address space that was touched, and the levels above",
        "VmPTE of /proc/PID/status; PageTables + SecPageTables of /proc/meminfo",
        "munmap of the whole range, exit. They count in the points of the OOM killer",
    ),
    "slab": _Text(
        "the kernel's own objects: inodes, dentries, VMAs, sockets",
        "Slab of /proc/meminfo: SReclaimable + SUnreclaim",
        "shrinkers take some of SReclaimable under pressure; drop_caches 2 asks them at once",
    ),
    "kernel": _Text(
        "the stacks of threads inside the kernel, and per-CPU data",
        "KernelStack + Percpu of /proc/meminfo",
        "the end of threads",
    ),
    "huge pages": _Text(
        "set aside for hugetlbfs, whether it is used or not",
        "Hugetlb of /proc/meminfo",
        "vm.nr_hugepages, as far as they are not in use",
    ),
    "free": _Text(
        "nothing is in it. A running machine keeps little free on purpose: page cache is the better use",
        "MemFree of /proc/meminfo. MemAvailable says what a new program could have",
        "nothing to free: allocations take it until a zone falls below low, which wakes kswapd",
    ),
    "the rest": _Text(
        "MemTotal less all that is above: what drivers and the kernel allocate without a counter",
        "no counter; the difference",
        "unknown: whoever allocated it has to free it",
    ),
    "total": _Text(
        "of the process what it has in RAM (RSS); of the machine the RAM that the kernel manages",
        "VmRSS of /proc/PID/status; MemTotal of /proc/meminfo",
        "the sum of the lines above",
    ),
    "swapped": _Text(
        "pages that reclaim wrote to swap: they come back at the next access, by a major fault",
        "VmSwap of /proc/PID/status; SwapTotal - SwapFree of /proc/meminfo",
        "swap-in, munmap, exit, swapoff",
    ),
    "reclaimable": _Text(
        "what of the process's RAM reclaim could take, by what has to happen first",
        "counted over the pages of its VMAs; dirty by page or by smaps",
        "pressure (kswapd, direct reclaim), memory.reclaim of its cgroup, MADV_PAGEOUT",
    ),
    "active": _Text(
        "pages that were used again after they came in: the second half of the LRU lists",
        "Active(anon), Active(file) of /proc/meminfo",
        "reclaim moves them to the inactive list when that gets too short (shrink_active_list, mm/vmscan.c)",
    ),
    "inactive": _Text(
        "where reclaim takes pages from, at the old end",
        "Inactive(anon), Inactive(file) of /proc/meminfo",
        "shrink_inactive_list (mm/vmscan.c): clean file pages first and cheapest",
    ),
    "to write": _Text(
        "dirty: newer than on the disk; writeback: on its way there",
        "Dirty, Writeback of /proc/meminfo",
        "sync, fsync, or the flusher threads after vm.dirty_expire_centisecs or above vm.dirty_background_ratio",
    ),
    "commit": _Text(
        "what all processes were promised and could touch without asking again: private writable and shared anonymous",
        "Committed_AS against CommitLimit of /proc/meminfo",
        "munmap, exit. Only mode 2 enforces the limit. (__vm_enough_memory, mm/util.c)",
    ),
    "process": _Text(
        "sums over its VMAs. dirty: anonymous, or newer than the file; shared: mapped by others too; huge: in pages of "
        "2 MiB; referenced: used lately",
        "/proc/PID/smaps: Shared and Private, Clean and Dirty, Anon-, Shmem-, FilePmdMapped and hugetlb, Locked, "
        "Referenced",
        "nothing by itself; u looks at each kind and each VMA",
    ),
    "limit": _Text(
        "what the tasks of a memory cgroup, the page cache that they brought in and the kernel's own for them may take "
        "together: that of the process, or the one above it with less room left",
        "memory.current, memory.max of the cgroup; v1: memory.usage_in_bytes, memory.limit_in_bytes",
        "reclaim among its own pages; where that is not enough the OOM killer takes one of its own tasks, whoever is "
        "larger elsewhere: D in the OOM ranking ranks those alone",
    ),
    "promised": _Text(
        "what all processes were promised and could touch without asking again",
        "Committed_AS against CommitLimit of /proc/meminfo",
        "munmap, exit. Only mode 2 enforces the limit. (__vm_enough_memory, mm/util.c)",
    ),
    "mode": _Text(
        "how the kernel answers a request for address space that it may not have the pages for",
        "vm.overcommit_memory",
        "echo 0, 1 or 2 > /proc/sys/vm/overcommit_memory",
    ),
    "file": _Text(
        "the LRU lists of page cache: active ones were used more than once",
        "Active(file), Inactive(file) of /proc/meminfo",
        "reclaim, from the old end of the inactive list",
    ),
    "unevictable": _Text(
        "pages that reclaim does not even look at: mlock, ramfs, SHM_LOCK",
        "Unevictable of /proc/meminfo",
        "munlock, munmap, exit",
    ),
    "kswapd": _Text(
        "the thread that reclaims beside the programs, from low until high",
        "pgscan_kswapd, pgsteal_kswapd of /proc/vmstat",
        "taken/scanned is its efficiency: a low share means that what it meets is in use or dirty",
    ),
    "direct": _Text(
        "reclaim by whoever allocates, because a zone is below min: that program waits",
        "pgscan_direct, pgsteal_direct of /proc/vmstat",
        "if it rises, kswapd is too slow: raise vm.watermark_scale_factor, or need less",
    ),
    "refaults": _Text(
        "pages that were read again soon after they were taken: the working set does not fit",
        "workingset_refault_file, workingset_refault_anon of /proc/vmstat",
        "more RAM or less work; a refaulted page goes to the active list at once (mm/workingset.c)",
    ),
    "OOM kills": _Text(
        "how often nothing could be reclaimed and a process had to die",
        "oom_kill of /proc/vmstat",
        "nothing: it counts since boot",
    ),
    "mapped": _Text(
        "page cache and shmem that stand in the page tables of some process; only unmapped pages go at once",
        "Mapped of /proc/meminfo",
        "munmap, exit; reclaim unmaps cold pages itself (try_to_unmap, mm/rmap.c)",
    ),
    "drop_caches": _Text(
        "what writing to it would free: 1 page cache, 2 dentries and inodes, 3 both. An estimate from below to above",
        "Cached + Buffers - Shmem - Dirty - Writeback, less what of Mapped is files'; SReclaimable",
        "sync first: dirty pages stay. It is meant for tests; what is dropped has to be read again",
    ),
    "not in them": _Text(
        "MemTotal less what the zones manage: a machine whose memory comes and goes (a balloon, hot-plug)",
        "managed of /proc/zoneinfo against MemTotal of /proc/meminfo",
        "whoever gave it to the machine decides",
    ),
    "approximate": _Text(
        "where a simulation follows the kernel's rules, but not to the page",
        "the simulator",
        "nothing to free",
    ),
    "swap": _Text(
        "where anon and shmem can go",
        "/proc/swaps",
        "swapoff, which needs room in RAM for all of it",
    ),
    "slots": _Text(
        "the pages' places on the swap device; a swap entry in a page table names one",
        "the simulator; on a running kernel each CPU fills a cluster of its own, so the numbers are approximate",
        "swap-in by a write, munmap, exit; after a read only once swap is over half full (vm_swap_full)",
    ),
    "swap cache": _Text(
        "pages in memory with a slot: just written out, read ahead (vm.page-cluster), or back and not written since",
        "SwapCached of /proc/meminfo",
        "reclaim drops what is clean without writing it again; what is written to, or unmapped, gives up its slot",
    ),
    "pressure": _Text(
        "the share of time in which some, or all, tasks waited for memory",
        "/proc/pressure/memory",
        "less demand, or more RAM",
    ),
}
_ALSO: Final = {"mode 0": "mode", "mode 1": "mode", "mode 2": "mode"}
MEANINGS: Final = {name: text.what for name, text in _TEXTS.items()}
"""Figure of the ledger or of the machine -> what it is."""


def figure_answer(lines: Lines, row: int, snapshot: Snapshot) -> Answer | None:
    """Why the figure in a row is what it is.

    Args:
        lines: rows of fields, each with its name in role "key"; a row without one goes on with the field above.
        row: which.
        snapshot: the figures.
    """
    name = figure_name(lines, row)
    zone = next((zone for zone in snapshot.system.zones if zone.name == name), None)
    if zone is not None:
        return Answer(f"zone {name}", tuple(_of_zone(zone)))
    text = _TEXTS.get(_ALSO.get(name, name))
    if text is None:
        return None
    return Answer(name, tuple(_of_figure(name, text, snapshot)))


def figure_name(lines: Lines, row: int) -> str:
    """The name of the field that a row belongs to; "" above the first."""
    for index in range(row, -1, -1):
        names = [run.text.strip() for run in lines.row(index) if run.role == "key"]
        if names and names[0]:
            return names[0].removeprefix("~ ")
    return ""


def _of_figure(name: str, text: _Text, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    yield "is", text.what
    entry = next((entry for entry in system_ledger(snapshot.system, snapshot.mm) if entry.name == name), None)
    total = snapshot.system.meminfo.get("MemTotal")
    if entry is not None:
        yield "now", f"{kib(entry.system)} of the machine, {of(entry.system, total)} of its RAM"
        if entry.has_process:
            yield "", f"{kib(entry.process)} of the process"
    yield "from", text.source
    yield "frees", text.frees
    free = snapshot.system.meminfo.get("SwapFree")
    if name in ("anon", "shmem") and free is not None:
        yield "swap", f"{kib(free)} are free" if free else "none is left: nothing of it goes before its owner does"


def _of_zone(zone: Zone) -> Iterator[tuple[str, str]]:
    yield "is", "a part of physical memory with its own lists of free pages (DMA: the first 16 MiB, DMA32: up to 4 GiB)"
    yield "now", f"{pages_size(zone.free)} of {pages_size(zone.managed)} are free: {_state(zone)}"
    yield (
        "marks",
        (
            f"min {pages_size(zone.min)}, low {pages_size(zone.low)}, high {pages_size(zone.high)}: the zone's share "
            "of vm.min_free_kbytes, and vm.watermark_scale_factor above it"
        ),
    )
    if any(zone.protection):
        kept = max(zone.protection)
        yield "kept", f"up to {pages_size(kept)} from requests that a higher zone could serve (lowmem_reserve)"
    yield "rule", "zone_watermark_ok before each allocation; wakeup_kswapd below low. (mm/page_alloc.c, mm/vmscan.c)"


def _state(zone: Zone) -> str:
    if zone.free < zone.min:
        return "below min, so whoever allocates reclaims first"
    if zone.free < zone.low:
        return "below low, so kswapd works until it is above high"
    if zone.free < zone.high:
        return "below high: kswapd goes on if it was woken, else it sleeps"
    return "above high, so kswapd sleeps"
