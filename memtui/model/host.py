"""What the simulator needs to know of a real machine; scenarios and tests hand in a recorded one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from memtui.model.elf import ElfImage

DEFAULT_CPU_FLAGS: Final = frozenset(
    [
        *("fpu", "cx8", "cmov", "mmx", "fxsr", "sse", "sse2"),
        *("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"),
        *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"),
    ]
)
"""A CPU of the level x86-64-v3."""


class FileFacts(NamedTuple):
    """A file or directory that a trace names."""

    size: int
    """Bytes."""
    fs_type: str
    """ "ext4", "tmpfs", "overlay", ... as in /proc/mounts; "" if unknown."""
    dev: tuple[int, int]
    inode: int
    is_dir: bool = False
    mode: int = 0o644
    path: str = ""
    """The file's own path, links followed, as maps shows it; "" if it is the one that was asked for."""
    noexec: bool = False
    """Its mount has the option noexec: nothing on it is executed or mapped with PROT_EXEC."""


SIZED: Final = frozenset({"min_free_kbytes", "admin_reserve_kbytes", "user_reserve_kbytes"})
"""Sysctls of mm/ that the kernel derives from the size of RAM when it starts."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine that a simulation starts from. Pages are of 4 KiB."""

    release: str = "6.18.44"
    totalram_pages: int = (256 << 20) >> 12
    total_swap_pages: int = 0
    swap_device: str = "disk"
    """ "zram" answers at once, "ssd" reads ahead by addresses, "disk", which turns, by slots."""
    nr_cpus: int = 2
    sysctl: Mapping[str, int] = field(default_factory=dict)
    """File name below /proc/sys/vm -> value; missing: the profile's default."""
    thp_enabled: str = "madvise"
    shmem_enabled: str = "never"
    vvar_pages: int = 4
    vvar_vclock_pages: int = 2
    """0 before 6.13."""
    vdso_pages: int = 2
    vsyscall: bool = True
    rlimits: Mapping[str, int] = field(default_factory=dict)
    """ "STACK", "DATA", "AS", "MEMLOCK" -> soft limit in bytes, -1 unlimited; missing: unlimited, STACK 8 MiB."""
    cap_sys_admin: bool = True
    cap_ipc_lock: bool = True
    cap_sys_rawio: bool = True
    libc_version: str = "2.36"
    cold_cache: bool = False
    """Nothing of the disk's files is in the page cache when the simulation starts; else all that finds room."""
    read_ahead_kb: int = 128
    """/sys/block/DISK/queue/read_ahead_kb."""
    root_fs: str = "ext4"
    """The file system a path lies on that no file of the host tells."""
    cwd: str = "/"
    """The working directory that programs start in."""
    cpu_vendor: str = "GenuineIntel"
    cpu_flags: frozenset[str] = DEFAULT_CPU_FLAGS
    """As in /proc/cpuinfo: they decide which subfolders the dynamic linker looks into."""
    hard_stack_limit: int = -1
    """Hard RLIMIT_STACK in bytes, -1 unlimited."""


class Host(Protocol):
    """The real machine, or a recorded one."""

    def machine(self) -> MachineFacts:
        """RAM, swap, sysctls, sizes of the special mappings, rlimits."""
        ...

    def elf(self, path: str) -> ElfImage | None:
        """The ELF file at `path` with links followed, or None if there is none that can be read."""
        ...

    def file(self, path: str) -> FileFacts | None:
        """Size, place and kind of the file at `path`, or None if there is none."""
        ...

    def link(self, path: str) -> str:
        """What the symbolic link at `path` itself says, or "" if there is none."""
        ...

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes of the file at `path` from byte `offset` on; none if it cannot be read."""
        ...
