"""The steps of a series: what is called, with arguments that may refer to earlier results, and as lines of a trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

PAGE: Final = 4096
HUGE: Final = 2 << 20
TASK_SIZE: Final = 0x7FFF_FFFF_F000
WORD: Final = 1 << 64

PROT: Final = {
    "PROT_READ": 1,
    "PROT_WRITE": 2,
    "PROT_EXEC": 4,
    "PROT_SEM": 8,
    "PROT_GROWSDOWN": 0x1000000,
    "PROT_GROWSUP": 0x2000000,
}
MAP: Final = {
    "MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_FIXED": 0x10, "MAP_ANONYMOUS": 0x20, "MAP_32BIT": 0x40,
    "MAP_ABOVE4G": 0x80, "MAP_GROWSDOWN": 0x100, "MAP_DENYWRITE": 0x800, "MAP_LOCKED": 0x2000,
    "MAP_NORESERVE": 0x4000, "MAP_POPULATE": 0x8000, "MAP_NONBLOCK": 0x10000, "MAP_STACK": 0x20000,
    "MAP_HUGETLB": 0x40000, "MAP_SYNC": 0x80000, "MAP_FIXED_NOREPLACE": 0x100000,
}  # fmt: skip
MAP_TYPES: Final = {1: "MAP_SHARED", 2: "MAP_PRIVATE", 3: "MAP_SHARED_VALIDATE", 8: "MAP_DROPPABLE"}
MREMAP: Final = {"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4}
MADV: Final = {
    "MADV_NORMAL": 0, "MADV_RANDOM": 1, "MADV_SEQUENTIAL": 2, "MADV_WILLNEED": 3, "MADV_DONTNEED": 4, "MADV_FREE": 8,
    "MADV_REMOVE": 9, "MADV_DONTFORK": 10, "MADV_DOFORK": 11, "MADV_MERGEABLE": 12, "MADV_UNMERGEABLE": 13,
    "MADV_HUGEPAGE": 14, "MADV_NOHUGEPAGE": 15, "MADV_DONTDUMP": 16, "MADV_DODUMP": 17, "MADV_WIPEONFORK": 18,
    "MADV_KEEPONFORK": 19, "MADV_COLD": 20, "MADV_PAGEOUT": 21, "MADV_POPULATE_READ": 22, "MADV_POPULATE_WRITE": 23,
    "MADV_DONTNEED_LOCKED": 24, "MADV_COLLAPSE": 25, "MADV_GUARD_INSTALL": 102, "MADV_GUARD_REMOVE": 103,
}  # fmt: skip
"""MADV_HWPOISON (100) and MADV_SOFT_OFFLINE (101) are left out: they take the machine's memory away."""
PERSONALITY: Final = {"ADDR_NO_RANDOMIZE": 0x40000, "READ_IMPLIES_EXEC": 0x400000}
PKEY: Final = {"PKEY_DISABLE_ACCESS": 1, "PKEY_DISABLE_WRITE": 2, "PKEY_DISABLE_EXECUTE": 4}
MCL: Final = {"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4}
MS: Final = {"MS_ASYNC": 1, "MS_INVALIDATE": 2, "MS_SYNC": 4}
OPEN: Final = {"O_WRONLY": 1, "O_RDWR": 2, "O_CREAT": 0o100, "O_TRUNC": 0o1000}
SHMAT: Final = {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}
SHMGET: Final = {"IPC_CREAT": 0o1000, "IPC_EXCL": 0o2000, "SHM_NORESERVE": 0o10000}
MFD: Final = {"MFD_CLOEXEC": 1, "MFD_ALLOW_SEALING": 2}
CLONE: Final = {"CLONE_VM": 0x100}
RLIMITS: Final = {"RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9}
RLIMIT_NAMES: Final = {number: name for name, number in RLIMITS.items()}
ADVICE_NAMES: Final = {number: name for name, number in MADV.items()}
TOUCHES: Final = ("READ", "WRITE", "EXEC")


DIRECTORIES: Final = {"disk": "/tmp/mm-fuzz", "shm": "/dev/shm/mm-fuzz"}
"""What a printed trace names the directories of a series; children are pid 1001 and so on."""


class Ref(NamedTuple):
    """The result of the step `op`, plus `offset` bytes."""

    op: int
    offset: int = 0
    known: int = 0
    """The sum when the series was made; what stands for it once the step is taken out."""


class Path(NamedTuple):
    """A file of the series: `place` is "disk", "shm" or a directory of the machine."""

    place: str
    name: str


class Key(NamedTuple):
    """A System V key, counted from the series' own first one."""

    number: int


Arg = int | Ref | Path | Key | str


class Op(NamedTuple):
    """One step: process `proc` of the series calls `name`.

    Besides system calls: `touch(addr, length, mode)`, `fork(slot)`, `clone(slot, flags)`, `exit_group(status)`;
    `setrlimit(resource, soft)` keeps the hard limit.
    """

    id: int
    proc: int
    name: str
    args: tuple[Arg, ...]


class Result(NamedTuple):
    """What a step gave: like strace, -1 with an errno's name; or the signal of a touch."""

    value: int
    errno: str = ""
    signal: str = ""
    """ "SIGSEGV/1": the signal and its si_code."""
    data: bytes = b""
    """What an output buffer holds (mincore)."""
    why: str = ""
    """The simulator's reason."""


class Area(NamedTuple):
    """One VMA as smaps tells it."""

    start: int
    end: int
    perms: str
    offset: int
    label: str
    flags: str
    """VmFlags, and "pkey:N" where the protection key is not 0."""


def told_flags(letters: str, key: int) -> str:
    """`Area.flags`."""
    return f"{letters} pkey:{key}".lstrip() if key else letters


class Picture(NamedTuple):
    """An address space after a step."""

    areas: tuple[Area, ...]
    counters: Mapping[str, int]
    """KiB, by the names of /proc/PID/status."""


Series = Sequence[Op]


def _bits(value: int, names: Mapping[str, int], zero: str = "0") -> str:
    parts = []
    for name, bit in names.items():
        if value & bit == bit:
            parts.append(name)
            value &= ~bit
    if value or not parts:
        parts.append(hex(value) if value else zero)
    return "|".join(parts)


def _map_flags(value: int) -> str:
    kind = MAP_TYPES.get(value & 15)
    rest = _bits(value & ~15 if kind else value, MAP, "")
    return "|".join(part for part in (kind, rest) if part) or "0"


def _prot(value: int) -> str:
    return _bits(value, PROT, "PROT_NONE")


_FORMS: Final[Mapping[str, str]] = {
    "mmap": "alpmfn", "munmap": "al", "mprotect": "alp", "mremap": "allra", "madvise": "alA", "mlock": "al",
    "mlock2": "aln", "munlock": "al", "mlockall": "L", "munlockall": "", "msync": "alS", "mincore": "al",
    "mseal": "aln", "brk": "a", "touch": "alT", "open": "so", "close": "f", "dup": "f", "ftruncate": "fn",
    "fallocate": "fnnn", "memfd_create": "sM", "unlink": "s", "pwrite64": "fnn", "shmget": "kng", "shmat": "faI",
    "process_madvise": "nalAn", "personality": "P", "prctl": "nnnnn",
    "pkey_alloc": "nK", "pkey_free": "f", "pkey_mprotect": "alpf", "pkey_set": "fK",
    "pread64": "fnn", "fsync": "f", "fadvise64": "fnnn",
    "shmdt": "a", "remap_file_pages": "alpnn", "shmctl": "fn", "add_seals": "fn", "setrlimit": "Rn", "fork": "n",
    "clone": "nC", "exit_group": "n",
}  # fmt: skip
"""How the arguments of each call are written, a letter an argument: see `_FORMATS`."""

_FORMATS: Final[Mapping[str, Callable[[int], str]]] = {
    "a": lambda value: hex(value) if value else "NULL",
    "p": _prot,
    "m": _map_flags,
    "r": lambda value: _bits(value, MREMAP),
    "A": lambda value: ADVICE_NAMES.get(value, str(value)),
    "P": lambda value: "PER_LINUX" + (f"|{_bits(value, PERSONALITY)}" if value else ""),
    "K": lambda value: _bits(value, PKEY),
    "L": lambda value: _bits(value, MCL),
    "S": lambda value: _bits(value, MS),
    "T": lambda value: TOUCHES[value],
    "o": lambda value: ("O_RDONLY|" if not value & 3 else "") + _bits(value, OPEN, "") if value else "O_RDONLY",
    "M": lambda value: _bits(value, MFD),
    "g": lambda value: _bits(value & ~0o777, SHMGET, "0") + f"|0{value & 0o777:o}",
    "I": lambda value: _bits(value, SHMAT),
    "R": lambda value: RLIMIT_NAMES.get(value, str(value)),
    "C": lambda value: _bits(value, CLONE),
}


def number(arg: Arg) -> int:
    """The value that an argument had when the series was made."""
    return arg.known if isinstance(arg, Ref) else arg if isinstance(arg, int) else 0


def arguments(op: Op) -> Iterator[tuple[str, Arg]]:
    """Each argument with its letter."""
    return zip(_FORMS[op.name], op.args, strict=True)


def _written(form: str, arg: Arg, bound: Mapping[int, str]) -> str:
    if isinstance(arg, Path):
        return f'"{DIRECTORIES.get(arg.place, arg.place)}/{arg.name}"'
    if isinstance(arg, Key):
        return "IPC_PRIVATE" if arg.number < 0 else hex(0x4000_0000 + arg.number)
    if isinstance(arg, str):
        return f'"{arg}"'
    if isinstance(arg, Ref) and arg.op in bound:
        return f"{bound[arg.op]}{arg.offset:+d}" if arg.offset else bound[arg.op]
    return _FORMATS.get(form, str)(number(arg))


_STRACE: Final[Mapping[str, str]] = {
    "mincore": "mincore({}, {}, NULL)",
    "open": "openat(AT_FDCWD, {}, {}, 0600)",
    "unlink": "unlink({})",
    "pwrite64": 'pwrite64({}, "", {}, {})',
    "pread64": 'pread64({}, "", {}, {})',
    "shmctl": "shmctl({}, {}, NULL)",
    "setrlimit": "prlimit64(0, {}, {{rlim_cur={}, rlim_max=RLIM64_INFINITY}}, NULL)",
    "fork": "fork() = 100{}",
    "clone": "clone(child_stack=NULL, flags={1}) = 100{0}",
    "add_seals": "fcntl({}, 1033, {})",
    "mseal": "mseal({}, {}, {})",
    "process_madvise": "process_madvise(100{}, [{{iov_base={}, iov_len={}}}], 1, {}, {})",
}
"""Where the trace differs from `name(arg, ...)`."""


def line(op: Op, bound: Mapping[int, str]) -> str:
    """The step as a line of a trace; `bound` gives the names of earlier results."""
    written = [_written(form, arg, bound) for form, arg in arguments(op)]
    template = _STRACE.get(op.name, op.name + "(" + ", ".join("{}" for _ in written) + ")")
    bind = f"{bound[op.id]} = " if op.id in bound else ""
    prefix = f"[pid 100{op.proc}] " if op.proc else ""
    return prefix + bind + template.format(*written)


def lines(series: Series) -> list[str]:
    """The series as a trace; results that are used later get a name."""
    present = {op.id for op in series}
    used = {arg.op for op in series for arg in op.args if isinstance(arg, Ref)} & present
    bound = {op.id: f"{op.name[0]}{count}" for count, op in enumerate(o for o in series if o.id in used)}
    return [line(op, bound) for op in series]
