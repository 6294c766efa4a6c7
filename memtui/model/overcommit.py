"""Models vm_commit_limit() and __vm_enough_memory() (mm/util.c, 6.18): the arithmetic, without anybody's state."""

from typing import Final

GUESS: Final = 0
ALWAYS: Final = 1
NEVER: Final = 2


def commit_limit(totalram_pages: int, swap_pages: int, ratio: int, kbytes: int) -> int:
    """CommitLimit of /proc/meminfo, pages.

    Args:
        totalram_pages: MemTotal, less what hugetlbfs holds.
        swap_pages: SwapTotal.
        ratio: vm.overcommit_ratio, percent.
        kbytes: vm.overcommit_kbytes; takes the place of the ratio if it is not 0.
    """
    return (kbytes >> 2 if kbytes else totalram_pages * ratio // 100) + swap_pages


def strict_limit(
    limit: int, *, privileged: bool, total_vm: int | None, admin_reserve_kbytes: int, user_reserve_kbytes: int
) -> int:
    """What mode 2 lets be promised to one process in all, pages: Committed_AS must stay below.

    Args:
        limit: CommitLimit, pages.
        privileged: whether it has CAP_SYS_ADMIN: the administrator's reserve is for those.
        total_vm: its size, pages; None: the kernel itself asks, which nothing is kept from.
        admin_reserve_kbytes: vm.admin_reserve_kbytes.
        user_reserve_kbytes: vm.user_reserve_kbytes.
    """
    if not privileged:
        limit -= admin_reserve_kbytes >> 2
    if total_vm is not None:
        limit -= min(total_vm // 32, user_reserve_kbytes >> 2)
    return limit
