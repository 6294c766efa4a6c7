"""Models the options of prctl(2) that concern memory (kernel/sys.c, include/linux/mman.h, mm/ksm.c, 6.18)."""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.outcome import Errno, system_call
from memtui.sim.kernel.vm_flags import (
    NOT_COMPATIBLE_WITH_KSM,
    VM_EXEC,
    VM_HUGEPAGE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_WRITE,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

PR_SET_NAME: Final = 15
PR_SET_MM: Final = 35
PR_SET_THP_DISABLE: Final = 41
PR_GET_THP_DISABLE: Final = 42
PR_SET_MDWE: Final = 65
PR_GET_MDWE: Final = 66
PR_SET_MEMORY_MERGE: Final = 67
PR_GET_MEMORY_MERGE: Final = 68
PR_SET_VMA: Final = 0x53564D41
TASK_COMM_LEN: Final = 16
MDWE_REFUSE_EXEC_GAIN: Final = 1
MDWE_NO_INHERIT: Final = 2
THP_DISABLED: Final = 1
THP_EXCEPT_ADVISED: Final = 2
OF_MEMORY: Final = frozenset(range(PR_SET_MDWE, PR_GET_MEMORY_MERGE + 1)) | {
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_SET_VMA,
}
"""The options that are simulated but for PR_SET_NAME."""


@system_call
def sys_prctl(kernel: "Kernel", task: "Task", option: int, *arguments: int | bytes) -> int:
    """prctl(2). Names for anonymous memory need CONFIG_ANON_VMA_NAME, which 6.18 here lacks."""
    if option == PR_SET_NAME and arguments and isinstance(arguments[0], bytes):
        task.comm = arguments[0][: TASK_COMM_LEN - 1].decode("utf-8", "surrogateescape")
        return 0
    numbers = [arg if isinstance(arg, int) else 0 for arg in (*arguments, 0, 0, 0, 0)[:4]]
    if option == PR_SET_VMA:
        raise Errno("EINVAL", "this kernel was built without names for anonymous memory (CONFIG_ANON_VMA_NAME)")
    if option in (PR_SET_THP_DISABLE, PR_GET_THP_DISABLE) and kernel.profile.thp_disable:
        return _thp_disable(kernel, task.mm, numbers, get=option == PR_GET_THP_DISABLE)
    if option in (PR_SET_MDWE, PR_GET_MDWE) and kernel.profile.mdwe:
        return _mdwe(kernel, task.mm, numbers, get=option == PR_GET_MDWE)
    if option in (PR_SET_MEMORY_MERGE, PR_GET_MEMORY_MERGE) and kernel.profile.memory_merge:
        return _memory_merge(task.mm, numbers, get=option == PR_GET_MEMORY_MERGE)
    if option in OF_MEMORY:
        raise Errno("EINVAL", f"Linux {kernel.profile.name} does not know this option")
    task.mm.note("this option changes nothing in memory")
    return 0


def _thp_disable(kernel: "Kernel", mm: "Mm", numbers: list[int], *, get: bool) -> int:
    """prctl_set_thp_disable(): 6.18 can spare what MADV_HUGEPAGE asks for."""
    value, flags, *rest = numbers
    known = THP_EXCEPT_ADVISED if kernel.profile.thp_except_advised and value and not get else 0
    if any(rest) or flags & ~known or (get and value):
        raise Errno("EINVAL", "an argument that must be 0")
    if get:
        mm.note("whether the process has huge pages switched off")
        return mm.thp_disable
    mm.thp_disable = THP_DISABLED | flags if value else 0
    mm.note("no fault makes huge pages any more" if value else "faults make huge pages as the machine is set to")
    return 0


def _mdwe(kernel: "Kernel", mm: "Mm", numbers: list[int], *, get: bool) -> int:
    """prctl_set_mdwe(): memory never becomes executable that was writable, or not executable before."""
    bits = numbers[0]
    known = MDWE_REFUSE_EXEC_GAIN | MDWE_NO_INHERIT
    if any(numbers[1:]) or (get and bits):
        raise Errno("EINVAL", "an argument that must be 0")
    if get:
        mm.note("what the process has set")
        return mm.mdwe
    if bits & ~known or bits == MDWE_NO_INHERIT:
        raise Errno("EINVAL", "an unknown bit, or PR_MDWE_NO_INHERIT alone")
    if mm.mdwe not in (0, bits):
        raise Errno("EPERM", "what was set cannot be changed any more")
    mm.mdwe = bits
    mm.note("memory cannot become executable from now on, but as it is mapped" if bits else "nothing was set")
    return 0


def _memory_merge(mm: "Mm", numbers: list[int], *, get: bool) -> int:
    """ksm_enable_merge_any(), ksm_disable_merge_any(): all VMAs get or lose VM_MERGEABLE, and do not merge by that."""
    if any(numbers[1:]) or (get and numbers[0]):
        raise Errno("EINVAL", "an argument that must be 0")
    if get:
        mm.note("whether all memory may be merged by KSM")
        return int(mm.merge_any)
    if mm.merge_any != bool(numbers[0]):
        mm.merge_any = bool(numbers[0])
        for vma in list(mm.tree):
            flags = vma.flags | ksm_flag(mm, vma.flags) if mm.merge_any else vma.flags & ~VM_MERGEABLE
            if flags != vma.flags:
                mm.update(vma, vma.flagged(flags))
    mm.note("KSM may merge all private pages, also of what is mapped later" if mm.merge_any else "KSM is off")
    return 0


def ksm_flag(mm: "Mm", flags: int) -> int:
    """ksm_vma_flags(): VM_MERGEABLE for a new mapping if the process asked for that."""
    return VM_MERGEABLE if mm.merge_any and not flags & NOT_COMPATIBLE_WITH_KSM else 0


def check_write_exec(mm: "Mm", old: int, new: int) -> None:
    """map_deny_write_exec(): `old` are the flags before, of a new mapping its own.

    Raises:
        Errno: EACCES.
    """
    if mm.mdwe and new & VM_EXEC and (new & VM_WRITE or not old & VM_EXEC):
        raise Errno("EACCES", "PR_SET_MDWE: memory must not become executable")


def vma_thp_disabled(mm: "Mm", flags: int) -> bool:
    """Whether a VMA with these flags gets no huge pages, whatever the machine is set to."""
    if flags & VM_NOHUGEPAGE or mm.thp_disable == THP_DISABLED:
        return True
    return bool(mm.thp_disable) and not flags & VM_HUGEPAGE


def inherit(old: "Mm", new: "Mm") -> None:
    """mmf_init_legacy_flags(): what fork and exec pass on."""
    new.thp_disable, new.merge_any = old.thp_disable, old.merge_any
    new.mdwe = 0 if old.mdwe & MDWE_NO_INHERIT else old.mdwe
