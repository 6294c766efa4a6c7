"""Where a mapping goes: get_unmapped_area() and the searches behind it.

Models mm/mmap.c, mm/vma.c, mm/huge_memory.c, arch/x86/kernel/sys_x86_64.c (6.18).
"""

from errno import errorcode
from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.model.address import PAGE_SIZE, PMD_SIZE, TASK_SIZE, page_down, page_up
from memtui.sim.kernel import free_area_cache, hugetlb
from memtui.sim.kernel.mman import MAP_32BIT, MAP_ABOVE4G, MAP_FIXED, MAP_SHARED
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import CAP_SYS_RAWIO
from memtui.sim.kernel.vm_flags import VM_GROWSDOWN
from memtui.sim.kernel.vma import gap_start

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

TASK_UNMAPPED_BASE: Final = page_up(TASK_SIZE // 3)
"""Where searches from below start: 0x2aaaaaaab000."""
FLOOR_32BIT: Final = 0x4000_0000
CEILING_32BIT: Final = 0x8000_0000
_4GIB: Final = 1 << 32
WORD: Final = 1 << 64
MAX_ERRNO: Final = 4095


class Wanted(NamedTuple):
    """What is searched for."""

    addr: int
    """The hint, or the address that MAP_FIXED demands; bytes."""
    length: int
    """Whole pages, bytes."""
    flags: int = 0
    """MAP_*."""
    file: "OpenFile | None" = None
    pgoff: int = 0


def get_unmapped_area(kernel: "Kernel", task: "Task", wanted: Wanted) -> int:
    """The address for a mapping.

    Raises:
        Errno: ENOMEM (no room), EINVAL (MAP_FIXED at no page boundary), EPERM (below vm.mmap_min_addr).
    """
    length = wanted.length
    if length > TASK_SIZE:
        raise Errno("ENOMEM", "longer than the user address space")
    addr = hugetlb.check_place(wanted.file, wanted.addr, length, fixed=bool(wanted.flags & MAP_FIXED))
    addr = _search(kernel, task.mm, wanted if addr == wanted.addr else wanted._replace(addr=addr))
    if addr >= WORD - MAX_ERRNO:
        raise Errno(errorcode.get(WORD - addr, str(WORD - addr)), "the kernel takes such a fixed address for an errno")
    if addr > TASK_SIZE - length:
        raise Errno("ENOMEM", "the range leaves the user address space")
    if addr % PAGE_SIZE:
        raise Errno("EINVAL", "the fixed address is not a multiple of the page size")
    if addr < kernel.sysctl["mmap_min_addr"] and not task.capable(CAP_SYS_RAWIO):
        raise Errno("EPERM", "below vm.mmap_min_addr")
    return addr


def _search(kernel: "Kernel", mm: "Mm", wanted: Wanted) -> int:
    file, profile = wanted.file, kernel.profile
    if file is not None:
        if not file.inode.shmem and file.aligns_thp and profile.file_thp_aligned:
            zero = file.inode.zero_device
            if not (zero and wanted.flags & MAP_SHARED):
                return _thp_aligned(kernel, mm, wanted, wanted.pgoff * PAGE_SIZE)
    elif not wanted.flags & MAP_SHARED and _anonymous_aligned(kernel, wanted):
        return _thp_aligned(kernel, mm, wanted, 0)
    return _plain(kernel, mm, wanted)


def _anonymous_aligned(kernel: "Kernel", wanted: Wanted) -> bool:
    profile = kernel.profile
    if not profile.anon_thp_aligned:
        return False
    return profile.anon_thp_any_size or (wanted.addr == 0 and wanted.length % PMD_SIZE == 0)


def _thp_aligned(kernel: "Kernel", mm: "Mm", wanted: Wanted, offset: int) -> int:
    """thp_get_unmapped_area_vmflags(): the highest place where huge pages of file and memory line up."""
    end = offset + wanted.length
    first_huge = (offset + PMD_SIZE - 1) & -PMD_SIZE
    if wanted.flags & MAP_FIXED or end <= first_huge or end - first_huge < PMD_SIZE:
        return _plain(kernel, mm, wanted)
    padded = Wanted(wanted.addr, wanted.length + PMD_SIZE, wanted.flags, wanted.file, wanted.pgoff)
    try:
        found = _plain(kernel, mm, padded)
    except Errno:
        return _plain(kernel, mm, wanted)
    if found == wanted.addr:
        return found
    shift = (offset - found) % PMD_SIZE
    mm.note("aligned so that 2 MiB of it can be one huge page")
    if shift == 0 and not mm.bottom_up:
        shift = PMD_SIZE
    return found + shift


def _plain(kernel: "Kernel", mm: "Mm", wanted: Wanted) -> int:
    """arch_get_unmapped_area_topdown(), or its bottom-up twin."""
    if wanted.length > TASK_SIZE:
        raise Errno("ENOMEM", "longer than the user address space")
    if wanted.flags & MAP_FIXED:
        return wanted.addr
    if wanted.flags & MAP_32BIT:
        return _bottom_up(kernel, mm, wanted, FLOOR_32BIT, CEILING_32BIT)
    if mm.bottom_up:
        return _bottom_up(kernel, mm, wanted, mm.mmap_base, TASK_SIZE)
    hint = page_down(wanted.addr)
    if hint:
        if _hint_is_free(kernel, mm, hint, wanted.length, TASK_SIZE):
            mm.note("the hint is free")
            return hint
        mm.note("the hint is not free, so it is forgotten")
    if kernel.profile.free_area_cache:
        return _remembering(kernel, mm, wanted)
    floor = _4GIB if wanted.flags & MAP_ABOVE4G else PAGE_SIZE
    found = _topdown(kernel, mm, wanted, floor, mm.mmap_base)
    if found is not None:
        mm.note("the highest free range that is large enough")
        return found
    return _bottom_up(kernel, mm, wanted, TASK_UNMAPPED_BASE, TASK_SIZE)


def _remembering(kernel: "Kernel", mm: "Mm", wanted: Wanted) -> int:
    found = free_area_cache.search(mm, wanted.length)
    if found is None:
        free_area_cache.forget(mm)
        return _bottom_up(kernel, mm, wanted, TASK_UNMAPPED_BASE, TASK_SIZE)
    return found


def _hint_is_free(kernel: "Kernel", mm: "Mm", hint: int, length: int, ceiling: int) -> bool:
    if hint > ceiling - length:
        return False
    following = mm.tree.find(hint)
    return following is None or hint + length <= gap_start(following, kernel.profile.stack_guard_gap)


def _topdown(kernel: "Kernel", mm: "Mm", wanted: Wanted, floor: int, ceiling: int) -> int | None:
    """unmapped_area_topdown(): None if there is no room."""
    mask = hugetlb.align_mask(wanted.file)
    floor = max(floor, kernel.mmap_min_addr)
    while (gap := mm.tree.highest_gap(wanted.length + mask, floor, ceiling)) is not None:
        above, found = gap.above, gap.end - wanted.length
        found -= found & mask
        if above is None or not above.flags & VM_GROWSDOWN:
            return found
        limit = gap_start(above, kernel.profile.stack_guard_gap)
        if limit >= gap.end:
            return found
        ceiling = limit
    return None


def _bottom_up(kernel: "Kernel", mm: "Mm", wanted: Wanted, floor: int, ceiling: int) -> int:
    """arch_get_unmapped_area() and unmapped_area()."""
    length, mask = wanted.length, hugetlb.align_mask(wanted.file)
    if length > ceiling:
        raise Errno("ENOMEM", "longer than the range that may be used")
    hint = page_up(wanted.addr)
    if hint and _hint_is_free(kernel, mm, hint, length, ceiling):
        mm.note("the hint is free")
        return hint
    floor = max(floor, kernel.mmap_min_addr)
    while (gap := mm.tree.lowest_gap(length + mask, floor, ceiling)) is not None:
        above = gap.above
        if above is None or not above.flags & VM_GROWSDOWN:
            break
        if gap_start(above, kernel.profile.stack_guard_gap) >= gap.start + (-gap.start & mask) + length + mask - 1:
            break
        floor = above.end
    if gap is None:
        raise Errno("ENOMEM", f"no free range of {length:,} bytes")
    mm.note("the lowest free range that is large enough")
    return gap.start + (-gap.start & mask)
