"""One process as the OOM killer sees it."""

from typing import NamedTuple


class Task(NamedTuple):
    """The figures that oom_badness reads, and a few for the eye. None: could not be read (process gone, hidepid)."""

    pid: int
    comm: str
    ppid: int | None = None
    uid: int | None = None
    nice: int | None = None
    state: str | None = None
    """One letter: R S D Z T ..."""
    start_time: int | None = None
    """Clock ticks since boot (field 22 of stat): the order of the kernel's walk."""
    total_vm: int | None = None
    """Pages of address space (VmSize)."""
    rss_pages: int | None = None
    """RssAnon + RssFile + RssShmem, pages."""
    swap_pages: int | None = None
    pgtable_pages: int | None = None
    """VmPTE (4.0 to 4.14: and VmPMD), pages: the page-table bytes over 4096."""
    oom_score_adj: int | None = None
    sys_admin: bool | None = None
    """CAP_SYS_ADMIN is in effect, for which kernels before 4.17 spare a process; None: not told."""
    kernel_oom_score: int | None = None
    """What /proc/PID/oom_score says; None in a simulation."""
    min_flt: int | None = None
    """Page faults without I/O (field 10 of stat); None: not told."""
    maj_flt: int | None = None
    """Page faults that waited for I/O (field 12)."""
    never: str | None = None
    """Why the OOM killer never takes it: "global init", "kernel thread", "in vfork", ..., or None.
    oom_score_adj == -1000 is not stated here: `oom.badness` knows it."""
