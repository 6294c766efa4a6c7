"""Models mm/mprotect.c (6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, page_up
from memtui.sim.kernel.gup import populate_vma
from memtui.sim.kernel.limits import check_expand, fits_address_space
from memtui.sim.kernel.mman import PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_SEM, PROT_WRITE
from memtui.sim.kernel.outcome import Errno, Fault, system_call
from memtui.sim.kernel.overcommit import acct_memory, unacct_memory
from memtui.sim.kernel.personality import implied_prot
from memtui.sim.kernel.pkeys import as_key, is_allocated, override_mprotect_pkey, pkey_bits
from memtui.sim.kernel.prctl import check_write_exec
from memtui.sim.kernel.vm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_NORESERVE,
    VM_PKEY_MASK,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    is_data_mapping,
)
from memtui.sim.kernel.vma import Vma
from memtui.sim.kernel.vma_merge import modify

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

KNOWN: Final = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM
GROWS: Final = PROT_GROWSDOWN | PROT_GROWSUP
ADDRESS_MASK: Final = (1 << 64) - 1


@system_call
def sys_mprotect(kernel: "Kernel", task: "Task", start: int, length: int, prot: int) -> int:
    """mprotect(2): address and length in bytes."""
    return do_mprotect_pkey(kernel, task, start, length, prot, -1)


@system_call
def sys_pkey_mprotect(kernel: "Kernel", task: "Task", start: int, length: int, prot: int, key: int) -> int:
    """pkey_mprotect(2): mprotect(2) that gives a protection key too; with -1 it is the same."""
    return do_mprotect_pkey(kernel, task, start, length, prot, as_key(key))


def do_mprotect_pkey(kernel: "Kernel", task: "Task", start: int, length: int, prot: int, key: int) -> int:
    """The checks of both calls in the kernel's order, then the walk.

    Raises:
        Errno: as mprotect(2).
    """
    grows = prot & GROWS
    if grows == GROWS:
        raise Errno("EINVAL", "PROT_GROWSDOWN and PROT_GROWSUP together")
    if start % PAGE_SIZE:
        raise Errno("EINVAL", "the address is not a multiple of the page size")
    if not length:
        task.mm.note("the length is 0")
        return 0
    end = (start + page_up(length)) & ADDRESS_MASK
    if end <= start:
        raise Errno("ENOMEM", "the range overflows")
    if prot & ~(KNOWN | GROWS):
        raise Errno("EINVAL", "an unknown protection bit")
    if key != -1 and not is_allocated(kernel, task.mm, key):
        raise Errno("EINVAL", f"{key} is no allocated protection key")
    _walk(kernel, task, _first_byte(task, start, end, grows), end, prot & ~GROWS, key)
    return 0


def _first_byte(task: "Task", start: int, end: int, grows: int) -> int:
    """Where the walk begins: at `start`, which must be mapped, or with PROT_GROWSDOWN at the start of the stack."""
    first = task.mm.tree.find(start)
    if first is None:
        raise Errno("ENOMEM", "nothing is mapped at or above the address")
    if grows == PROT_GROWSDOWN:
        if first.start >= end:
            raise Errno("ENOMEM", "nothing is mapped there")
        if not first.flags & VM_GROWSDOWN:
            raise Errno("EINVAL", "PROT_GROWSDOWN, and the VMA does not grow down")
        return first.start
    if first.start > start:
        raise Errno("ENOMEM", "nothing is mapped at the address")
    if grows:
        raise Errno("EINVAL", "PROT_GROWSUP, and the VMA does not grow up")
    return start


def _walk(kernel: "Kernel", task: "Task", start: int, end: int, prot: int, key: int) -> None:
    mm, at = task.mm, start
    while at < end:
        vma = mm.tree.at(at)
        if vma is None:
            raise Errno("ENOMEM", f"nothing is mapped at {at:#x}; what lies below was changed")
        here = implied_prot(task, prot) if vma.flags & VM_MAYEXEC else prot
        flags = here & VM_ACCESS_FLAGS | vma.flags & ~(VM_ACCESS_FLAGS | VM_PKEY_MASK)
        flags |= pkey_bits(override_mprotect_pkey(kernel, task, vma, here, key))
        if flags & ~(flags >> 4) & VM_ACCESS_FLAGS:
            raise Errno("EACCES", "the mapping may never get such access (VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC)")
        check_write_exec(mm, vma.flags, flags)
        at = fixup(kernel, task, vma, at, min(vma.end, end), flags).end


def fixup(kernel: "Kernel", task: "Task", vma: Vma, start: int, end: int, flags: int) -> Vma:
    """mprotect_fixup(): give a part of one VMA other access; gives the VMA that then holds it.

    Raises:
        Errno: EPERM (sealed), ENOMEM (limits, charge, vm.max_map_count).
    """
    mm, old = task.mm, vma.flags
    if old & VM_SEALED:
        raise Errno("EPERM", f"{vma.start:#x}-{vma.end:#x} is sealed")
    if flags == old:
        mm.note("nothing changes, so nothing merges")
        return vma
    pages = (end - start) >> PAGE_SHIFT
    charged = _charge(kernel, task, old, flags, pages)
    if charged:
        flags |= VM_ACCOUNT
    elif not flags & VM_WRITE and vma.anonymous and not vma.anon_vma:
        flags &= ~VM_ACCOUNT
    try:
        vma = modify(kernel, mm, vma, start, end, flags)
    except Errno:
        unacct_memory(kernel, charged)
        raise
    if old & VM_ACCOUNT and not flags & VM_ACCOUNT:
        unacct_memory(kernel, pages)
    if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and flags & VM_WRITE:
        vma = _populate(kernel, task, vma, start, end)
    mm.account(old, -pages)
    mm.account(flags, pages)
    return vma


def _charge(kernel: "Kernel", task: "Task", old: int, flags: int, pages: int) -> int:
    """Limits and charge of memory that becomes writable; the pages charged."""
    if not flags & VM_WRITE:
        return 0
    if is_data_mapping(flags) and not is_data_mapping(old) and fits_address_space(task, pages):
        check_expand(task, flags, pages)
    if old & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE):
        return 0
    acct_memory(kernel, task, task.mm, pages)
    return pages


def _populate(kernel: "Kernel", task: "Task", vma: Vma, start: int, end: int) -> Vma:
    """Locked private memory that becomes writable gets its own pages at once."""
    try:
        populate_vma(kernel, task, vma, start, end)
    except Fault as fault:
        task.mm.note(fault.why)
    return task.mm.tree.at(start) or vma
