"""Where all the memory is: the machine's and the process's figures sorted by kind, KiB."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from memtui.draw.kept import kept_for_same
from memtui.model.address import PAGE_SHIFT
from memtui.model.mm import MmCounters, MmSnapshot
from memtui.model.pages import Residence
from memtui.model.system import SystemSnapshot
from memtui.model.vma import Vma


class Entry(NamedTuple):
    """One kind of memory."""

    name: str
    glyph: str
    role: str
    process: int | None
    """KiB; None: unknown, or `has_process` is false."""
    system: int | None
    has_process: bool = True
    """Whether a process can have a share of it."""


def system_ledger(system: SystemSnapshot, mm: MmSnapshot | None) -> tuple[Entry, ...]:
    """Kinds whose system figures add up to MemTotal; the last is what no counter tells.

    AnonPages, Cached + Buffers - Shmem, Shmem, Slab, PageTables + SecPageTables, KernelStack + Percpu, Hugetlb and
    MemFree name disjoint pages (fs/proc/meminfo.c, 6.18). The swap cache is counted in AnonPages while it is mapped
    and otherwise part of the rest, with what drivers and the kernel's own allocations hold.
    """
    counters = process_counters(mm)
    entries = [
        Entry("anon", "█", "residence.anon", counters.rss_anon, system.anon),
        Entry("page cache", "▓", "residence.page_cache", counters.rss_file, system.page_cache),
        Entry("shmem", "▒", "residence.shmem", counters.rss_shmem, system.shmem),
        Entry(
            "page tables", "━", "bar.page_tables", counters.vm_pte, _sum(system.meminfo, "PageTables", "SecPageTables")
        ),
        Entry("slab", "━", "bar.slab", None, system.meminfo.get("Slab"), has_process=False),
        Entry("kernel", "━", "bar.kernel", None, _sum(system.meminfo, "KernelStack", "Percpu"), has_process=False),
    ]
    if system.meminfo.get("Hugetlb"):
        entries.append(Entry("huge pages", "━", "bar.hugetlb", counters.hugetlb_pages, system.meminfo["Hugetlb"]))
    entries.append(Entry("free", "─", "bar.free", None, system.meminfo.get("MemFree"), has_process=False))
    entries.append(Entry("the rest", "━", "bar.rest", None, _rest(system, entries), has_process=False))
    return tuple(entries)


def process_counters(mm: MmSnapshot | None) -> MmCounters:
    """The counters; where the kernel does not tell them apart (before 4.5), sums over the pages if all are known."""
    if mm is None:
        return MmCounters()
    counters = mm.counters
    if counters.rss_anon is not None or any(vma.runs is None for vma in mm.vmas):
        return counters
    pages = dict.fromkeys(Residence, 0)
    for vma in mm.vmas:
        for run in vma.runs or ():
            pages[run.residence] += run.pages
    kib = {residence: count << PAGE_SHIFT - 10 for residence, count in pages.items()}
    return counters._replace(
        rss_anon=kib[Residence.ANON],
        rss_file=kib[Residence.PAGE_CACHE],
        rss_shmem=kib[Residence.SHMEM],
        vm_swap=kib[Residence.SWAPPED] if counters.vm_swap is None else counters.vm_swap,
    )


_ATTRIBUTES: Final = {
    "dirty": ("private_dirty", "shared_dirty"),
    "shared": ("shared_clean", "shared_dirty"),
    "huge": ("anon_huge_pages", "shmem_pmd_mapped", "file_pmd_mapped"),
    "locked": ("locked",),
    "referenced": ("referenced",),
}
"""What is told of a process's memory -> the lines of smaps that add up to it."""


def process_attributes(mm: MmSnapshot) -> dict[str, int] | None:
    """KiB of the process's memory that are dirty, shared, ...; None: not every VMA was measured. O(VMAs)."""
    return _attributes(mm.vmas)


@kept_for_same
def _attributes(vmas: tuple[Vma, ...]) -> dict[str, int] | None:
    blocks = [vma.smaps for vma in vmas]
    if not blocks or None in blocks:
        return None
    sums = {}
    for name, fields in _ATTRIBUTES.items():
        figures = [getattr(block, field) for block in blocks for field in fields]
        if None not in figures:
            sums[name] = sum(figures)
    return sums


def _sum(meminfo: Mapping[str, int], first: str, *others: str) -> int | None:
    """The first figure, which must be there, and those of the others that this kernel has."""
    base = meminfo.get(first)
    return None if base is None else base + sum(meminfo.get(name, 0) for name in others)


def _rest(system: SystemSnapshot, entries: list[Entry]) -> int | None:
    total = system.meminfo.get("MemTotal")
    figures = [entry.system for entry in entries]
    if total is None or None in figures:
        return None
    return total - sum(figure or 0 for figure in figures)
