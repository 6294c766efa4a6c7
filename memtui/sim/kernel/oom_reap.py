"""Models the OOM reaper (__oom_reap_task_mm() of mm/oom_kill.c, 6.18): what a victim gives before it exits."""

from typing import TYPE_CHECKING, NamedTuple

from memtui.sim.kernel.page_leaf import ANON, LAZY
from memtui.sim.kernel.vm_flags import VM_HUGETLB, VM_LOCKED, VM_PFNMAP, VM_SHARED

if TYPE_CHECKING:
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.profile import Profile
    from memtui.sim.kernel.vma import Vma


class Reap(NamedTuple):
    """Pages of a victim."""

    freed: int
    """Free again as soon as the reaper ran: anonymous, and in no other address space."""
    left: int
    """Anonymous and in no other address space too, but only exit frees them."""
    tables: int
    """Page tables, which only exit frees."""


def reap(profile: "Profile", mm: "Mm") -> Reap:
    """What the reaper would take of an address space as it stands. O(page runs)."""
    freed = left = 0
    for vma in mm.tree:
        alone = sum(mark.pages for mark in mm.pages.marks(vma.start, vma.end) if mark.state in (ANON, LAZY))
        if _skipped(profile, vma):
            left += alone
        else:
            freed += alone
    return Reap(freed, left, mm.pages.tables)


def _skipped(profile: "Profile", vma: "Vma") -> bool:
    if vma.flags & (VM_HUGETLB | VM_PFNMAP) or (vma.flags & VM_LOCKED and not profile.reaps_mlocked):
        return True
    return not vma.anonymous and bool(vma.flags & VM_SHARED)


def told(profile: "Profile", mm: "Mm") -> str:
    """The same for the note behind a kill."""
    if not profile.oom_reaper:
        return "all it has is free only when it exits: this kernel has no OOM reaper"
    done = reap(profile, mm)
    when = "if it does not exit within 2 s" if profile.reaps_mlocked else "at once"
    left = f"{done.left:,} locked pages and " if done.left else ""
    return (
        f"{when} the OOM reaper frees {done.freed:,} pages (anonymous, in no other process); "
        f"only exit frees {left}{done.tables:,} page tables"
    )
