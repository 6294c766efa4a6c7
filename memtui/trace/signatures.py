"""How strace 6.1 prints a number, by the call and the place of the argument; ltrace for library calls."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from memtui.trace import constants as names

Kind = Callable[[int], str]
"""A number to its text."""
_U64: Final = (1 << 64) - 1
_U32: Final = (1 << 32) - 1


def pointer(value: int) -> str:
    """NULL or hexadecimal."""
    return hex(value & _U64) if value else "NULL"


def _nil(value: int) -> str:
    return hex(value & _U64) if value else "nil"


def _hexadecimal(value: int) -> str:
    return hex(value & _U64) if value else "0"


def _unsigned(value: int) -> str:
    return str(value & _U64)


def _int(value: int) -> str:
    return str(((value & _U32) ^ 0x8000_0000) - 0x8000_0000)


def _long(value: int) -> str:
    return str(((value & _U64) ^ (1 << 63)) - (1 << 63))


def _octal(value: int) -> str:
    return f"0{value:o}".rjust(3, "0")


def _directory(value: int) -> str:
    return "AT_FDCWD" if value == names.AT_FDCWD else _int(value)


def _one_of(table: Mapping[str, int], unknown: str) -> Kind:
    """A number that has one name, or `0x63 /* MADV_??? */`."""
    by_value = {number: name for name, number in table.items()}

    def text(value: int) -> str:
        value &= _U32
        return by_value.get(value) or f"{value:#x} /* {unknown} */"

    return text


def _bits(table: Mapping[str, int], value: int) -> tuple[list[str], int]:
    """The names of the bits in the table's order, and the bits without a name."""
    found = []
    for name, bits in table.items():
        if bits and value & bits == bits:
            found.append(name)
            value &= ~bits
    return found, value


def _flags(table: Mapping[str, int], unknown: str, mask: int = _U32) -> Kind:
    """Names joined by `|`, then the rest in hexadecimal; `0x8 /* PROT_??? */` when no bit has a name."""
    zero = next((name for name, number in table.items() if number == 0), "0")

    def text(value: int) -> str:
        value &= mask
        if not value:
            return zero
        found, rest = _bits(table, value)
        if not found:
            return f"{rest:#x} /* {unknown} */"
        return "|".join([*found, hex(rest)] if rest else found)

    return text


def _huge(value: int, name: str) -> tuple[int, list[str]]:
    """The flags without the size of a huge page (6 bits from bit 26), and that as strace prints it."""
    size = value >> names.HUGE_SHIFT & 0x3F
    return value & ~(0x3F << names.HUGE_SHIFT), [f"{size}<<{name}"] if size else []


def _map_flags(value: int) -> str:
    value, huge = _huge(value & _U64, "MAP_HUGE_SHIFT")
    shared = _one_of(names.MAP_TYPE, "MAP_???")(value & 0xF)
    found, rest = _bits(names.MAP, value & ~0xF)
    return "|".join([shared, *found, *([hex(rest)] if rest else []), *huge])


def _memfd_flags(value: int) -> str:
    value, huge = _huge(value & _U32, "MFD_HUGE_SHIFT")
    plain = [_flags(names.MFD, "MFD_???")(value)] if value or not huge else []
    return "|".join(plain + huge)


def _shmget_flags(value: int) -> str:
    value, huge = _huge(value & _U32, "SHM_HUGE_SHIFT")
    found, rest = _bits(names.SHMGET, value & ~0o777)
    return "|".join([*found, *([hex(rest)] if rest else []), *huge, _octal(value & 0o777)])


def _open_flags(value: int) -> str:
    found, rest = _bits(names.O_FLAGS, value & _U32 & ~3)
    return "|".join([_one_of(names.O_ACCMODE, "O_???")(value & 3), *found, *([hex(rest)] if rest else [])])


def _key(value: int) -> str:
    return hex(value & _U32) if value else "IPC_PRIVATE"


def _mallopt(value: int) -> str:
    by_value = {number: name for name, number in names.MALLOPT.items()}
    return by_value.get(int(_int(value)), _int(value))


_PROT: Final = _flags(names.PROT, "PROT_???", _U64)
_MADV: Final = _one_of(names.MADV, "MADV_???")
_MLOCK: Final = _flags(names.MLOCK, "MLOCK_???")
_RLIMIT: Final = _one_of(names.RLIMIT, "RLIMIT_???")
_PKEY: Final = _flags(names.PKEY, "PKEY_???", _U64)
_AT: Final = _flags(names.AT, "AT_???")
_TOUCH: Final = _flags(names.ACCESS_KINDS, "ACCESS_???")
_RANGE: Final = (pointer, _unsigned)
_BUFFER: Final = (_int, pointer, _unsigned)

SIGNATURES: Final[Mapping[str, tuple[Kind, ...]]] = MappingProxyType(
    {
        "brk": (pointer,),
        "mmap": (*_RANGE, _PROT, _map_flags, _int, _hexadecimal),
        "munmap": _RANGE,
        "mprotect": (*_RANGE, _PROT),
        "pkey_mprotect": (*_RANGE, _PROT, _int),
        "pkey_alloc": (_hexadecimal, _PKEY),
        "pkey_free": (_int,),
        "pkey_set": (_int, _PKEY),
        "mremap": (*_RANGE, _unsigned, _flags(names.MREMAP, "MREMAP_???", _U64), pointer),
        "madvise": (*_RANGE, _MADV),
        "process_madvise": (_int, pointer, _unsigned, _MADV, _hexadecimal),
        "remap_file_pages": (*_RANGE, _PROT, _unsigned, _map_flags),
        "mlock": _RANGE,
        "mlock2": (*_RANGE, _MLOCK),
        "munlock": _RANGE,
        "mlockall": (_flags(names.MCL, "MCL_???"),),
        "munlockall": (),
        "msync": (*_RANGE, _flags(names.MS, "MS_???")),
        "mincore": (*_RANGE, pointer),
        "open": (pointer, _open_flags, _octal),
        "openat": (_directory, pointer, _open_flags, _octal),
        "creat": (pointer, _octal),
        "close": (_int,),
        "read": _BUFFER,
        "write": _BUFFER,
        "pread64": (*_BUFFER, _long),
        "pwrite64": (*_BUFFER, _long),
        "lseek": (_int, _long, _one_of(names.SEEK, "SEEK_???")),
        "ftruncate": (_int, _unsigned),
        "fallocate": (_int, _flags(names.FALLOC, "FALLOC_FL_???"), _long, _long),
        "unlink": (pointer,),
        "fsync": (_int,),
        "fadvise64": (_int, _long, _unsigned, _one_of(names.FADV, "POSIX_FADV_???")),
        "fdatasync": (_int,),
        "sync": (),
        "access": (pointer, _flags(names.ACCESS, "?_OK")),
        "newfstatat": (_directory, pointer, pointer, _AT),
        "fstat": (_int, pointer),
        "memfd_create": (pointer, _memfd_flags),
        "shmget": (_key, _unsigned, _shmget_flags),
        "shmat": (_int, pointer, _flags(names.SHMAT, "SHM_???")),
        "shmdt": (pointer,),
        "shmctl": (_int, _one_of(names.SHMCTL, "SHM_???"), pointer),
        "execve": (pointer, pointer, pointer),
        "execveat": (_directory, pointer, pointer, pointer, _AT),
        "fork": (),
        "vfork": (),
        "exit": (_int,),
        "exit_group": (_int,),
        "wait4": (_int, pointer, _flags(names.WAIT, "W???"), pointer),
        "getrandom": (pointer, _unsigned, _flags(names.GRND, "GRND_???")),
        "arch_prctl": (_one_of(names.ARCH, "ARCH_???"), _hexadecimal),
        "set_tid_address": (pointer,),
        "set_robust_list": _RANGE,
        "rseq": (pointer, _hexadecimal, _hexadecimal, _hexadecimal),
        "prlimit64": (_int, _RLIMIT, pointer, pointer),
        "setrlimit": (_RLIMIT, pointer),
        "malloc": (_unsigned,),
        "calloc": (_unsigned, _unsigned),
        "realloc": (_nil, _unsigned),
        "free": (_nil,),
        "memalign": (_unsigned, _unsigned),
        "aligned_alloc": (_unsigned, _unsigned),
        "posix_memalign": (_nil, _unsigned, _unsigned),
        "mallopt": (_mallopt, _int),
        "malloc_trim": (_unsigned,),
        "touch": (*_RANGE, _TOUCH),
        "kswapd": (),
    }
)
"""Name -> the kind of each argument. Of other calls, numbers are printed as decimals."""

HEX_RESULTS: Final = frozenset({"mmap", "mremap", "brk", "shmat"})
POINTER_RESULTS: Final = frozenset({"malloc", "calloc", "realloc", "memalign", "aligned_alloc"})
"""Library calls, whose result ltrace prints as `nil` or hexadecimal."""
VOID: Final = frozenset({"free"})
