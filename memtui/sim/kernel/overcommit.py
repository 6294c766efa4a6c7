"""Models __vm_enough_memory() and vm_commit_limit() (mm/util.c, 6.18): who may promise how much memory."""

from typing import TYPE_CHECKING, Final

from memtui.model import overcommit
from memtui.sim.kernel import overcommit_legacy
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.task import CAP_SYS_ADMIN

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.task import Task

OVERCOMMIT_GUESS: Final = overcommit.GUESS
OVERCOMMIT_ALWAYS: Final = overcommit.ALWAYS
OVERCOMMIT_NEVER: Final = overcommit.NEVER


def commit_limit(kernel: "Kernel") -> int:
    """CommitLimit of /proc/meminfo, pages."""
    ratio, kbytes = kernel.sysctl["overcommit_ratio"], kernel.sysctl["overcommit_kbytes"]
    return overcommit.commit_limit(kernel.totalram_pages, kernel.total_swap_pages, ratio, kbytes)


def default_reserves(totalram_pages: int) -> dict[str, int]:
    """init_user_reserve() and init_admin_reserve(): 1/32 of RAM, up to 128 MiB and 8 MiB, as KiB by sysctl.

    The kernel takes what is free when it starts, which is a little less than `totalram_pages`.
    """
    share = totalram_pages * 4 // 32
    return {"user_reserve_kbytes": min(share, 1 << 17), "admin_reserve_kbytes": min(share, 1 << 13)}


def acct_memory(kernel: "Kernel", task: "Task | None", mm: "Mm | None", pages: int) -> None:
    """Charge `pages` (security_vm_enough_memory_mm).

    Args:
        kernel: whose Committed_AS grows.
        task: asks; its CAP_SYS_ADMIN lifts the administrator's reserve.
        mm: whose size sets the user's reserve; None: no reserve for it.
        pages: how many.

    Raises:
        Errno: ENOMEM; nothing is charged then.
    """
    mode = kernel.sysctl["overcommit_memory"]
    if mode == OVERCOMMIT_GUESS:
        if kernel.profile.overcommit_counts_free:
            overcommit_legacy.guess(kernel, task, pages)
        else:
            _guess(kernel, pages)
    elif mode == OVERCOMMIT_NEVER:
        _never(kernel, task, mm, pages)
    kernel.committed += pages


def unacct_memory(kernel: "Kernel", pages: int) -> None:
    """vm_unacct_memory(): give back."""
    kernel.committed -= pages


def _guess(kernel: "Kernel", pages: int) -> None:
    total = kernel.totalram_pages + kernel.total_swap_pages
    if pages > total:
        raise Errno("ENOMEM", f"overcommit mode 0: {pages:,} pages asked, RAM and swap have {total:,}")


def _never(kernel: "Kernel", task: "Task | None", mm: "Mm | None", pages: int) -> None:
    allowed = _allowed(kernel, task, mm)
    over = kernel.committed + pages - allowed
    if over >= 0:
        raise Errno("ENOMEM", f"overcommit mode 2: {over + 1:,} pages over the limit of {allowed:,}")


def _allowed(kernel: "Kernel", task: "Task | None", mm: "Mm | None") -> int:
    if kernel.profile.reserves_by_share:
        return overcommit_legacy.allowed(kernel, task, mm, commit_limit(kernel) - kernel.total_swap_pages)
    return overcommit.strict_limit(
        commit_limit(kernel),
        privileged=task is None or task.capable(CAP_SYS_ADMIN),
        total_vm=None if mm is None else mm.total_vm,
        admin_reserve_kbytes=kernel.sysctl["admin_reserve_kbytes"],
        user_reserve_kbytes=kernel.sysctl["user_reserve_kbytes"],
    )
