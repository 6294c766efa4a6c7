"""This machine as what the simulator starts from."""

import os
import re
import resource
import stat
from collections.abc import Callable
from typing import Final, TypedDict

from memtui.live.maps import FileSystems, parse_line
from memtui.live.meminfo import read_system
from memtui.live.mounts import Mount, mount_of, parse_mountinfo
from memtui.live.procfs import Procfs
from memtui.model.elf import ElfImage
from memtui.model.errors import ParseError, SourceError
from memtui.model.host import FileFacts, MachineFacts

_CAP_IPC_LOCK, _CAP_SYS_RAWIO, _CAP_SYS_ADMIN = 14, 17, 21
"""Bits of CapEff (include/uapi/linux/capability.h)."""
_RLIMITS: Final = {
    "STACK": resource.RLIMIT_STACK,
    "DATA": resource.RLIMIT_DATA,
    "AS": resource.RLIMIT_AS,
    "MEMLOCK": resource.RLIMIT_MEMLOCK,
}


class _Cpu(TypedDict, total=False):
    """The fields of `MachineFacts` about the CPU."""

    cpu_vendor: str
    cpu_flags: frozenset[str]


_CHOSEN: Final = re.compile(r"\[(\w+)\]")


class LiveHost:
    """Answers of `model.host.Host` from the running machine.

    Args:
        read_elf: reads the headers of a file; raises OSError or ParseError if there is none.
        procfs: the proc tree.
        sysfs: the root of the sys tree.
    """

    def __init__(
        self, read_elf: Callable[[str], ElfImage], *, procfs: Procfs | None = None, sysfs: str = "/sys"
    ) -> None:
        self._read_elf = read_elf
        self._procfs = procfs or Procfs()
        self._thp = Procfs(f"{sysfs}/kernel/mm/transparent_hugepage")
        self._bdi = Procfs(f"{sysfs}/class/bdi")
        self._block = Procfs(f"{sysfs}/class/block")
        self._mounts: tuple[Mount, ...] | None = None
        self._elves: dict[str, ElfImage] = {}

    def machine(self) -> MachineFacts:
        """RAM, swap, sysctls, sizes of the special mappings, rlimits and capabilities of this very process.

        What cannot be read keeps the default of `MachineFacts`.

        Raises:
            SourceError: meminfo or our own maps or status cannot be read.
        """
        system = read_system(self._procfs)
        if system.totalpages is None:
            raise SourceError("RAM and swap are unknown", hint=system.unknown.get("meminfo", ""))
        special = self._special_pages()
        capabilities = self._capabilities()
        root = mount_of(self._all_mounts(), "/")
        usual = MachineFacts()
        return MachineFacts(
            release=system.release or usual.release,
            totalram_pages=system.meminfo["MemTotal"] // 4,
            total_swap_pages=system.meminfo["SwapTotal"] // 4,
            swap_device=_swap_device([device.name for device in system.swaps], self._block, usual.swap_device),
            nr_cpus=os.cpu_count() or usual.nr_cpus,
            sysctl=system.sysctl,
            thp_enabled=self._chosen("enabled", usual.thp_enabled),
            shmem_enabled=self._chosen("shmem_enabled", usual.shmem_enabled),
            vvar_pages=special.get("[vvar]", 0),
            vvar_vclock_pages=special.get("[vvar_vclock]", 0),
            vdso_pages=special.get("[vdso]", 0),
            vsyscall="[vsyscall]" in special,
            rlimits={name: resource.getrlimit(number)[0] for name, number in _RLIMITS.items()},
            cap_sys_admin=bool(capabilities >> _CAP_SYS_ADMIN & 1),
            cap_ipc_lock=bool(capabilities >> _CAP_IPC_LOCK & 1),
            cap_sys_rawio=bool(capabilities >> _CAP_SYS_RAWIO & 1),
            libc_version=_libc_version() or usual.libc_version,
            read_ahead_kb=self._read_ahead(usual.read_ahead_kb),
            root_fs=root.fs_type if root is not None else usual.root_fs,
            cwd=_cwd(usual.cwd),
            hard_stack_limit=resource.getrlimit(resource.RLIMIT_STACK)[1],
            **self._cpu(),
        )

    def _read_ahead(self, usual: int) -> int:
        """KiB that the root's disk is read ahead; other disks may differ."""
        device = os.stat("/").st_dev
        try:
            return int(self._bdi.read(f"{os.major(device)}:{os.minor(device)}/read_ahead_kb"))
        except (SourceError, ValueError):
            return usual

    def elf(self, path: str) -> ElfImage | None:
        """The ELF file at `path` with links followed, or None if there is none that can be read."""
        try:
            path = os.path.realpath(path)
            if path not in self._elves:
                self._elves[path] = self._read_elf(path)
            return self._elves[path]
        except (OSError, ParseError, ValueError):
            return None

    def file(self, path: str) -> FileFacts | None:
        """Size, place and kind of the file at `path` with links followed, or None if there is none."""
        try:
            facts = os.stat(path)
        except (OSError, ValueError):
            return None
        dev = (os.major(facts.st_dev), os.minor(facts.st_dev))
        return FileFacts(
            size=facts.st_size,
            fs_type=self._fs_type(path, dev),
            dev=dev,
            inode=facts.st_ino,
            is_dir=stat.S_ISDIR(facts.st_mode),
            mode=stat.S_IMODE(facts.st_mode),
            path=os.path.realpath(path),
            noexec=_noexec(path),
        )

    def link(self, path: str) -> str:
        """What the symbolic link at `path` itself says, or "" if there is none."""
        try:
            return os.readlink(path)
        except (OSError, ValueError):
            return ""

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes of the file at `path` from byte `offset` on; none if it cannot be read."""
        try:
            with open(path, "rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except (OSError, ValueError):
            return b""

    def _cpu(self) -> "_Cpu":
        """Vendor and flags of the first CPU, as far as they can be read."""
        try:
            text = self._procfs.read("cpuinfo").decode("ascii", errors="replace")
        except SourceError:
            return {}
        vendor = re.search(r"^vendor_id\s*:\s*(\S+)", text, re.MULTILINE)
        flags = re.search(r"^flags\s*:\s*(.*)", text, re.MULTILINE)
        if vendor is None or flags is None:
            return {}
        return {"cpu_vendor": vendor[1], "cpu_flags": frozenset(flags[1].split())}

    def _fs_type(self, path: str, dev: tuple[int, int]) -> str:
        """By the device; a file system that gives its files other devices (btrfs) by the path."""
        mounts = self._all_mounts()
        mount = next((mount for mount in mounts if mount.dev == dev), None) or mount_of(mounts, os.path.realpath(path))
        return "" if mount is None else mount.fs_type

    def _all_mounts(self) -> tuple[Mount, ...]:
        if self._mounts is None:
            self._mounts = parse_mountinfo(self._procfs.read("self/mountinfo"))
        return self._mounts

    def _special_pages(self) -> dict[str, int]:
        lines = self._procfs.read("self/maps").splitlines()
        vmas = (parse_line(line, FileSystems()) for line in lines if line.endswith(b"]"))
        return {vma.name: vma.pages for vma in vmas}

    def _capabilities(self) -> int:
        match = re.search(rb"^CapEff:\s*([0-9a-f]+)", self._procfs.read("self/status"), re.MULTILINE)
        return int(match[1], 16) if match else 0

    def _chosen(self, name: str, usual: str) -> str:
        try:
            match = _CHOSEN.search(self._thp.read(name).decode("ascii", errors="replace"))
        except SourceError:
            return "never"  # a kernel without huge pages has no such file
        return match[1] if match else usual


def _noexec(path: str) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
    except OSError:
        return False


def _cwd(usual: str) -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return usual


def _libc_version() -> str | None:
    """The version of glibc ("2.36"), None for another libc."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    return version if name == "glibc" and version else None


def _swap_device(names: list[str], block: Procfs, usual: str) -> str:
    """Of which kind the first of the swap devices is; of a file that is not told: as usual."""
    name = names[0].removeprefix("/dev/") if names else ""
    if name.startswith("zram"):
        return "zram"
    for queue in (f"{name}/queue", f"{name}/../queue"):
        try:
            return "disk" if int(block.read(f"{queue}/rotational")) else "ssd"
        except (SourceError, ValueError):
            continue
    return usual
