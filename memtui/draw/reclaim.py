"""What of a process's memory reclaim could take, and at which price."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from memtui.draw.kept import kept_for_same
from memtui.draw.sizes import kib, pages_size, plural
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma

MANY: Final = 2000
"""VMAs from which on looking at each of them would hold up the screen."""
_TO_SWAP: Final = frozenset({Residence.ANON, Residence.SHMEM})


class Reclaimable(NamedTuple):
    """Pages in RAM, sorted by what has to happen before they are free."""

    clean: int = 0
    """Page cache that is dropped at once; the file has the same bytes."""
    dirty: int = 0
    """Page cache that is written to its file first."""
    untold: int = 0
    """Page cache that may be either: the kernel does not tell."""
    to_swap: int = 0
    """Anon and shmem."""
    locked: int = 0
    """By mlock: not at all."""
    unmeasured: int = 0
    """VMAs whose pages are not known."""

    def plus(self, other: "Reclaimable", sign: int = 1) -> "Reclaimable":
        """The sum of both (1), or what is left of this without the other (-1)."""
        if other is NOTHING:
            return self
        return Reclaimable(*(one + sign * two for one, two in zip(self, other, strict=True)))

    def sentence(self, swap: int | None = None) -> str:
        """In words, for the screen.

        Args:
            swap: SwapTotal, KiB; 0: there is none.
        """
        parts = [
            (self.clean, "at once (clean cache)"),
            (self.untold, "if clean (page cache)"),
            (self.dirty, "after writing (dirty cache)"),
            (self.to_swap, "only to swap: there is none" if swap == 0 else "only to swap (anon, shmem)"),
            (self.locked, "never (locked)"),
        ]
        words = [f"{pages_size(pages)} {how}" for pages, how in parts if pages]
        if self.unmeasured:
            words.append(f"{plural(self.unmeasured, 'VMA')} {'is' if self.unmeasured == 1 else 'are'} not measured")
        return "; ".join(words) or "nothing: no page of it is in memory"


NOTHING: Final = Reclaimable()
_UNMEASURED: Final = Reclaimable(unmeasured=1)


def reclaimable(vmas: Iterable[Vma]) -> Reclaimable:
    """The sum over VMAs; O(VMAs + runs)."""
    total = NOTHING
    for vma in vmas:
        total = total.plus(reclaimable_of_vma(vma))
    return total


def reclaimable_of_vma(vma: Vma) -> Reclaimable:
    """Of one VMA.

    Whether a page of a file is dirty comes from its run, else from the VMA's smaps block: of Rss less Anonymous,
    what is Dirty and not Anonymous has to be written first.
    """
    if not vma.runs:
        return _UNMEASURED if vma.runs is None else NOTHING
    cached = swappable = 0
    cache = []
    for run in vma.runs:
        if run.residence is Residence.PAGE_CACHE:
            cached += run.pages
            cache.append(run)
        elif run.residence in _TO_SWAP:
            swappable += run.pages
    if vma.vm_flags is not None and "lo" in vma.vm_flags:
        return Reclaimable(locked=cached + swappable)
    if not cached:
        return Reclaimable(to_swap=swappable)
    waiting = _dirty(vma, cache)
    if waiting is None:
        return Reclaimable(untold=cached, to_swap=swappable)
    waiting = min(waiting, cached)
    return Reclaimable(clean=cached - waiting, dirty=waiting, to_swap=swappable)


_reclaimable: Final = kept_for_same(reclaimable)


def reclaimable_sentence(mm: MmSnapshot, swap: int | None) -> str:
    """Of a whole process, in words for the screen.

    Of one with very many VMAs by its counters, which tell neither clean from dirty nor what of it is locked.

    Args:
        mm: its address space.
        swap: SwapTotal, KiB; 0: there is none.
    """
    counters = mm.counters
    anon, file, shmem = counters.rss_anon, counters.rss_file, counters.rss_shmem
    few = len(mm.vmas) <= MANY and mm.read_to is None
    if few or anon is None or file is None or shmem is None:
        return _reclaimable(mm.vmas).sentence(swap)
    words = Reclaimable(untold=file >> 2, to_swap=(anon + shmem) >> 2).sentence(swap)
    if counters.vm_lck:
        words += f"; of all this up to {kib(counters.vm_lck)} never (locked)"
    return f"{words}; u looks at each VMA"


def _dirty(vma: Vma, cache: Iterable[PageRun]) -> int | None:
    """Dirty pages of the page cache that the VMA maps; None: not told."""
    runs = list(cache)
    if all(run.dirty is not None for run in runs):
        return sum(run.pages for run in runs if run.dirty)
    smaps = vma.smaps
    if smaps is None or smaps.shared_dirty is None or smaps.private_dirty is None or smaps.anonymous is None:
        return None
    return max(smaps.shared_dirty + smaps.private_dirty - smaps.anonymous, 0) >> 2
