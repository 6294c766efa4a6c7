"""Names of bits and numbers on x86-64: what a trace may say for a number.

Values: the kernel's include/uapi (6.18) and glibc's malloc.h. The groups that strace prints as flags stand in the
order in which strace 6.1 prints them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from memtui.model.errors import ParseError
from memtui.trace.errnos import ERRNO_MESSAGES, ERRNO_NUMBERS, errno_name
from memtui.trace.line import Arg, Array, Fd, Flags, Keyword, Number, Opaque, Struct, Text, Variable

__all__ = ["CONSTANTS", "ERRNO_MESSAGES", "ERRNO_NUMBERS", "errno_name", "value_of"]


def _numbered(names: str, first: int = 0) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


AT_FDCWD: Final = -100
HUGE_SHIFT: Final = 26
"""MAP_HUGE_SHIFT, MFD_HUGE_SHIFT and SHM_HUGE_SHIFT."""

PROT: Final = {
    "PROT_NONE": 0,
    "PROT_READ": 1,
    "PROT_WRITE": 2,
    "PROT_EXEC": 4,
    "PROT_SEM": 8,
    "PROT_GROWSDOWN": 0x0100_0000,
    "PROT_GROWSUP": 0x0200_0000,
}
MAP_TYPE: Final = {"MAP_FILE": 0, "MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_SHARED_VALIDATE": 3}
MAP: Final = {
    "MAP_FIXED": 0x10,
    "MAP_ANONYMOUS": 0x20,
    "MAP_32BIT": 0x40,
    "MAP_NORESERVE": 0x4000,
    "MAP_POPULATE": 0x8000,
    "MAP_NONBLOCK": 0x1_0000,
    "MAP_GROWSDOWN": 0x100,
    "MAP_DENYWRITE": 0x800,
    "MAP_EXECUTABLE": 0x1000,
    "MAP_LOCKED": 0x2000,
    "MAP_STACK": 0x2_0000,
    "MAP_HUGETLB": 0x4_0000,
    "MAP_SYNC": 0x8_0000,
    "MAP_FIXED_NOREPLACE": 0x10_0000,
}
_MAP_MORE: Final = {
    "MAP_ANON": 0x20,
    "MAP_ABOVE4G": 0x80,
    "MAP_DROPPABLE": 8,
    "MAP_HUGE_2MB": 21 << HUGE_SHIFT,
    "MAP_HUGE_1GB": 30 << HUGE_SHIFT,
}
PKEY: Final = {"PKEY_DISABLE_ACCESS": 1, "PKEY_DISABLE_WRITE": 2, "PKEY_DISABLE_EXECUTE": 4}
MREMAP: Final = {"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4}
MADV: Final = {
    **_numbered("MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED"),
    **_numbered("MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE", 8),
    **_numbered("MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT", 15),
    **_numbered("MADV_POPULATE_READ MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE", 22),
    **_numbered("MADV_HWPOISON MADV_SOFT_OFFLINE", 100),
}
FADV: Final = _numbered(
    "POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED POSIX_FADV_DONTNEED "
    "POSIX_FADV_NOREUSE"
)
_MADV_MORE: Final = {"MADV_GUARD_INSTALL": 102, "MADV_GUARD_REMOVE": 103}
"""Newer than strace 6.1, which prints them as numbers."""
MS: Final = {"MS_SYNC": 4, "MS_ASYNC": 1, "MS_INVALIDATE": 2}
MCL: Final = {"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4}
MLOCK: Final = {"MLOCK_ONFAULT": 1}
O_ACCMODE: Final = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_ACCMODE": 3}
O_FLAGS: Final = {
    "O_CREAT": 0o100,
    "O_EXCL": 0o200,
    "O_NOCTTY": 0o400,
    "O_TRUNC": 0o1000,
    "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000,
    "O_SYNC": 0o4010000,
    "__O_SYNC": 0o4000000,
    "O_DSYNC": 0o10000,
    "O_DIRECT": 0o40000,
    "O_LARGEFILE": 0o100000,
    "O_NOFOLLOW": 0o400000,
    "O_NOATIME": 0o1000000,
    "O_CLOEXEC": 0o2000000,
    "O_PATH": 0o10000000,
    "O_TMPFILE": 0o20200000,
    "__O_TMPFILE": 0o20000000,
    "O_DIRECTORY": 0o200000,
    "FASYNC": 0o20000,
}
CLONE: Final = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_VM": 0x100,
    "CLONE_FS": 0x200,
    "CLONE_FILES": 0x400,
    "CLONE_SIGHAND": 0x800,
    "CLONE_PIDFD": 0x1000,
    "CLONE_PTRACE": 0x2000,
    "CLONE_VFORK": 0x4000,
    "CLONE_PARENT": 0x8000,
    "CLONE_THREAD": 0x1_0000,
    "CLONE_NEWNS": 0x2_0000,
    "CLONE_SYSVSEM": 0x4_0000,
    "CLONE_SETTLS": 0x8_0000,
    "CLONE_PARENT_SETTID": 0x10_0000,
    "CLONE_CHILD_CLEARTID": 0x20_0000,
    "CLONE_DETACHED": 0x40_0000,
    "CLONE_UNTRACED": 0x80_0000,
    "CLONE_CHILD_SETTID": 0x100_0000,
    "CLONE_NEWCGROUP": 0x200_0000,
    "CLONE_NEWUTS": 0x400_0000,
    "CLONE_NEWIPC": 0x800_0000,
    "CLONE_NEWUSER": 0x1000_0000,
    "CLONE_NEWPID": 0x2000_0000,
    "CLONE_NEWNET": 0x4000_0000,
    "CLONE_IO": 0x8000_0000,
    "CLONE_CLEAR_SIGHAND": 0x1_0000_0000,
    "CLONE_INTO_CGROUP": 0x2_0000_0000,
}
IPC_PRIVATE: Final = {"IPC_PRIVATE": 0}
SHMGET: Final = {"IPC_CREAT": 0o1000, "IPC_EXCL": 0o2000, "SHM_HUGETLB": 0o4000, "SHM_NORESERVE": 0o10000}
SHMAT: Final = {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}
SHMCTL: Final = {
    **_numbered("IPC_RMID IPC_SET IPC_STAT IPC_INFO"),
    **_numbered("SHM_LOCK SHM_UNLOCK SHM_STAT SHM_INFO SHM_STAT_ANY", 11),
}
MFD: Final = {"MFD_CLOEXEC": 1, "MFD_ALLOW_SEALING": 2, "MFD_HUGETLB": 4}
_MFD_MORE: Final = {"MFD_NOEXEC_SEAL": 8, "MFD_EXEC": 16}
PERSONALITY: Final = {
    "UNAME26": 0x2_0000,
    "ADDR_NO_RANDOMIZE": 0x4_0000,
    "FDPIC_FUNCPTRS": 0x8_0000,
    "MMAP_PAGE_ZERO": 0x10_0000,
    "ADDR_COMPAT_LAYOUT": 0x20_0000,
    "READ_IMPLIES_EXEC": 0x40_0000,
    "ADDR_LIMIT_32BIT": 0x80_0000,
    "SHORT_INODE": 0x100_0000,
    "WHOLE_SECONDS": 0x200_0000,
    "STICKY_TIMEOUTS": 0x400_0000,
    "ADDR_LIMIT_3GB": 0x800_0000,
}
_PERSONA: Final = {"PER_LINUX": 0, "PER_LINUX32": 8}
RLIMIT: Final = _numbered(
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE "
    "RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME"
)
_RLIM: Final = {"RLIM_INFINITY": (1 << 64) - 1, "RLIM64_INFINITY": (1 << 64) - 1}
SEEK: Final = _numbered("SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE")
MALLOPT: Final = {
    "M_MXFAST": 1,
    "M_TRIM_THRESHOLD": -1,
    "M_TOP_PAD": -2,
    "M_MMAP_THRESHOLD": -3,
    "M_MMAP_MAX": -4,
    "M_CHECK_ACTION": -5,
    "M_PERTURB": -6,
    "M_ARENA_TEST": -7,
    "M_ARENA_MAX": -8,
}
GRND: Final = {"GRND_NONBLOCK": 1, "GRND_RANDOM": 2, "GRND_INSECURE": 4}
FALLOC: Final = {
    "FALLOC_FL_KEEP_SIZE": 1,
    "FALLOC_FL_PUNCH_HOLE": 2,
    "FALLOC_FL_NO_HIDE_STALE": 4,
    "FALLOC_FL_COLLAPSE_RANGE": 8,
    "FALLOC_FL_ZERO_RANGE": 16,
    "FALLOC_FL_INSERT_RANGE": 32,
    "FALLOC_FL_UNSHARE_RANGE": 64,
}
ACCESS: Final = {"F_OK": 0, "R_OK": 4, "W_OK": 2, "X_OK": 1}
AT: Final = {
    "AT_SYMLINK_NOFOLLOW": 0x100,
    "AT_REMOVEDIR": 0x200,
    "AT_SYMLINK_FOLLOW": 0x400,
    "AT_NO_AUTOMOUNT": 0x800,
    "AT_EMPTY_PATH": 0x1000,
}
_AT_MORE: Final = {"AT_EXECVE_CHECK": 0x10000}
ARCH: Final = _numbered("ARCH_SET_GS ARCH_SET_FS ARCH_GET_FS ARCH_GET_GS", 0x1001)
FCNTL: Final = {"F_ADD_SEALS": 1033, "F_GET_SEALS": 1034}
"""The commands of fcntl(2) that concern memory."""
F_SEAL: Final = {
    "F_SEAL_SEAL": 1,
    "F_SEAL_SHRINK": 2,
    "F_SEAL_GROW": 4,
    "F_SEAL_WRITE": 8,
    "F_SEAL_FUTURE_WRITE": 16,
    "F_SEAL_EXEC": 32,
}
PR: Final = {
    "PR_SET_VMA": 0x53564D41,
    "PR_SET_VMA_ANON_NAME": 0,
    "PR_SET_NAME": 15,
    "PR_SET_THP_DISABLE": 41,
    "PR_GET_THP_DISABLE": 42,
    "PR_THP_DISABLE_EXCEPT_ADVISED": 2,
    "PR_SET_MDWE": 65,
    "PR_GET_MDWE": 66,
    "PR_MDWE_REFUSE_EXEC_GAIN": 1,
    "PR_MDWE_NO_INHERIT": 2,
    "PR_SET_MEMORY_MERGE": 67,
    "PR_GET_MEMORY_MERGE": 68,
}
WAIT: Final = {"WNOHANG": 1, "WUNTRACED": 2, "WSTOPPED": 2, "WEXITED": 4, "WCONTINUED": 8, "__WALL": 0x4000_0000}
SIGNALS: Final = _numbered(
    "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM "
    "SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF "
    "SIGWINCH SIGIO SIGPWR SIGSYS",
    1,
)
FILE_TYPES: Final = {
    "S_IFSOCK": 0o140000,
    "S_IFLNK": 0o120000,
    "S_IFREG": 0o100000,
    "S_IFBLK": 0o60000,
    "S_IFDIR": 0o40000,
    "S_IFCHR": 0o20000,
    "S_IFIFO": 0o10000,
    "S_ISUID": 0o4000,
    "S_ISGID": 0o2000,
    "S_ISVTX": 0o1000,
}
EXECS: Final = frozenset({"execve", "execveat"})
"""Calls that start another program in the same process."""
ACCESS_KINDS: Final = {"READ": 1, "WRITE": 2, "EXEC": 4}
"""How touch(addr, len, ...) accesses memory; the bits of PROT_*."""

CONSTANTS: Final[Mapping[str, int]] = MappingProxyType(
    {"AT_FDCWD": AT_FDCWD, "O_NDELAY": O_FLAGS["O_NONBLOCK"]}
    | {**PROT, **MAP_TYPE, **MAP, **_MAP_MORE, **PKEY, **MREMAP, **MADV, **_MADV_MORE, **FADV, **MS, **MCL, **MLOCK}
    | {**O_ACCMODE, **O_FLAGS, **CLONE, **IPC_PRIVATE, **SHMGET, **SHMAT, **SHMCTL, **MFD, **_MFD_MORE}
    | {
        **RLIMIT,
        **_RLIM,
        **PERSONALITY,
        **_PERSONA,
        **SEEK,
        **MALLOPT,
        **GRND,
        **FALLOC,
        **ACCESS,
        **AT,
        **_AT_MORE,
        **ARCH,
        **PR,
        **FCNTL,
        **F_SEAL,
        **WAIT,
    }
    | {**SIGNALS, **FILE_TYPES, **ACCESS_KINDS}
)
"""PROT_READ -> 1 and so on: every name that may stand for a number."""


def value_of(arg: Arg, env: Mapping[str, int]) -> int:
    """The number that an argument stands for.

    Args:
        arg: Number, Flags, Fd, Variable, or a Keyword whose value is one of these.
        env: bound name -> value (an address, mostly).

    Raises:
        ParseError: a name that is neither a constant nor bound, or an argument that is no number.
    """
    match arg:
        case Number(value=value) | Fd(number=value):
            return value
        case Flags(names=names, bits=bits):
            for name in names:
                bits |= _named(name, env)
            return bits
        case Variable(name=name, offset=offset):
            if name not in env:
                raise ParseError(f"no value is bound to {name}", hint=f"an earlier line must say {name} = CALL(...)")
            return env[name] + offset
        case Keyword(value=value):
            return value_of(value, env)
        case _:
            raise ParseError(f"expected a number, not {_kind(arg)}")


def _named(name: str, env: Mapping[str, int]) -> int:
    value = CONSTANTS.get(name)
    if value is None:
        value = env.get(name)
    if value is None:
        raise ParseError(f"unknown name {name}", hint="neither a constant nor bound by an earlier line")
    return value


def _kind(arg: Arg) -> str:
    match arg:
        case Text():
            return "a string"
        case Array():
            return "an array"
        case Struct():
            return "a struct"
        case Opaque(text=text):
            return repr(text)
        case _:
            return type(arg).__name__
