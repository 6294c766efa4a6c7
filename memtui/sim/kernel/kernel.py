"""The simulated kernel's global state; the rules that work on it are in the modules named after the kernel's."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from memtui.model.event import Event
from memtui.model.host import FileFacts, MachineFacts
from memtui.sim.kernel.exit import do_exit
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.lru import Lruvec
from memtui.sim.kernel.mmzone import Zone, setup_zones
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.overcommit import default_reserves
from memtui.sim.kernel.profile import Profile
from memtui.sim.kernel.swapfile import Swap
from memtui.sim.kernel.task import (
    CAP_IPC_LOCK,
    CAP_SYS_ADMIN,
    CAP_SYS_RAWIO,
    DEFAULT_RLIMITS,
    RLIM_INFINITY,
    Task,
)

if TYPE_CHECKING:
    from memtui.sim.kernel.memcontrol import MemoryCgroup
    from memtui.sim.kernel.shm import ShmSegment
    from memtui.sim.kernel.vmscan import KswapdRun
    from memtui.sim.kernel.vmstat import FileTotals

DEFAULT_SYSCTL: Final[Mapping[str, int]] = MappingProxyType(
    {
        "overcommit_memory": 0,
        "overcommit_ratio": 50,
        "overcommit_kbytes": 0,
        "max_map_count": 65530,
        "mmap_min_addr": 4096,
        "legacy_va_layout": 0,
        "swappiness": 60,
        "watermark_scale_factor": 10,
        "dirty_ratio": 20,
        "dirty_bytes": 0,
        "dirty_background_ratio": 10,
        "dirty_background_bytes": 0,
        "oom_kill_allocating_task": 0,
        "panic_on_oom": 0,
        "page-cluster": 3,
        "vfs_cache_pressure": 100,
    }
)
"""File name below /proc/sys/vm -> value, where the machine's facts say nothing. `SIZED` follow from its RAM."""
FIRST_PID: Final = 1000


def _no_file(path: str) -> FileFacts | None:
    return None


@dataclass(slots=True, eq=False)
class Kernel:
    """What all tasks share."""

    facts: MachineFacts
    profile: Profile
    host_file: Callable[[str], FileFacts | None] = _no_file
    """The file that exists at a path when the simulation starts, or None."""
    tasks: dict[int, Task] = field(default_factory=dict)
    """Every live task by pid, in order of creation."""
    next_pid: int = FIRST_PID
    committed: int = 0
    """Pages charged (vm_committed_as): what Committed_AS tells."""
    never_uncharged: int = 0
    """Of these, pages by which VMAs without VM_ACCOUNT grew down: acct_stack_growth() charges them, nobody returns."""
    sysctl: dict[str, int] = field(default_factory=dict)
    paths: dict[str, Inode] = field(default_factory=dict)
    """Files that were opened, made or unlinked, by path; an unlinked one has nlink 0."""
    next_inode: int = 1 << 20
    shm_segments: "dict[int, ShmSegment]" = field(default_factory=dict)
    """System V segments by shmid."""
    next_shmid: int = 0
    next_anon_vma: int = 1
    file_totals: "FileTotals | None" = None
    """Sums over all files, as they were last taken."""
    drained_at: int | None = None
    """The state of the page sets that the LRU lists know of."""
    inodes: dict[Inode, None] = field(default_factory=dict)
    """Every file that can have pages, in order of creation."""
    zones: list[Zone] = field(default_factory=list)
    """By ascending address; they are brought up to date by `mmzone.recount`."""
    lruvec: Lruvec = field(default_factory=Lruvec)
    """The LRU lists; `lru_add_drain` brings them up to date."""
    swap: Swap = field(init=False)
    vmevents: Counter[str] = field(default_factory=Counter)
    """/proc/vmstat: events since boot."""
    seconds: int = 0
    """Since the machine started: only steps that say so take time."""
    memcgs: "dict[str, MemoryCgroup]" = field(default_factory=dict)
    """Memory cgroups by name."""
    cushion: int = 0
    """Pages that can surely be taken before kswapd has to be woken."""
    kswapd_failures: int = 0
    """Runs of kswapd in a row that freed nothing; after 16 it is not woken any more."""
    stalls: list[Counter[str]] = field(default_factory=list)
    """What direct reclaim did in this step, each time."""
    kswapd_runs: "list[KswapdRun]" = field(default_factory=list)
    """What kswapd did in this step, each time."""
    events: list[Event] = field(default_factory=list)
    """What happened in this step besides its result."""

    def __post_init__(self) -> None:
        self.sysctl = {**DEFAULT_SYSCTL, **default_reserves(self.facts.totalram_pages), **self.facts.sysctl}
        self.swap = Swap(self)
        self.zones = setup_zones(self)

    @property
    def mmap_min_addr(self) -> int:
        """The lowest address for whoever names none: what the security modules demand, or vm.mmap_min_addr."""
        return max(self.sysctl["mmap_min_addr"], self.profile.lsm_mmap_min_addr)

    @property
    def pkeys(self) -> bool:
        """Whether there are protection keys: by the CPU and the kernel."""
        return "ospke" in self.facts.cpu_flags and self.profile.pkeys

    @property
    def totalram_pages(self) -> int:
        """Pages of RAM."""
        return self.facts.totalram_pages

    @property
    def total_swap_pages(self) -> int:
        """Pages of swap."""
        return self.facts.total_swap_pages

    def note(self, event: Event) -> None:
        """Remember something that happened in this step."""
        self.events.append(event)

    def finished(self, task: Task, outcome: Outcome) -> Outcome:
        """What a call ends in: the death of a task that the OOM killer took meanwhile, with all that share its mm."""
        if not task.dying:
            return outcome
        for other in [other for other in self.tasks.values() if other.dying]:
            do_exit(self, other)
        return Outcome(-1, "", f"SIGKILL: killed by {task.killed}", "SIGKILL")

    def add_inode(self, inode: Inode) -> Inode:
        """Know a file until it is evicted; gives it."""
        self.inodes[inode] = None
        if self.file_totals is not None:
            self.file_totals.join(inode)
        return inode

    def new_anon_vma(self) -> int:
        """A fresh identity."""
        number = self.next_anon_vma
        self.next_anon_vma += 1
        return number

    def new_inode_number(self) -> int:
        """A fresh inode number."""
        number = self.next_inode
        self.next_inode += 1
        return number

    def new_pid(self, wanted: int | None = None) -> int:
        """The next free pid, or `wanted` if nobody has it."""
        if wanted is not None and wanted not in self.tasks:
            return wanted
        while self.next_pid in self.tasks:
            self.next_pid += 1
        self.next_pid += 1
        return self.next_pid - 1

    def default_rlimits(self) -> dict[str, int]:
        """Soft limits of the first process, bytes."""
        told = {name: RLIM_INFINITY if value < 0 else value for name, value in self.facts.rlimits.items()}
        return {**DEFAULT_RLIMITS, **told}

    def default_caps(self) -> frozenset[str]:
        """Capabilities of the first process."""
        facts = self.facts
        held = {
            CAP_SYS_ADMIN: facts.cap_sys_admin,
            CAP_IPC_LOCK: facts.cap_ipc_lock,
            CAP_SYS_RAWIO: facts.cap_sys_rawio,
        }
        return frozenset(name for name, has in held.items() if has)
