"""Random lines of memtui's own trace language: what processes, and an administrator, may do to memory."""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from memtui.sim.allocators import ALLOCATORS
from memtui.sim.kernel.swapfile import DEVICES
from memtui.sim.userspace.ptmalloc import PROFILES

PAGE: Final = 4096
KERNELS: Final = ("6.18", "6.18", "6.18", "6.17", "6.12", "6.6", "6.1", "5.15", "5.4", "4.18", "3.10", "2.6.32")
_ADVICE: Final = [
    "NORMAL",
    "RANDOM",
    "SEQUENTIAL",
    "WILLNEED",
    "DONTNEED",
    "DONTNEED",
    "FREE",
    "FREE",
    "REMOVE",
    "DONTFORK",
    "DOFORK",
    "MERGEABLE",
    "UNMERGEABLE",
    "HUGEPAGE",
    "HUGEPAGE",
    "NOHUGEPAGE",
    "DONTDUMP",
    "DODUMP",
    "WIPEONFORK",
    "KEEPONFORK",
    "COLD",
    "PAGEOUT",
    "PAGEOUT",
    "POPULATE_READ",
    "POPULATE_WRITE",
    "DONTNEED_LOCKED",
    "COLLAPSE",
    "GUARD_INSTALL",
    "GUARD_REMOVE",
    "HWPOISON",
]
_FILES: Final = (
    "/data/a",
    "/data/b",
    "/tmp/c",
    "/dev/shm/d",
    "/demo/hello",
    "/dev/zero",
    "/proc/self/maps",
    "/bin/true",
)
_RESOURCES: Final = ("AS", "DATA", "STACK", "MEMLOCK")
_SYSCTLS: Final = {
    "swappiness": (0, 1, 60, 100, 150, 200, 201),
    "overcommit_memory": (0, 0, 1, 2),
    "overcommit_ratio": (0, 50, 100, 400),
    "overcommit_kbytes": (0, 8192, 1 << 20),
    "page-cluster": (0, 1, 3, 5, 10),
    "min_free_kbytes": (0, 64, 1024, 8192, 1 << 22),
    "watermark_scale_factor": (1, 10, 1000, 3000),
    "dirty_ratio": (0, 1, 20, 100),
    "dirty_background_ratio": (0, 5, 10, 100),
    "dirty_bytes": (4096, 1 << 20),
    "max_map_count": (5, 40, 65530),
    "admin_reserve_kbytes": (0, 8192),
    "user_reserve_kbytes": (0, 131072),
    "oom_kill_allocating_task": (0, 1),
    "panic_on_oom": (0, 0, 1, 2),
    "drop_caches": (1, 1, 2, 3, 4),
}


class Region(NamedTuple):
    """Memory that a line made, by the name that it bound."""

    name: str
    size: int
    """Bytes."""


class Lines:
    """A source of lines. It knows what earlier lines bound, and nothing about what they did."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.ram = 0
        self._regions: list[Region] = []
        self._blocks: list[str] = []
        self._files: list[str] = []
        self._segments: list[str] = []
        self._groups: list[str] = []
        self._names = 0
        self._kinds, self._weights = zip(*_KINDS, strict=True)
        mood = [self.chance.choice((0.2, 1, 1, 3)) for _ in _KINDS]
        self._weights = [weight * factor for weight, factor in zip(self._weights, mood, strict=True)]

    def machine(self) -> str:
        """The first line: mostly small machines, whose memory is short."""
        pick = self.chance.choice
        self.ram = pick(
            (pick((1 << 20, 2 << 20, 3_000_000)), 4 << 20, 8 << 20, 16 << 20, 24 << 20, 64 << 20, 1 << 30, 16 << 30)
        )
        swap = pick((0, 64 << 10, self.ram // 4, self.ram, self.ram, 4 * self.ram))
        options = [f"ram={self.ram}", f"swap={swap}"]
        some = {
            "swap_device": f'"{pick(DEVICES)}"',
            "kernel": f'"{pick(KERNELS)}"',
            "allocator": f'"{pick(sorted(ALLOCATORS))}"',
            "glibc": f'"{pick(sorted(PROFILES))}"',
            "aslr": str(self.chance.randrange(100)),
            "stack": pick(('"unlimited"', "64K", "8M", "1G")),
            "cpus": str(pick((1, 2, 64))),
            "cache": f'"{pick(("cold", "warm"))}"',
            "pkeys": str(pick((0, 1))),
        }
        usual = ("swap_device", "kernel", "cache")
        options += [
            f"{key}={value}" for key, value in some.items() if self.chance.random() < (0.8 if key in usual else 0.15)
        ]
        return f"machine({', '.join(options)})"

    def line(self, pids: list[int], new: int) -> str:
        """One more line.

        Args:
            pids: of the processes that run.
            new: a pid that nobody had.
        """
        (kind,) = self.chance.choices(self._kinds, self._weights)
        pid = self.chance.choice(pids) if pids else new
        made = kind(self)
        if made.startswith("echo"):
            return made.replace("PID", str(self.chance.choice([pid, 0, 4711] if self.chance.random() < 0.1 else [pid])))
        return f"[pid {pid}] {made.replace('NEW', str(new))}"

    def _bound(self, call: str) -> str:
        self._names += 1
        return f"v{self._names} = {call}"

    @property
    def _last(self) -> str:
        return f"v{self._names}"

    def _size(self) -> int:
        """Bytes: pages, tables, or a good part of the machine."""
        chance = self.chance
        most = min(self.ram, 256 << 20)
        size = chance.choice(
            (
                chance.randrange(1, 20) * PAGE,
                chance.randrange(1, 20) * PAGE,
                chance.randrange(20, 700) * PAGE,
                chance.randrange(1, 5) << 21,
                most // chance.randrange(1, 9),
                most + (most >> chance.randrange(1, 5)),
            )
        )
        return size if chance.random() < 0.1 else max(size & -PAGE, PAGE)

    def _part(self) -> tuple[str, int]:
        """Start and length of a part of something mapped, seldom of nothing."""
        chance = self.chance
        if not self._regions or chance.random() < 0.02:
            return chance.choice(("0", "0x10000", "0x7ffffffde000", "0x555555558000", "-4096")), chance.choice(
                (0, 4096, 1 << 47)
            )
        region = chance.choice(self._regions[-6:] if chance.random() < 0.7 else self._regions)
        kind, size = chance.random(), region.size
        if kind < 0.35:
            return region.name, size
        grain = (1 << 21) if kind < 0.5 and size >= 4 << 21 else PAGE
        first = chance.randrange(max(size // grain, 1)) * grain
        length = min(chance.choice((grain, grain * 8, grain * 100, size)), max(size - first, PAGE))
        if chance.random() < 0.03:
            first, length = first + 17, length - 5
        return f"{region.name}+{first}", length

    def _map(self) -> str:
        chance = self.chance
        size, prot = (
            self._size(),
            chance.choice(("PROT_READ|PROT_WRITE",) * 5 + ("PROT_READ", "PROT_NONE", "PROT_READ|PROT_WRITE|PROT_EXEC")),
        )
        flags = [chance.choice(("MAP_PRIVATE", "MAP_PRIVATE", "MAP_SHARED"))]
        for flag, odds in (
            ("MAP_NORESERVE", 0.1),
            ("MAP_POPULATE", 0.15),
            ("MAP_LOCKED", 0.04),
            ("MAP_GROWSDOWN", 0.03),
            ("MAP_32BIT", 0.03),
            ("MAP_STACK", 0.03),
        ):
            flags += [flag] * (chance.random() < odds)
        address, fd, offset = "NULL", "-1", 0
        if chance.random() < 0.12:
            address, _ = self._part()
            flags += [chance.choice(("MAP_FIXED", "MAP_FIXED", "MAP_FIXED_NOREPLACE"))]
        if self._files and chance.random() < 0.4:
            fd, offset = chance.choice(self._files), chance.choice((0, 0, 0, 4096, 65536, 1 << 21))
        else:
            flags.append("MAP_ANONYMOUS")
        line = self._bound(f"mmap({address}, {size}, {prot}, {'|'.join(flags)}, {fd}, {offset})")
        self._regions.append(Region(self._last, size))
        return line

    def _touch(self) -> str:
        start, length = self._part()
        return f"touch({start}, {length}, {self.chance.choice(('WRITE', 'WRITE', 'WRITE', 'READ', 'READ', 'EXEC'))})"

    def _advise(self) -> str:
        start, length = self._part()
        return f"madvise({start}, {length}, MADV_{self.chance.choice(_ADVICE)})"

    def _ranged(self) -> str:
        start, length = self._part()
        call = self.chance.choice(
            (
                "munmap({0}, {1})",
                "munmap({0}, {1})",
                "mprotect({0}, {1}, PROT_READ)",
                "mprotect({0}, {1}, PROT_READ|PROT_WRITE)",
                "mprotect({0}, {1}, PROT_READ|PROT_WRITE)",
                "mprotect({0}, {1}, PROT_NONE)",
                "mlock({0}, {1})",
                "mlock2({0}, {1}, MLOCK_ONFAULT)",
                "munlock({0}, {1})",
                "munlock({0}, {1})",
                "msync({0}, {1}, MS_SYNC)",
                "msync({0}, {1}, MS_ASYNC)",
                "mincore({0}, {1}, NULL)",
                "mseal({0}, {1}, 0)" if self.chance.random() < 0.1 else "mincore({0}, {1}, NULL)",
            )
        )
        return call.format(start, length)

    def _move(self) -> str:
        chance = self.chance
        start, length = self._part()
        kind = chance.random()
        if kind < 0.3:
            size = chance.choice((length, length * 2, length + PAGE, max(length - PAGE, PAGE), PAGE))
            line = self._bound(f"mremap({start}, {length}, {size}, MREMAP_MAYMOVE)")
        elif kind < 0.45:
            size, line = (
                length,
                self._bound(f"mremap({start}, {length}, {length}, MREMAP_MAYMOVE|MREMAP_DONTUNMAP, NULL)"),
            )
        elif kind < 0.55:
            size, line = length, self._bound(f"mremap({start}, 0, {length}, MREMAP_MAYMOVE)")
        else:
            target, _ = self._part()
            target = chance.choice(
                (
                    target,
                    f"0x{chance.randrange(1, 64) << 24:x}",
                    f"0x{(chance.randrange(1, 64) << 24) + chance.randrange(512) * PAGE:x}",
                )
            )
            size = chance.choice((length, length, length + PAGE, PAGE))
            line = self._bound(f"mremap({start}, {length}, {size}, MREMAP_MAYMOVE|MREMAP_FIXED, {target})")
        self._regions.append(Region(self._last, size))
        return line

    def _open(self) -> str:
        chance = self.chance
        path = chance.choice(_FILES)
        line = self._bound(
            chance.choice(
                (
                    f'open("{path}", O_RDWR|O_CREAT, 0644)',
                    f'open("{path}", O_RDWR|O_CREAT, 0644)',
                    f'open("{path}", O_RDONLY)',
                    f'openat(AT_FDCWD, "{path}", O_RDWR|O_CREAT|O_TRUNC, 0600)',
                    f'creat("{path}", 0600)',
                    'memfd_create("m", 0)',
                    'memfd_create("m", MFD_ALLOW_SEALING)',
                    'shm_open("/d", O_RDWR|O_CREAT, 0600)',
                    'open("/data/archive", O_RDONLY)',
                )
            )
        )
        self._files.append(self._last)
        return line

    def _use_file(self) -> str:
        chance = self.chance
        fd = chance.choice(self._files[-5:]) if self._files else "3"
        size, at = self._size(), chance.choice((0, 0, 4096, 10_000, 1 << 20, 1 << 21))
        call = chance.choice(
            (
                'read({0}, "", {1})',
                'read({0}, "", {1})',
                'write({0}, "", {1})',
                'write({0}, "", {1})',
                'pread64({0}, "", {1}, {2})',
                'pwrite64({0}, "", {1}, {2})',
                "lseek({0}, {2}, SEEK_SET)",
                "ftruncate({0}, {1})",
                "ftruncate({0}, {2})",
                "fsync({0})",
                "fallocate({0}, 0, {2}, {1})",
                "fallocate({0}, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, {2}, {1})",
                "fallocate({0}, FALLOC_FL_ZERO_RANGE, {2}, {1})",
                "fallocate({0}, FALLOC_FL_COLLAPSE_RANGE, {2}, 65536)",
                "fallocate({0}, FALLOC_FL_INSERT_RANGE, {2}, 65536)",
                "fadvise64({0}, {2}, {1}, POSIX_FADV_DONTNEED)",
                "fadvise64({0}, {2}, {1}, POSIX_FADV_WILLNEED)",
                "fadvise64({0}, {2}, {1}, POSIX_FADV_RANDOM)",
                "close({0})",
                "dup2({0}, 9)",
                "fcntl({0}, F_ADD_SEALS, F_SEAL_WRITE|F_SEAL_SHRINK)",
                "sync()",
                f'unlink("{chance.choice(_FILES[:4])}")',
                'shm_unlink("/d")',
            )
        )
        return call.format(fd, size, at)

    def _shm(self) -> str:
        chance = self.chance
        if not self._segments or chance.random() < 0.2:
            line = self._bound(f"shmget({chance.choice(('IPC_PRIVATE', '0x1234'))}, {self._size()}, IPC_CREAT|0600)")
            self._segments.append(self._last)
            return line
        segment = chance.choice(self._segments)
        if chance.random() < 0.6:
            line = self._bound(f"shmat({segment}, NULL, {chance.choice(('0', '0', 'SHM_RDONLY'))})")
            self._regions.append(Region(self._last, chance.choice((PAGE, 1 << 20))))
            return line
        region = chance.choice(self._regions).name if self._regions else "0"
        return chance.choice(
            (
                f"shmctl({segment}, IPC_RMID, NULL)",
                f"shmctl({segment}, SHM_LOCK, NULL)",
                f"shmctl({segment}, SHM_UNLOCK, NULL)",
                f"shmdt({region})",
            )
        )

    def _fork(self) -> str:
        flags = (
            "SIGCHLD",
            "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD",
            "CLONE_VM|SIGCHLD",
            "CLONE_VM|CLONE_VFORK|SIGCHLD",
        )
        clones = [f"clone(child_stack=NULL, flags={flag})" for flag in flags]
        return f"{self.chance.choice(('fork()', 'fork()', 'fork()', 'vfork()', *clones))} = NEW"

    def _end(self) -> str:
        return self.chance.choice(
            (
                "exit_group(0)",
                "exit(0)",
                "+++ killed by SIGKILL +++",
                'execve("/demo/hello", ["hello"], 0)',
                'execve("/demo/linked", ["linked"], 0)',
                'execve("/bin/true", ["true"], 0)',
                "--- SIGCHLD {si_signo=SIGCHLD} ---",
            )
        )

    def _admin(self) -> str:
        chance = self.chance
        if chance.random() < 0.3:
            return (
                "echo 3 > /proc/sys/vm/drop_caches"
                if chance.random() < 0.6
                else f"echo {chance.choice((-1000, -500, 0, 10, 1000))} > /proc/PID/oom_score_adj"
            )
        name = chance.choice(list(_SYSCTLS))
        return f"echo {chance.choice(_SYSCTLS[name])} > /proc/sys/vm/{name}"

    def _group(self) -> str:
        chance = self.chance
        if not self._groups or chance.random() < 0.1:
            self._groups.append(f"/sys/fs/cgroup/{chance.choice(('', 'memory/'))}g{len(self._groups)}")
            return f'mkdir("{self._groups[-1]}", 0755)'
        group, size = chance.choice(self._groups), min(self.ram, 256 << 20)
        limit = chance.choice(("max", size // 2, size // 4, size // 16, 65536, 0))
        return chance.choice(
            (
                f"echo PID > {group}/cgroup.procs",
                f"echo PID > {group}/cgroup.procs",
                f"echo {limit} > {group}/memory.max",
                f"echo {limit} > {group}/memory.limit_in_bytes",
                f"echo {limit} > {group}/memory.swap.max",
                f"echo {chance.choice((0, 60, 200))} > {group}/memory.swappiness",
                f"echo {chance.choice((0, 1))} > {group}/memory.oom.group",
            )
        )

    def _allocate(self) -> str:
        chance = self.chance
        size = chance.choice((1, 24, 100, 1000, 5000, 100_000, 200_000, self._size()))
        if not self._blocks or chance.random() < 0.4:
            line = self._bound(
                chance.choice((f"malloc({size})", f"malloc({size})", f"calloc(3, {size})", f"memalign(4096, {size})"))
            )
            self._blocks.append(self._last)
            self._regions += [Region(self._last, size)] * (size >= PAGE)
            return line
        block = self._blocks.pop(chance.randrange(len(self._blocks)))
        if chance.random() < 0.3:
            line = self._bound(f"realloc({block}, {size})")
            self._blocks.append(self._last)
            return line
        return chance.choice((f"free({block})", f"free({block})", "malloc_trim(0)", "mallopt(M_MMAP_THRESHOLD, 65536)"))

    def _rest(self) -> str:
        chance = self.chance
        start, length = self._part()
        limit, resource = chance.choice((65536, 1 << 20, 16 << 20, 1 << 40)), chance.choice(_RESOURCES)
        return chance.choice(
            (
                "kswapd()",
                "kswapd()",
                f"brk({chance.choice(('NULL', '0x555555600000', '0x555555580000', '0x555556000000', start))})",
                f"prlimit64(0, RLIMIT_{resource}, {{rlim_cur={limit}, rlim_max={limit}}}, NULL)",
                "sleep(31)",
                "burn(1)",
                "nice(5)",
                "setuid(1000)" if chance.random() < 0.2 else "sleep(1)",
                "mlockall(MCL_CURRENT)",
                "mlockall(MCL_CURRENT|MCL_FUTURE|MCL_ONFAULT)",
                "munlockall()",
                'prctl(PR_SET_NAME, "x")',
                f"touch(0x7fffff{chance.randrange(128, 255):x}0000, 4096, WRITE)",
                f"remap_file_pages({start}, {length}, 0, {chance.randrange(8)}, 0)",
                f"pkey_mprotect({start}, {length}, PROT_READ|PROT_WRITE, 1)",
                "pkey_alloc(0, 0)",
                f'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, {start}, {length}, "n")',
                "touch(0xffffffffff600000, 1, EXEC)",
            )
        )


_KINDS: Final[tuple[tuple[Callable[[Lines], str], float], ...]] = (
    (Lines._map, 14),
    (Lines._touch, 22),
    (Lines._advise, 9),
    (Lines._ranged, 9),
    (Lines._move, 6),
    (Lines._open, 4),
    (Lines._use_file, 10),
    (Lines._shm, 4),
    (Lines._fork, 4),
    (Lines._end, 2),
    (Lines._admin, 3),
    (Lines._group, 4),
    (Lines._allocate, 3),
    (Lines._rest, 4),
)
"""How each kind of line is made, and how often; each series has its own taste besides."""
