"""Kernel versions as data: what each does differently in the calls that the simulator models.

6.18 is checked against a running kernel; the other lines state what the sources and changelogs of those
versions say.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from memtui.model.oom_rule import NOW, OomRule, rule_of
from memtui.model.release import version_of


@dataclass(frozen=True, slots=True)
class Profile:
    """The differences between kernels; the defaults are 6.18's."""

    name: str = "6.18"
    exact: bool = True
    """Held against a running kernel of this version."""
    stack_guard_gap: int = 256 << 12
    """Bytes kept free below a stack; one page before 4.12."""
    free_area_cache: bool = False
    """The search for room goes on below the mapping made last (before 3.8)."""
    overcommit_counts_free: bool = False
    """Mode 0 compares a request with what is free or could be freed (before 5.1)."""
    reserves_by_share: bool = False
    """Mode 2 keeps back 1/32 of RAM for root and 1/32 of the asking process, not so many kB (before 3.10)."""
    lsm_mmap_min_addr: int = 1 << 16
    """CONFIG_LSM_MMAP_MIN_ADDR: hints below are raised to it whatever vm.mmap_min_addr says, bytes."""
    brk_range: int = 1 << 30
    """What ASLR adds to the start of the heap at most, bytes (6.9; 32 MiB before)."""
    fault_around: bool = True
    """A read fault maps what is in the page cache around the page (3.15)."""
    anon_thp_aligned: bool = True
    """Anonymous mappings of whole 2 MiB are aligned to 2 MiB (6.7)."""
    anon_thp_any_size: bool = False
    """6.7 to 6.12: aligned as soon as 2 MiB fit, not only whole multiples of 2 MiB."""
    file_thp_aligned: bool = True
    """Some file systems align large mappings (thp_get_unmapped_area, 4.10)."""
    mremap_multi_vma: bool = True
    """MREMAP_FIXED of equal lengths may span VMAs (6.17)."""
    mremap_fork_check: bool = True
    """What mremap copies from a forked VMA merges with no VMA without an anon_vma (6.18.y)."""
    sticky_guard_flag: bool = True
    """VM_MAYBE_GUARD: "gu" in VmFlags (6.18.y)."""
    guard_regions: bool = True
    """MADV_GUARD_INSTALL (6.13)."""
    guard_regions_on_files: bool = True
    """(6.15)."""
    map_droppable: bool = True
    """(6.11)."""
    mseal: bool = True
    """(6.10)."""
    pt_reclaim: bool = True
    """MADV_DONTNEED of whole 2 MiB frees the page table (6.14)."""
    noreplace: bool = True
    """MAP_FIXED_NOREPLACE (4.17)."""
    mremap_charges_cut_off: bool = True
    """An mremap that moves and shrinks charges what it cuts off anew, and nothing ever gives that back (6.15)."""
    dontunmap: bool = True
    """MREMAP_DONTUNMAP (5.7); of any mapping since 5.13."""
    dontunmap_any: bool = True
    wipe_on_fork: bool = True
    """MADV_WIPEONFORK (4.14)."""
    madv_free: bool = True
    """(4.5)."""
    populate_advice: bool = True
    """MADV_POPULATE_READ, MADV_POPULATE_WRITE (5.14)."""
    collapse_advice: bool = True
    """MADV_COLLAPSE (6.1)."""
    cold_advice: bool = True
    """MADV_COLD, MADV_PAGEOUT (5.4)."""
    thp: bool = True
    """Transparent huge pages (2.6.38)."""
    thp_disable: bool = True
    """PR_SET_THP_DISABLE (3.15)."""
    thp_except_advised: bool = True
    """PR_THP_DISABLE_EXCEPT_ADVISED (6.18)."""
    mdwe: bool = True
    """PR_SET_MDWE (6.3)."""
    memory_merge: bool = True
    """PR_SET_MEMORY_MERGE (6.4)."""
    pkeys: bool = True
    """Protection keys, where the CPU has them (4.9; execute-only memory by them 4.6)."""
    watermark_scale: bool = True
    """vm.watermark_scale_factor (4.6)."""
    min_free_kbytes_limit: int = 262144
    """The most that vm.min_free_kbytes is by default; 65536 before 5.8."""
    max_swappiness: int = 200
    """100 before 5.8."""
    legacy_badness: bool = False
    """The OOM killer's rules of 2.6.32 (before 2.6.36)."""
    oom_rule: OomRule = NOW
    """Those of later kernels."""
    anon_starts_active: bool = False
    """New anonymous pages go to the active list (before 5.9); those of shmem do not."""
    oom_reaper: bool = True
    """The memory of an OOM victim can be taken before it exits (4.6)."""
    reaps_mlocked: bool = True
    """mlocked memory too, and only 2 s after the kill (5.18)."""
    large_folios: frozenset[str] = frozenset({"ext4", "xfs"})
    """File systems whose page cache has folios of more than one page: xfs since 5.18, ext4 since 6.16."""
    execve_check: bool = True
    """AT_EXECVE_CHECK; execveat of a descriptor names the task by the file instead of the number (6.14)."""
    sealed_shows: bool = True
    """VM_SEALED prints as "sl" (6.15)."""


EXACT: Final = Profile()

_Change = Callable[[Profile], Profile]
_HISTORY: Final[tuple[tuple[tuple[int, ...], _Change], ...]] = (
    ((6, 18), lambda p: replace(p, mremap_fork_check=False, sticky_guard_flag=False, thp_except_advised=False)),
    ((6, 17), lambda p: replace(p, mremap_multi_vma=False)),
    ((6, 16), lambda p: replace(p, large_folios=p.large_folios - {"ext4"})),
    ((6, 15), lambda p: replace(p, guard_regions_on_files=False, sealed_shows=False, mremap_charges_cut_off=False)),
    ((6, 14), lambda p: replace(p, pt_reclaim=False, execve_check=False)),
    ((6, 13), lambda p: replace(p, guard_regions=False, anon_thp_any_size=True)),
    ((6, 11), lambda p: replace(p, map_droppable=False)),
    ((6, 10), lambda p: replace(p, mseal=False)),
    ((6, 9), lambda p: replace(p, brk_range=32 << 20)),
    ((6, 7), lambda p: replace(p, anon_thp_aligned=False)),
    ((6, 4), lambda p: replace(p, memory_merge=False)),
    ((6, 3), lambda p: replace(p, mdwe=False)),
    ((6, 1), lambda p: replace(p, collapse_advice=False)),
    ((5, 18), lambda p: replace(p, large_folios=frozenset(), reaps_mlocked=False)),
    ((5, 14), lambda p: replace(p, populate_advice=False)),
    ((5, 13), lambda p: replace(p, dontunmap_any=False)),
    ((5, 9), lambda p: replace(p, anon_starts_active=True)),
    ((5, 8), lambda p: replace(p, max_swappiness=100, min_free_kbytes_limit=65536)),
    ((5, 7), lambda p: replace(p, dontunmap=False)),
    ((5, 4), lambda p: replace(p, cold_advice=False)),
    ((5, 1), lambda p: replace(p, overcommit_counts_free=True)),
    ((4, 17), lambda p: replace(p, noreplace=False)),
    ((4, 14), lambda p: replace(p, wipe_on_fork=False)),
    ((4, 12), lambda p: replace(p, stack_guard_gap=1 << 12)),
    ((4, 10), lambda p: replace(p, file_thp_aligned=False)),
    ((4, 9), lambda p: replace(p, pkeys=False)),
    ((4, 6), lambda p: replace(p, watermark_scale=False, oom_reaper=False)),
    ((4, 5), lambda p: replace(p, madv_free=False)),
    ((3, 15), lambda p: replace(p, thp_disable=False, fault_around=False)),
    ((3, 10), lambda p: replace(p, reserves_by_share=True)),
    ((3, 8), lambda p: replace(p, free_area_cache=True)),
    ((2, 6, 38), lambda p: replace(p, thp=False)),
    ((2, 6, 36), lambda p: replace(p, legacy_badness=True)),
)
"""Version -> what the kernels before it lack, newest first."""


def profile_for(release: str) -> Profile:
    """The profile of a kernel release such as "6.18.44", "6.1" or "2.6.32".

    Every 6.18 is taken for its current stable one, and so is what is newer, though nothing of it was checked.

    Raises:
        ValueError: there is no version number in `release`.
    """
    version = version_of(release)
    major, minor, _ = version
    profile = replace(EXACT, name=f"{major}.{minor}", exact=(major, minor) == (6, 18), oom_rule=rule_of(release))
    for since, without in _HISTORY:
        if version < since:
            profile = without(profile)
    return profile
