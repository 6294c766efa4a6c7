"""Models move_vma() and move_page_tables() (mm/mremap.c) and copy_vma() (mm/vma.c), 6.18."""

from typing import TYPE_CHECKING

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import huge_folio
from memtui.sim.kernel.mman import MREMAP_DONTUNMAP
from memtui.sim.kernel.munmap import do_munmap
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.overcommit import acct_memory
from memtui.sim.kernel.page_leaf import ANON, FILE, FILE_DIRTY, PMD_SHIFT, SHMEM
from memtui.sim.kernel.page_move import move_page_tables
from memtui.sim.kernel.vm_flags import VM_ACCOUNT, VM_LOCKED, VM_LOCKED_MASK
from memtui.sim.kernel.vma import Joined, Vma
from memtui.sim.kernel.vma_merge import merge_new

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.mremap import Remap
    from memtui.sim.kernel.task import Task


def move_vma(kernel: "Kernel", task: "Task", request: "Remap", vma: Vma) -> int:
    """Copy [addr, addr + old_len) of `vma` to new_addr, move the pages, and unmap the source; the new address.

    Raises:
        Errno: ENOMEM (vm.max_map_count, charge), EINVAL (a part of a special mapping).
    """
    mm = task.mm
    old_end = request.addr + request.old_len
    if mm.map_count >= kernel.sysctl["max_map_count"] - 3:
        raise Errno("ENOMEM", "too close to vm.max_map_count to move")
    if vma.name and (vma.start != request.addr or vma.end != old_end):
        raise Errno("EINVAL", f"{vma.name} cannot be split")
    keep = bool(request.flags & MREMAP_DONTUNMAP)
    moved = request.old_len >> PAGE_SHIFT
    lost = request.cut_off >> PAGE_SHIFT if kernel.profile.mremap_charges_cut_off and vma.flags & VM_ACCOUNT else 0
    if vma.flags & VM_ACCOUNT:
        charge = request.new_len if keep else request.new_len - request.old_len
        acct_memory(kernel, task, mm, (charge >> PAGE_SHIFT) + lost)
    if lost:  # vrm->delta still is what was cut off: nothing is mapped for it, so that nothing gives it back
        kernel.never_uncharged += lost
        mm.note(f"{lost:,} pages that were cut off are charged once more, and for ever (a fault of this kernel's)")
    new = _copy_vma(kernel, mm, request, vma)
    source = mm.tree.at(request.addr)
    new = mm.tree.at(request.new_addr) or new
    move_page_tables(mm, source, new, request.addr, request.new_addr, request.old_len)
    mm.account(vma.flags, request.new_len >> PAGE_SHIFT)
    if vma.flags & VM_LOCKED:
        mm.locked_vm += request.new_len >> PAGE_SHIFT
    if keep:
        _dontunmap(mm, request, vma)
    elif request.old_len:
        peak = mm.hiwater_vm
        if vma.flags & VM_ACCOUNT:
            kernel.committed += moved  # the charge moves along; do_munmap() gives it back
        do_munmap(kernel, mm, request.addr, request.old_len)
        mm.hiwater_vm = peak
    mm.note("moved")
    return request.new_addr


def _copy_vma(kernel: "Kernel", mm: "Mm", request: "Remap", vma: Vma) -> Vma:
    """copy_vma(): the VMA at the new place, merged with its neighbours there if they fit."""
    pgoff = vma.pgoff_at(request.addr)
    if vma.anonymous and not vma.anon_vma:
        pgoff = request.new_addr >> PAGE_SHIFT
    start, end = request.new_addr, request.new_addr + request.new_len
    inherited = vma.fork_child and kernel.profile.mremap_fork_check
    new = Joined(start, end, vma.flags, pgoff, vma.file, vma.anon_vma, inherited)
    merged = merge_new(kernel, mm, new, source=vma)
    if merged is not None:
        return merged
    copy = vma.ranged(start, end, pgoff)
    mm.link(copy)
    return copy


def _leave_mlocked(mm: "Mm", old: Vma) -> None:
    """The flag is taken from the whole VMA, but from none of the pages that are still mapped there.

    A 2 MiB folio that small entries map has not been mlocked since its PMD was split (munlock_vma_folio(), mm/rmap.c).
    """
    for index, low, high in mm.pages.pieces(old.start, old.end):
        leaf, first = mm.pages.own(index), old.pgoff_at(index << PMD_SHIFT)
        unlocked = () if leaf.huge else huge_folio.entries(leaf, low, high)
        for entry in range(low, high):
            if leaf.state[entry] == ANON and entry not in unlocked:
                leaf.mlocked.add(entry)
            elif old.file is not None and leaf.state[entry] in (FILE, FILE_DIRTY, SHMEM):
                old.file.inode.mlocked.add(first + entry)


def _dontunmap(mm: "Mm", request: "Remap", vma: Vma) -> None:
    """dontunmap_complete(): the old VMA stays, empty and unlocked."""
    old = mm.tree.at(request.addr)
    assert old is not None
    merged = old.start <= request.new_addr < old.end
    whole = old.start == request.addr and old.end == request.addr + request.old_len
    if old.flags & VM_LOCKED:
        _leave_mlocked(mm, old)
    left = old.flagged(old.flags & ~VM_LOCKED_MASK)
    if whole and not merged:
        left = left.with_anon(0, 0)
    mm.update(old, left)
