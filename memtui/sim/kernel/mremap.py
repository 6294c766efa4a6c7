"""Models mm/mremap.c (6.18)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_up
from memtui.sim.kernel import hugetlb, mremap_move
from memtui.sim.kernel.gup import populate
from memtui.sim.kernel.limits import check_expand, may_lock
from memtui.sim.kernel.mman import MAP_FIXED, MAP_SHARED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from memtui.sim.kernel.munmap import do_munmap
from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.overcommit import acct_memory, unacct_memory
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.kernel.vm_flags import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SEALED,
    VM_SHARED,
)
from memtui.sim.kernel.vma import Joined, Vma
from memtui.sim.kernel.vma_merge import merge_new

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

_WORD: Final = (1 << 64) - 1
_KNOWN: Final = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP


@dataclass(slots=True)
class Remap:
    """One request (struct vma_remap_struct); addresses and lengths in bytes, lengths whole pages."""

    addr: int
    old_len: int
    new_len: int
    flags: int
    new_addr: int
    cut_off: int = 0
    """What was unmapped behind the new length before the move."""

    @property
    def implies_new_addr(self) -> bool:
        """Whether it moves for certain."""
        return bool(self.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))

    @property
    def grows_by(self) -> int:
        """Bytes; negative when it shrinks."""
        return self.new_len - self.old_len


@system_call
def sys_mremap(
    kernel: "Kernel", task: "Task", addr: int, old_len: int, new_len: int, flags: int, new_addr: int = 0
) -> int:
    """mremap(2): the address of the mapping after the call."""
    request = Remap(addr, page_up(old_len) & _WORD, page_up(new_len) & _WORD, flags, new_addr)
    _check_arguments(kernel, request)
    if request.implies_new_addr and task.mm.map_count + 2 >= kernel.sysctl["max_map_count"] - 3:
        raise Errno("ENOMEM", "too close to vm.max_map_count to move")
    multi = kernel.profile.mremap_multi_vma
    if multi and flags & MREMAP_FIXED and request.old_len == request.new_len:
        return _move_all(kernel, task, request)
    vma = task.mm.tree.at(addr)
    expands = _prepare(kernel, task, request, vma)
    assert vma is not None  # or _prepare() had refused
    populates = expands and bool(vma.flags & VM_LOCKED) and request.new_len != request.old_len
    added = request.grows_by
    old_len = request.old_len
    place = _move_to(kernel, task, request) if request.implies_new_addr else _resize(kernel, task, request, vma)
    if populates and added > 0:
        populate(kernel, task, place + old_len, place + old_len + added, ignore_errors=True)
    return place


def _check_arguments(kernel: "Kernel", request: Remap) -> None:
    """check_mremap_params()."""
    flags = request.flags
    if flags & ~_KNOWN or (flags & MREMAP_DONTUNMAP and not kernel.profile.dontunmap):
        raise Errno("EINVAL", "an unknown flag")
    if request.addr % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    if not request.new_len:
        raise Errno("EINVAL", "the new length is 0")
    if request.new_len > TASK_SIZE:
        raise Errno("EINVAL", "longer than the user address space")
    if request.implies_new_addr:
        _check_target(request)


def _check_target(request: Remap) -> None:
    if request.new_addr > TASK_SIZE - request.new_len:
        raise Errno("EINVAL", "the new range leaves the user address space")
    if request.new_addr % PAGE_SIZE:
        raise Errno("EINVAL", "the new address is not a multiple of the page size")
    if not request.flags & MREMAP_MAYMOVE:
        raise Errno("EINVAL", "a new address without MREMAP_MAYMOVE")
    if request.flags & MREMAP_DONTUNMAP and request.grows_by:
        raise Errno("EINVAL", "MREMAP_DONTUNMAP cannot change the length")
    old_end, new_end = request.addr + request.old_len, request.new_addr + request.new_len
    if old_end > request.new_addr and new_end > request.addr:
        raise Errno("EINVAL", "old and new range overlap")


def _prepare(kernel: "Kernel", task: "Task", request: Remap, vma: Vma | None) -> bool:
    """check_prep_vma(): whether the VMA can be resized or moved so; True if it needs new room.

    Raises:
        Errno: EFAULT, EPERM, EINVAL, EAGAIN, ENOMEM.
    """
    if vma is None:
        raise Errno("EFAULT", "nothing is mapped at the address")
    if vma.flags & VM_SEALED:
        raise Errno("EPERM", "the mapping is sealed")
    if vma.file is not None and vma.file.inode.huge_shift:
        _align_hugetlb(request, vma.file.inode.huge_shift)
    if request.grows_by <= 0 and not request.implies_new_addr:
        return False
    if not request.old_len and not vma.flags & (VM_SHARED | VM_MAYSHARE):
        raise Errno("EINVAL", "an old length of 0 duplicates, which only shared mappings can")
    if request.flags & MREMAP_DONTUNMAP:
        _check_dontunmap(kernel, vma)
    old_len = min(request.old_len, request.new_len)
    if old_len > vma.end - request.addr:
        raise Errno("EFAULT", "the old range crosses the end of the VMA")
    if request.new_len != old_len:
        _check_growth(task, request, vma)
    return True


def _align_hugetlb(request: Remap, shift: int) -> None:
    """align_hugetlb(): lengths in whole huge pages."""
    request.old_len, request.new_len = (hugetlb.align(length, shift) for length in (request.old_len, request.new_len))
    if (request.addr | request.new_addr) % (1 << shift) or request.grows_by > 0:
        raise Errno("EINVAL", "huge pages move whole, and their mapping cannot grow")


def _check_dontunmap(kernel: "Kernel", vma: Vma) -> None:
    if vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise Errno("EINVAL", "MREMAP_DONTUNMAP of a special mapping")
    if not kernel.profile.dontunmap_any and not (vma.anonymous and not vma.flags & VM_SHARED):
        raise Errno("EINVAL", f"Linux {kernel.profile.name} has MREMAP_DONTUNMAP only for private anonymous memory")


def _check_growth(task: "Task", request: Remap, vma: Vma) -> None:
    added = request.grows_by
    if vma.pgoff_at(request.addr) + (request.new_len >> PAGE_SHIFT) > _WORD:
        raise Errno("EINVAL", "the offset would wrap")
    if vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise Errno("EFAULT", "a special mapping cannot grow")
    if not may_lock(task, vma.flags & VM_LOCKED, added):
        raise Errno("EAGAIN", "RLIMIT_MEMLOCK: too much would be locked")
    check_expand(task, vma.flags, added >> PAGE_SHIFT)


def _resize(kernel: "Kernel", task: "Task", request: Remap, vma: Vma) -> int:
    """mremap_at(): in place if possible."""
    mm = task.mm
    if not request.grows_by:
        mm.note("the same length: nothing to do")
        return request.addr
    if request.grows_by < 0:
        do_munmap(kernel, mm, request.addr + request.new_len, -request.grows_by)
        mm.note("shrunk in place")
        return request.addr
    if vma.end - request.addr == request.old_len and _room_above(kernel, task, vma, request.grows_by):
        _expand_in_place(kernel, task, vma, request.grows_by)
        return request.addr
    if not request.flags & MREMAP_MAYMOVE:
        raise Errno("ENOMEM", "it cannot grow in place, and MREMAP_MAYMOVE is not given")
    request.new_addr = _new_address(kernel, task, request, vma)
    return mremap_move.move_vma(kernel, task, request, vma)


def _room_above(kernel: "Kernel", task: "Task", vma: Vma, added: int) -> bool:
    """vma_expandable()."""
    end = vma.end + added
    if task.mm.tree.intersection(vma.end, end):
        return False
    try:
        get_unmapped_area(kernel, task, Wanted(vma.start, end - vma.start, MAP_FIXED))
    except Errno:
        return False
    return True


def _expand_in_place(kernel: "Kernel", task: "Task", vma: Vma, added: int) -> None:
    mm, pages = task.mm, added >> PAGE_SHIFT
    if vma.flags & VM_ACCOUNT:
        acct_memory(kernel, task, mm, pages)
    new = Joined(vma.end, vma.end + added, vma.flags, vma.pgoff_at(vma.end), vma.file, vma.anon_vma)
    grown = merge_new(kernel, mm, new)
    if grown is None:
        if vma.flags & VM_ACCOUNT:
            unacct_memory(kernel, pages)
        raise Errno("ENOMEM", "the VMA cannot grow")
    mm.account(grown.flags, pages)
    if grown.flags & VM_LOCKED:
        mm.locked_vm += pages


def _new_address(kernel: "Kernel", task: "Task", request: Remap, vma: Vma) -> int:
    """vrm_set_new_addr()."""
    flags = (MAP_FIXED if request.flags & MREMAP_FIXED else 0) | (MAP_SHARED if vma.flags & VM_MAYSHARE else 0)
    hint = request.new_addr if request.implies_new_addr else 0
    return get_unmapped_area(kernel, task, Wanted(hint, request.new_len, flags, vma.file, vma.pgoff_at(request.addr)))


def _move_to(kernel: "Kernel", task: "Task", request: Remap) -> int:
    """mremap_to(): to the address that is asked for, or near it."""
    mm = task.mm
    if request.flags & MREMAP_FIXED:
        do_munmap(kernel, mm, request.new_addr, request.new_len)
    if request.grows_by < 0:
        request.cut_off = -request.grows_by
        do_munmap(kernel, mm, request.addr + request.new_len, request.cut_off)
        request.old_len = request.new_len
    vma = mm.tree.at(request.addr)
    if vma is None:
        raise Errno("EFAULT", "nothing is mapped at the address any more")
    if request.flags & MREMAP_DONTUNMAP:
        check_expand(task, vma.flags, request.old_len >> PAGE_SHIFT)
    request.new_addr = _new_address(kernel, task, request, vma)
    return mremap_move.move_vma(kernel, task, request, vma)


def _moves_alone(vma: Vma) -> bool:
    """vma_multi_allowed(): such a file may put it elsewhere than MREMAP_FIXED says."""
    return vma.file is not None and vma.file.odd_address_hook and not vma.flags & VM_HUGETLB


def _move_all(kernel: "Kernel", task: "Task", request: Remap) -> int:
    """remap_move(): every VMA of the range, the holes between them kept."""
    mm, start, end = task.mm, request.addr, request.addr + request.old_len
    result, target, last_end = 0, request.new_addr, None
    at = start
    while at < end and (vma := mm.tree.find(at)) is not None and vma.start < end:
        if last_end is None and vma.start > start:
            raise Errno("EFAULT", "nothing is mapped at the address")
        here = max(vma.start, start)
        length = min(end, vma.end) - here
        offset = 0 if last_end is None else vma.start - last_end
        if _moves_alone(vma) and (last_end is not None or vma.end < end):
            raise Errno("EFAULT", "a mapping with an address hook of its own moves only alone")
        part = Remap(here, length, length, request.flags, target + offset)
        _prepare(kernel, task, part, vma)
        place = _move_to(kernel, task, part)
        if last_end is None:
            result = place
        last_end = vma.end
        target = place + length
        at = vma.end
    if last_end is None:
        raise Errno("EFAULT", "nothing is mapped at the address")
    return result
