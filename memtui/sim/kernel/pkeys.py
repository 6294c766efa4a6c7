"""Models arch/x86/mm/pkeys.c and the pkey calls of mm/mprotect.c (6.18): protection keys, where the CPU has them.

A key is four bits of vm_flags. What it allows is told by the register PKRU of each thread, two bits a key. Memory with
PROT_EXEC alone gets a key of its own that forbids reading. Without such a CPU every key is 0 and forbids nothing.
"""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.mman import PROT_EXEC
from memtui.sim.kernel.outcome import Errno, Fault, system_call
from memtui.sim.kernel.vm_flags import VM_ACCESS_FLAGS, VM_EXEC, VM_PKEY_MASK, VM_PKEY_SHIFT, pkey

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task
    from memtui.sim.kernel.vma import Vma

PKEY_DISABLE_ACCESS: Final = 1
PKEY_DISABLE_WRITE: Final = 2
_ACCESS_MASK: Final = PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE
KEYS: Final = 16
INIT_PKRU: Final = 0x5555_5554
"""PKRU of a new program: only key 0 allows access (arch/x86/mm/pkeys.c)."""
_PKUERR: Final = "SIGSEGV SEGV_PKUERR"


def init_new_context(kernel: "Kernel", task: "Task", mm: "Mm") -> None:
    """The keys of a new program in `mm`, and the rights of the thread that starts it."""
    if kernel.pkeys:
        mm.pkey_allocation_map, mm.execute_only_pkey = 1, -1
        task.pkru = INIT_PKRU


def pkey_bits(key: int) -> int:
    """arch_calc_vm_prot_bits(): the key as VM_* bits."""
    return key << VM_PKEY_SHIFT


def rights(task: "Task", key: int) -> int:
    """PKEY_DISABLE_* bits of a key for the thread."""
    return task.pkru >> 2 * key & _ACCESS_MASK


def permitted(task: "Task", flags: int, *, write: bool) -> bool:
    """arch_vma_access_permitted(): whether the key of such a VMA lets the thread read or write; execution it may."""
    bits = task.pkru >> ((flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT - 1)
    return not bits & (_ACCESS_MASK if write else PKEY_DISABLE_ACCESS)


def denied(task: "Task", vma: "Vma", address: int) -> Fault:
    """The fault of an access to the byte `address` that the key of its VMA forbids."""
    key = pkey(vma.flags)
    what = "access" if rights(task, key) & PKEY_DISABLE_ACCESS else "writing"
    kind = "the key of execute-only memory" if key == task.mm.execute_only_pkey else "of this thread's PKRU"
    return Fault(_PKUERR, address, f"protection key {key} forbids {what} ({kind})")


def execute_only_pkey(kernel: "Kernel", task: "Task") -> int:
    """The key of memory that may only be executed, made at the first use; 0 if there is none."""
    mm = task.mm
    if not kernel.pkeys:
        return 0
    key = mm.execute_only_pkey
    if key == -1:
        key = _alloc(kernel, mm)
        if key < 0:
            mm.note("PROT_EXEC alone, but every protection key is taken: it can be read")
            return 0
    elif rights(task, key) & PKEY_DISABLE_ACCESS:
        return key
    _set_rights(task, key, PKEY_DISABLE_ACCESS)
    mm.execute_only_pkey = key
    return key


def mmap_pkey(kernel: "Kernel", task: "Task", prot: int) -> int:
    """The key of a new mapping (do_mmap())."""
    if prot != PROT_EXEC:
        return 0
    key = execute_only_pkey(kernel, task)
    if key:
        task.mm.note(f"PROT_EXEC alone: protection key {key} forbids reading")
    return key


def override_mprotect_pkey(kernel: "Kernel", task: "Task", vma: "Vma", prot: int, key: int) -> int:
    """arch_override_mprotect_pkey(): the key of memory whose access changes; `key` is -1 for plain mprotect."""
    if not kernel.pkeys:
        return 0
    if key != -1:
        return key
    old = pkey(vma.flags)
    if prot == PROT_EXEC:
        key = execute_only_pkey(kernel, task)
        if key > 0:
            task.mm.note(f"PROT_EXEC alone: protection key {key} forbids reading")
            return key
    elif vma.flags & VM_ACCESS_FLAGS == VM_EXEC and old == task.mm.execute_only_pkey:
        task.mm.note("no longer execute-only: back to protection key 0")
        return 0
    return old


def is_allocated(kernel: "Kernel", mm: "Mm", key: int) -> bool:
    """mm_pkey_is_allocated(): whether the program may name the key; that of execute-only memory it may not."""
    return 0 <= key < _count(kernel) and key != mm.execute_only_pkey and bool(mm.pkey_allocation_map >> key & 1)


def as_key(number: int) -> int:
    """The C int that a key is passed as."""
    return ((number & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000


@system_call
def sys_pkey_alloc(kernel: "Kernel", task: "Task", flags: int, init_val: int) -> int:
    """pkey_alloc(2): the lowest free key, with the thread's rights to it."""
    if flags:
        raise Errno("EINVAL", "no flags are known")
    if init_val & ~_ACCESS_MASK:
        raise Errno("EINVAL", "unknown rights")
    key = _alloc(kernel, task.mm)
    if key < 0:
        why = "every protection key is taken" if kernel.pkeys else "the CPU has no protection keys"
        raise Errno("ENOSPC", why)
    if not kernel.pkeys:
        # The kernel does not give key 0 back then, so that the next call finds none: ENOSPC.
        raise Errno("EINVAL", "the CPU has no protection keys")
    _set_rights(task, key, init_val)
    task.mm.note(f"{key} is the lowest free protection key")
    return key


@system_call
def sys_pkey_free(kernel: "Kernel", task: "Task", key: int) -> int:
    """pkey_free(2): memory that has the key keeps it, and the thread its rights."""
    key = as_key(key)
    if not is_allocated(kernel, task.mm, key):
        raise Errno("EINVAL", f"{key} is no allocated protection key")
    task.mm.pkey_allocation_map &= ~(1 << key)
    task.mm.note(f"key {key} may be allocated again; memory that has it keeps it")
    return 0


@system_call
def pkey_set(kernel: "Kernel", task: "Task", key: int, init_val: int) -> int:
    """Set the thread's own rights to a key, as glibc does by the instruction WRPKRU without a system call."""
    key = as_key(key)
    if not 0 <= key < KEYS or init_val & ~_ACCESS_MASK:
        raise Errno("EINVAL", "no such protection key, or unknown rights")
    if not kernel.pkeys:
        raise Fault("SIGILL ILL_ILLOPN", 0, "the CPU does not know RDPKRU")
    _set_rights(task, key, init_val)
    task.mm.note("the PKRU register of this thread alone")
    return 0


def _count(kernel: "Kernel") -> int:
    """arch_max_pkey()."""
    return KEYS if kernel.pkeys else 1


def _alloc(kernel: "Kernel", mm: "Mm") -> int:
    """mm_pkey_alloc(): the lowest free key, or -1."""
    free = ~mm.pkey_allocation_map & (1 << _count(kernel)) - 1
    if not free:
        return -1
    mm.pkey_allocation_map |= free & -free
    return (free & -free).bit_length() - 1


def _set_rights(task: "Task", key: int, init_val: int) -> None:
    """arch_set_user_pkey_access()."""
    task.pkru = task.pkru & ~(_ACCESS_MASK << 2 * key) | init_val << 2 * key
