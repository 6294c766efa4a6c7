"""The search for room before 3.8, with a memory of its own: arch_get_unmapped_area_topdown() of 2.6.32.

Models arch/x86/kernel/sys_x86_64.c and arch_unmap_area_topdown() (mm/mmap.c, 2.6.32). The search starts below the
place that the last one found, not at the highest hole, and walks VMA by VMA as that kernel did: linear in their number.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtui.sim.kernel.mm import Mm


def search(mm: "Mm", length: int) -> int | None:
    """A place for `length` bytes, remembered for the next search; None if there is none below mmap_base."""
    if mm.free_area_cache is None:
        mm.free_area_cache = mm.mmap_base
    if length <= mm.cached_hole_size:
        mm.cached_hole_size = 0
        mm.free_area_cache = mm.mmap_base
    below = mm.free_area_cache - length
    if below > 0 and _is_free(mm, below, length):
        mm.free_area_cache = below
        mm.note("right below the mapping made last (free_area_cache)")
        return below
    return _walk_down(mm, length)


def _walk_down(mm: "Mm", length: int) -> int | None:
    """The highest place that fits, noting the largest hole that was passed over."""
    address = mm.mmap_base - length
    while address > 0:
        vma = mm.tree.find(address)
        if vma is None or address + length <= vma.start:
            mm.free_area_cache = address
            mm.note("the highest free range that is large enough; the next search goes on below it (free_area_cache)")
            return address
        mm.cached_hole_size = max(mm.cached_hole_size, vma.start - address)
        address = vma.start - length
    return None


def forget(mm: "Mm") -> None:
    """The search failed: the next one starts at the top again."""
    mm.free_area_cache = mm.mmap_base
    mm.cached_hole_size = (1 << 64) - 1


def unmapped(mm: "Mm", end: int) -> None:
    """arch_unmap_area_topdown(): what was unmapped above the cached place lifts it to the VMA that follows.

    Args:
        mm: the address space, which no longer has the VMAs.
        end: first byte behind them.
    """
    if mm.free_area_cache is not None:
        following = mm.tree.find(end)
        above = mm.mmap_base if following is None else following.start
        mm.free_area_cache = min(max(mm.free_area_cache, above), mm.mmap_base)


def _is_free(mm: "Mm", address: int, length: int) -> bool:
    vma = mm.tree.find(address)
    return vma is None or address + length <= vma.start
