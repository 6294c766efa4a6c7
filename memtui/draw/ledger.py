"""Where all the memory is: the machine's and the process's figures sorted by kind, KiB."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from memtui.draw.kept import came_and_went
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
_FIELDS: Final = tuple(dict.fromkeys(field for fields in _ATTRIBUTES.values() for field in fields))
_figures: Final = attrgetter(*_FIELDS)


def process_attributes(mm: MmSnapshot) -> dict[str, int] | None:
    """KiB of the process's memory that are dirty, shared, ...; None: not every VMA was measured. O(changed VMAs)."""
    return _attributes.of(mm.vmas) if mm.read_to is None else None


class _Attributes:
    """Sums of the VMAs of the picture before: of the next one only what is new is added."""

    def __init__(self) -> None:
        self._vmas: tuple[Vma, ...] = ()
        self._measured = 0
        self._sums = [0] * len(_FIELDS)
        self._untold = [0] * len(_FIELDS)
        """How many VMAs have no such figure."""

    def of(self, vmas: tuple[Vma, ...]) -> dict[str, int] | None:
        for vma, sign in came_and_went(self._vmas, vmas):
            if vma.smaps is None:
                continue
            self._measured += sign
            for nth, figure in enumerate(_figures(vma.smaps)):
                if figure is None:
                    self._untold[nth] += sign
                elif figure:
                    self._sums[nth] += sign * figure
        self._vmas = vmas
        if not vmas or self._measured < len(vmas):
            return None
        sums = dict(zip(_FIELDS, zip(self._sums, self._untold, strict=True), strict=True))
        return {
            name: sum(sums[field][0] for field in fields)
            for name, fields in _ATTRIBUTES.items()
            if not any(sums[field][1] for field in fields)
        }


_attributes: Final = _Attributes()


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
