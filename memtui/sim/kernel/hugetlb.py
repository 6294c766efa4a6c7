"""Models mm/hugetlb.c and fs/hugetlbfs/inode.c (6.18) on a machine whose pools of huge pages are empty.

Only what needs no page then is possible: mappings with MAP_NORESERVE, of which every touch is SIGBUS.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, Inode, OpenFile
from memtui.sim.kernel.outcome import Errno, Fault
from memtui.sim.kernel.page_leaf import PMD_SHIFT, PUD_SHIFT
from memtui.sim.kernel.vm_flags import VM_DONTEXPAND, VM_HUGETLB, VM_NORESERVE, VM_WRITE

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

ANON_LABEL: Final = "/anon_hugepage"
_SIZES: Final = {0: PMD_SHIFT, PMD_SHIFT: PMD_SHIFT, PUD_SHIFT: PUD_SHIFT}
"""hstate_sizelog(): what a call asks for -> log2 of the huge page; 0 is the default size."""
_DEVICES: Final = {PMD_SHIFT: (0, 17), PUD_SHIFT: (0, 18)}
_ENCODED: Final = 26, 0x3F
"""MAP_HUGE_SHIFT, MFD_HUGE_SHIFT and SHM_HUGE_SHIFT, and their mask."""
_PGOFF_MAX: Final = 1 << 64 - PAGE_SHIFT - 1


def size_shift(flags: int, unknown: str = "EINVAL") -> int:
    """log2 of the page size that flags of mmap, memfd_create or shmget ask for.

    Raises:
        Errno: `unknown`, there is no such size.
    """
    shift = _SIZES.get(flags >> _ENCODED[0] & _ENCODED[1])
    if shift is None:
        raise Errno(unknown, "no such huge page size")
    return shift


def align(length: int, shift: int) -> int:
    """A length in whole huge pages, bytes."""
    return length + (1 << shift) - 1 & -(1 << shift) & (1 << 64) - 1


def file_setup(kernel: "Kernel", label: str, size: int, shift: int) -> OpenFile:
    """hugetlb_file_setup(): an object without a name on the kernel's own hugetlbfs; `size` in bytes."""
    inode = Inode(
        number=kernel.new_inode_number(),
        dev=_DEVICES[shift],
        fs_type="hugetlbfs",
        label=label,
        size=size,
        nlink=0,
        huge_shift=shift,
    )
    return open_inode(kernel.add_inode(inode))


def map_file(inode: Inode, flags: int, pgoff: int, pages: int) -> int:
    """hugetlbfs_file_mmap(): the VM_* bits that come; a writable mapping makes the file as long as it reaches.

    Raises:
        Errno: EINVAL (offset), ENOMEM (nothing can be reserved).
    """
    if pgoff >= _PGOFF_MAX or pgoff << PAGE_SHIFT & (1 << inode.huge_shift) - 1:
        raise Errno("EINVAL", "the offset is not a multiple of the huge page size")
    if not flags & VM_NORESERVE and not inode.noreserve:
        raise Errno("ENOMEM", "the pool of huge pages is empty; what was there is unmapped")
    if flags & VM_WRITE:
        inode.size = max(inode.size, pgoff + pages << PAGE_SHIFT)
    return VM_HUGETLB | VM_DONTEXPAND


def check_place(file: OpenFile | None, addr: int, length: int, *, fixed: bool) -> int:
    """hugetlb_get_unmapped_area(): the hint, in whole huge pages.

    Raises:
        Errno: EINVAL.
    """
    if file is None or not file.inode.huge_shift:
        return addr
    inside = (1 << file.inode.huge_shift) - 1
    if length & inside or (fixed and addr & inside):
        raise Errno("EINVAL", "not a multiple of the huge page size")
    return align(addr, file.inode.huge_shift)


def align_mask(file: OpenFile | None) -> int:
    """The bits of an address that must be 0 for a mapping of this file, besides those in a page."""
    return (1 << file.inode.huge_shift) - PAGE_SIZE if file is not None and file.inode.huge_shift else 0


def inside_page(vma: "Vma", address: int) -> bool:
    """Whether an address lies within a huge page of a VMA, where it cannot be cut."""
    return bool(vma.file is not None and vma.file.inode.huge_shift and address % (1 << vma.file.inode.huge_shift))


def inside_file(vma: "Vma", address: int) -> bool:
    """Whether the file reaches to an address; behind it the fault ends before an anon_vma is made."""
    return vma.file is not None and vma.pgoff_at(address) << PAGE_SHIFT < vma.file.inode.size


def fault(task: "Task", vma: "Vma", address: int) -> None:
    """hugetlb_fault(): the upper tables are made, then there is no page.

    Raises:
        Fault: always.
    """
    assert vma.file is not None
    pages = task.mm.pages
    pages.puds.add(address >> PUD_SHIFT + 9)
    if vma.file.inode.huge_shift == PMD_SHIFT:
        pages.pmds.add(address >> PUD_SHIFT)
    raise Fault("SIGBUS BUS_ADRERR", address, "the pool of huge pages is empty")


def check_size(inode: Inode, length: int) -> None:
    """hugetlbfs_setattr().

    Raises:
        Errno: EINVAL.
    """
    if inode.huge_shift and length % (1 << inode.huge_shift):
        raise Errno("EINVAL", "not a multiple of the huge page size")


def fallocate(inode: Inode, offset: int, length: int, *, hole: bool) -> None:
    """hugetlbfs_fallocate(): bytes.

    Raises:
        Errno: EPERM (sealed), ENOSPC.
    """
    if hole:
        if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
            raise Errno("EPERM", "the memfd is sealed against writing")
        return
    if inode.seals & F_SEAL_GROW and offset + length > inode.size:
        raise Errno("EPERM", "the memfd is sealed against growing")
    raise Errno("ENOSPC", "the pool of huge pages is empty")
