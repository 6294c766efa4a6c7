"""Makes series of calls: seeded, and aimed at what the address space looks like at each moment."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.oracle.mm_ops import (
    HUGE,
    MADV,
    PAGE,
    RLIMITS,
    TASK_SIZE,
    WORD,
    Area,
    Arg,
    Key,
    Op,
    Path,
    Picture,
    Ref,
    Result,
)

ARENA: Final = 0x1000_0000
"""Where many fixed addresses lie, so that they come to touch one another."""
READ, WRITE, EXEC = 0, 1, 2
SHARED, PRIVATE, DROPPABLE = 1, 2, 8
FIXED, ANONYMOUS, LOW, GROWSDOWN, LOCKED, NORESERVE, POPULATE = 0x10, 0x20, 0x40, 0x100, 0x2000, 0x4000, 0x8000
NONBLOCK, STACK, HUGETLB, SYNC, NOREPLACE, ABOVE4G = 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x80
MOST_TOUCHED: Final = 4 << 20
"""Bytes that one step may bring into memory."""

Weights = Mapping[str, int]

MIXES: Final[Mapping[str, Weights]] = {
    "anon": {"mmap": 20, "munmap": 8, "mprotect": 14, "touch": 14, "mremap": 8, "brk": 4, "madvise": 3},
    "fixed": {"mmap_fixed": 22, "munmap": 7, "mprotect": 14, "touch": 14, "mremap": 9, "madvise": 4, "mlock": 2},
    "files": {
        "open": 6, "close": 2, "dup": 3, "ftruncate": 4, "mmap_file": 20, "munmap": 6, "mprotect": 9, "touch": 12,
        "mremap": 8, "madvise": 6, "msync": 2, "unlink": 1, "pwrite": 2, "mincore": 1, "fallocate": 1,
    },
    "shared": {
        "mmap_shared": 12, "memfd": 4, "mmap_file": 10, "ftruncate": 3, "munmap": 6, "mprotect": 8, "touch": 12,
        "mremap": 9, "madvise": 5, "mlock": 2, "open": 2, "dup": 1, "fork": 1, "exit": 1,
    },
    "sysv": {
        "shmget": 4, "shmat": 12, "shmdt": 5, "shmctl": 2, "munmap": 4, "mprotect": 9, "touch": 9, "mremap": 8,
        "madvise": 4, "mlock": 2, "mmap_fixed": 4, "fork": 1, "exit": 1,
    },
    "fork": {
        "fork": 4, "exit": 3, "mmap_fixed": 14, "mmap": 6, "munmap": 5, "mprotect": 10, "touch": 14, "mremap": 9,
        "brk": 4, "madvise": 6, "mlock": 3, "mmap_shared": 2, "mlockall": 1,
    },
    "hints": {"mmap_hint": 24, "mmap_fixed": 6, "munmap": 8, "mremap": 5, "touch": 5, "mmap_file": 6, "open": 3, "brk": 2},
    "huge": {
        "mmap_huge": 18, "munmap": 8, "mremap": 9, "touch": 6, "mprotect": 6, "mmap_file": 5, "open": 2, "madvise": 4,
        "memfd": 1, "mmap": 4,
    },
    "locks": {
        "mlock": 12, "munlock": 6, "mlockall": 2, "munlockall": 1, "mmap_locked": 8, "mmap_fixed": 8, "munmap": 4,
        "mprotect": 8, "touch": 5, "mremap": 7, "brk": 4, "madvise": 6, "mmap_file": 2, "open": 1, "fork": 1, "exit": 1,
    },
    "advice": {
        "madvise": 26, "mmap_fixed": 12, "mmap_shared": 3, "mmap_file": 5, "open": 2, "memfd": 1, "touch": 10,
        "munmap": 4, "mprotect": 6, "mremap": 5, "fork": 1, "exit": 1, "mlock": 1,
    },
    "limits": {
        "setrlimit": 6, "mmap": 8, "mmap_fixed": 6, "mmap_huge": 3, "brk": 8, "mprotect": 8, "mremap": 8, "touch": 6,
        "munmap": 5, "mlock": 5, "mmap_locked": 4, "grow": 5, "fork": 1, "exit": 1, "mlockall": 1,
    },
    "brk": {"brk": 20, "mmap_heap": 8, "munmap": 5, "mprotect": 5, "touch": 7, "mremap": 3, "fork": 1, "exit": 1, "mlock": 2},
    "stack": {"grow": 14, "mmap_down": 10, "touch": 8, "munmap": 5, "mprotect": 7, "mmap_hint": 5, "setrlimit": 2, "mremap": 4,
              "madvise": 3, "mlock": 2, "fork": 1, "exit": 1},
    "errors": {
        "wrong": 30, "mmap": 5, "mmap_fixed": 4, "mmap_file": 3, "open": 3, "touch": 4, "munmap": 3, "mprotect": 4,
        "mremap": 4, "memfd": 1, "shmget": 1, "shmat": 2,
    },
    "seal": {"mseal": 4, "mmap_fixed": 14, "munmap": 8, "mprotect": 10, "mremap": 9, "madvise": 8, "touch": 5, "brk": 2,
             "mlock": 2, "shmget": 1, "shmat": 2, "fork": 1},
    "mremap": {"mremap": 24, "mmap_fixed": 10, "mmap": 4, "mmap_shared": 3, "mmap_file": 4, "open": 1, "touch": 10, "munmap": 4,
               "mprotect": 5, "madvise": 2, "mlock": 1, "shmget": 1, "shmat": 2, "fork": 1, "exit": 1},
}  # fmt: skip
"""How often each kind of step comes in a series, by the name of the mix. "all" has every kind."""

UNPRIVILEGED: Final = frozenset({"limits", "locks", "errors"})
"""Mixes of which every other series runs without CAP_IPC_LOCK, CAP_SYS_ADMIN and CAP_SYS_RAWIO."""


def weights(mix: str) -> Weights:
    """The weights of a mix."""
    if mix != "all":
        return MIXES[mix]
    total: dict[str, int] = {}
    for each in MIXES.values():
        for name, weight in each.items():
            total[name] = total.get(name, 0) + weight
    return total


class File(NamedTuple):
    """An open descriptor of one process."""

    op: int
    number: int
    kind: str
    """ "disk", "shm", "memfd", "odd" """
    writable: bool


@dataclass(slots=True)
class _Process:
    files: list[File] = field(default_factory=list)
    future: bool = False
    """mlockall(MCL_FUTURE) without ONFAULT was called."""
    picture: Picture = field(default_factory=lambda: Picture((), {}))
    start_brk: int = 0


class Generator:
    """Chooses the next step from the pictures so far. Same seed, same kernel: same series."""

    def __init__(self, seed: int | str, mix: str, guarded: Sequence[tuple[int, int]], hard: Mapping[int, int]) -> None:
        self._rng = random.Random(seed)
        names = weights(mix)
        self._kinds, self._weights = list(names), list(names.values())
        self._guarded = guarded
        self._hard = hard
        self._processes: dict[int, _Process] = {0: _Process()}
        self._unused = [5, 4, 3, 2, 1]
        self._marks: list[tuple[int, int, int]] = []
        """Results: start, bytes, step."""
        self._segments: list[tuple[int, int, int]] = []
        """Step, shmid, bytes."""
        self._next = 1
        self._made = 0
        self._self = 0
        self._me = self._processes[0]

    # ---- what happened ----

    def see(self, slot: int, picture: Picture) -> None:
        """Tell the generator what a process looks like now."""
        if slot in self._processes:
            self._processes[slot].picture = picture

    def done(self, op: Op, result: Result) -> None:
        """Tell the generator what a step gave."""
        if result.errno:
            return
        process = self._processes[op.proc]
        match op.name:
            case "mmap" | "mremap" | "shmat":
                length = {"mmap": 1, "mremap": 2}.get(op.name)
                size = op.args[length] if length else PAGE
                self._marks.append((result.value, size if isinstance(size, int) else PAGE, op.id))
            case "brk" if not process.start_brk:
                process.start_brk = result.value
                self._marks.append((result.value, 16 * PAGE, op.id))
            case "open" | "memfd_create":
                first = op.args[0]
                kind = "memfd" if op.name == "memfd_create" else first.place if isinstance(first, Path) else "odd"
                kind = kind if kind in ("disk", "shm", "memfd") else "odd"
                mode = op.args[1] if isinstance(op.args[1], int) else 0
                process.files.append(File(op.id, result.value, kind, kind == "memfd" or mode & 3 != 0))
            case "dup":
                old = next((f for f in process.files if isinstance(op.args[0], Ref) and f.op == op.args[0].op), None)
                if old:
                    process.files.append(old._replace(op=op.id, number=result.value))
            case "close":
                process.files = [
                    f for f in process.files if not (isinstance(op.args[0], Ref) and f.op == op.args[0].op)
                ]
            case "shmget":
                size = op.args[1]
                self._segments.append((op.id, result.value, size if isinstance(size, int) else PAGE))
            case "mlockall":
                process.future = op.args[0] in (2, 3)
            case "munlockall":
                process.future = False
            case "fork" | "clone":
                slot = op.args[0]
                if isinstance(slot, int):
                    self._processes[slot] = _Process(list(process.files), False, process.picture, process.start_brk)
                    self._unused.remove(slot)
            case "exit_group":
                del self._processes[op.proc]
            case _:
                pass

    def next(self) -> Op:
        """The next step."""
        rng = self._rng
        while True:
            self._self = rng.choice(list(self._processes)) if rng.random() < 0.7 else max(self._processes)
            self._me = self._processes[self._self]
            kind = rng.choices(self._kinds, self._weights)[0]
            made: tuple[str, tuple[Arg, ...]] | None = getattr(self, f"_{kind}")()
            if made is None:
                continue
            op = Op(self._next, self._self, made[0], made[1])
            self._next += 1
            return op

    # ---- choices ----

    def _chance(self, part: float) -> bool:
        return self._rng.random() < part

    def _areas(self) -> list[Area]:
        return [a for a in self._me.picture.areas if a.end <= TASK_SIZE and not self._inside_guard(a)]

    def _inside_guard(self, area: Area) -> bool:
        return any(start <= area.start and area.end <= end for start, end in self._guarded)

    def _safe(self, start: int, length: int) -> bool:
        """Whether the runner survives losing these bytes."""
        start &= -PAGE
        end = start + ((length + PAGE - 1) & -PAGE) + PAGE
        return end >= WORD or not any(start < g_end and g_start < end for g_start, g_end in self._guarded)

    def _area(self) -> Area | None:
        areas = self._areas()
        if not areas:
            return None
        recent = [a for a in areas if a.label not in ("[vvar]", "[vdso]", "[vvar_vclock]", "[stack]")]
        return self._rng.choice(recent if recent and self._chance(0.93) else areas)

    def _address(self) -> int:
        """A page near something."""
        rng = self._rng
        area = self._area()
        if area is None or self._chance(0.25):
            return ARENA + PAGE * rng.randrange(32)
        near = rng.choice((0, 0, 0, 1, -1, 2, -2, 3))
        return max(0, (area.start if self._chance(0.4) else area.end) + near * PAGE)

    def _odd(self, value: int) -> int:
        """Mostly the value, rarely one that is no multiple of a page."""
        return value + self._rng.choice((1, 8, 123, 4095)) if self._chance(0.02) else value

    def _pages(self) -> int:
        """A length in bytes."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.78:
            return rng.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 8)) * PAGE
        if pick < 0.86:
            return rng.randrange(1, 9 * PAGE)
        return rng.choice((16, 17, 33, 64, 511, 512, 513)) * PAGE

    def _range(self) -> tuple[int, int] | None:
        """Start and length of a part of the address space that has to do with a VMA."""
        rng = self._rng
        area = self._area()
        if area is None:
            return None
        pages = (area.end - area.start) // PAGE
        shape = rng.randrange(10)
        if shape < 2:
            start, count = 0, pages
        elif shape < 4:
            start, count = 0, rng.randint(1, min(pages, 64))
        elif shape < 6:
            count = rng.randint(1, min(pages, 64))
            start = pages - count
        elif shape < 8:
            start = rng.randrange(pages)
            count = rng.randint(1, min(pages - start, 64))
        else:
            start = rng.randint(-2, min(pages, 64))
            count = rng.randint(1, 10)
        return max(0, area.start + start * PAGE), count * PAGE

    def _ref(self, address: int, length: int = 0) -> Arg:
        """The address as the trace should say it: relative to a result it is near to."""
        for start, size, op in reversed(self._marks[-60:]):
            if start - 8 * PAGE <= address <= start + max(size, length) + 8 * PAGE:
                return Ref(op, address - start, address)
        return address

    def _prot(self) -> int:
        return self._rng.choices((3, 1, 0, 7, 5, 2, 4, 6), (55, 14, 11, 5, 8, 3, 3, 1))[0]

    def _fd(self) -> File | None:
        return self._rng.choice(self._me.files) if self._me.files else None

    def _of(self, file: File) -> Ref:
        return Ref(file.op, 0, file.number)

    def _cap(self, length: int) -> int:
        """A length that may be populated."""
        return min(length, MOST_TOUCHED) if length < 1 << 40 else length

    # ---- mmap ----

    def _make(
        self, address: int, length: int, prot: int, flags: int, fd: Arg = -1, offset: int = 0
    ) -> tuple[str, tuple[Arg, ...]] | None:
        if flags & FIXED and not flags & NOREPLACE and not self._safe(address, length):
            return None
        if flags & (LOCKED | POPULATE) or self._me.future:
            length = self._cap(length)
        if not address:
            return "mmap", (0, length, prot, flags, fd, offset)
        return "mmap", (self._ref(address, length), length, prot, flags, fd, offset)

    def _extras(self) -> int:
        """Flags that a mapping may have besides."""
        rng = self._rng
        flags = 0
        for bit, part in (
            (NORESERVE, 0.04),
            (POPULATE, 0.04),
            (LOCKED, 0.02),
            (STACK, 0.03),
            (GROWSDOWN, 0.02),
            (LOW, 0.02),
            (ABOVE4G, 0.01),
            (NONBLOCK, 0.01),
        ):
            if rng.random() < part:
                flags |= bit
        return flags

    def _mmap(self) -> tuple[str, tuple[Arg, ...]] | None:
        kind = self._rng.choices((PRIVATE, SHARED, DROPPABLE), (92, 6, 2))[0]
        flags = kind | ANONYMOUS | self._extras()
        pick = self._rng.random()
        address = 0
        if pick < 0.15:
            address = self._odd(self._address())
        elif pick < 0.25:
            address, flags = self._odd(self._address()), flags | self._rng.choice((FIXED, FIXED, NOREPLACE))
        return self._make(address, self._pages(), self._prot(), flags)

    def _mmap_fixed(self) -> tuple[str, tuple[Arg, ...]] | None:
        kind = self._rng.choices((PRIVATE, SHARED, DROPPABLE), (95, 4, 1))[0]
        flags = kind | ANONYMOUS | self._rng.choice((FIXED, FIXED, FIXED, NOREPLACE, 0))
        if self._chance(0.15):
            flags |= self._extras()
        length = self._rng.choice((1, 1, 2, 3, 4, 8)) * PAGE
        return self._make(self._odd(self._address()), length, self._rng.choice((3, 3, 3, 1, 0, 7)), flags)

    def _mmap_shared(self) -> tuple[str, tuple[Arg, ...]] | None:
        flags = SHARED | ANONYMOUS | (self._extras() & ~(GROWSDOWN | LOW))
        address = self._address() if self._chance(0.4) else 0
        flags |= self._rng.choice((0, FIXED)) if address else 0
        return self._make(address, self._pages(), self._prot(), flags)

    def _mmap_huge(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        length = rng.choice((1, 1, 2, 3, 4)) * HUGE + rng.choice((0, 0, 0, PAGE, -PAGE, 1, 2 * PAGE, HUGE // 2))
        flags = rng.choices((PRIVATE, SHARED), (80, 20))[0] | ANONYMOUS | rng.choice((0, 0, 0, NORESERVE, STACK))
        if self._chance(0.04):
            length = rng.choice((1 << 30, 1 << 34, 3 << 30, 1 << 36, 1 << 40, 1 << 45, 0x7FFF_0000_0000, 1 << 46))
            flags |= rng.choice((NORESERVE, 0))
        pick = rng.random()
        if pick < 0.15:
            return self._make(rng.choice((self._address(), self._address() & -HUGE)), length, self._prot(), flags)
        return self._make(0, length, rng.choice((3, 3, 1, 0)), flags)

    def _mmap_hint(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        stack = next((a.start for a in self._me.picture.areas if "gd" in a.flags), 0x7FFF_FFFD_E000)
        places = (
            lambda: self._address(),
            lambda: self._address() + rng.choice((1, 123, 4095)),
            lambda: stack - rng.choice((1, 2, 255, 256, 257, 258, 300, 512)) * PAGE,
            lambda: 0x7FFF_F7FF_F000 + rng.randrange(-4, 64) * PAGE,
            lambda: rng.choice((1, 0xFFF, 0x1000, 0x1001, 0x2000, 0xFFFF, 0x10000)),
            lambda: TASK_SIZE - rng.randrange(0, 12) * PAGE,
            lambda: rng.choice((TASK_SIZE, 1 << 47, 1 << 48, 1 << 56, WORD - PAGE, WORD - 1)),
            lambda: (
                rng.choice((0x4000_0000, 0x7FFF_F000, 0x8000_0000, 0x5000_0000, 0x9000_0000, 0xFFFF_F000))
                + rng.randrange(3) * PAGE
            ),
            lambda: 0x2000_0000 + rng.randrange(6) * HUGE,
        )
        flags = rng.choices((PRIVATE, SHARED), (85, 15))[0] | ANONYMOUS
        flags |= rng.choices((0, LOW, ABOVE4G, NOREPLACE, GROWSDOWN, FIXED), (66, 16, 4, 6, 3, 5))[0]
        length = self._pages() if self._chance(0.8) else HUGE * rng.randint(1, 3)
        address = rng.choice(places)() if self._chance(0.85) else 0
        return self._make(address % WORD, length, rng.choice((3, 3, 1, 0)), flags)

    def _mmap_locked(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        flags = (
            rng.choices((PRIVATE, SHARED), (85, 15))[0]
            | ANONYMOUS
            | rng.choice((LOCKED, LOCKED, POPULATE, LOCKED | POPULATE, LOCKED | NONBLOCK))
        )
        address = self._address() if self._chance(0.5) else 0
        flags |= FIXED if address else 0
        return self._make(address, min(self._pages(), 64 * PAGE), self._prot(), flags)

    def _mmap_down(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        flags = PRIVATE | ANONYMOUS | GROWSDOWN | rng.choice((0, 0, FIXED, NOREPLACE, STACK, LOW))
        address = (
            0 if self._chance(0.3) else self._address() if self._chance(0.5) else ARENA + rng.randrange(8) * 128 * PAGE
        )
        return self._make(address, rng.choice((1, 2, 3, 8)) * PAGE, rng.choice((3, 3, 3, 1, 0, 7)), flags)

    def _mmap_heap(self) -> tuple[str, tuple[Arg, ...]] | None:
        if not self._me.start_brk:
            return self._brk()
        address = self._me.start_brk + self._rng.randrange(0, 40) * PAGE
        flags = PRIVATE | ANONYMOUS | self._rng.choice((FIXED, NOREPLACE, 0))
        return self._make(address, self._rng.choice((1, 1, 2, 4)) * PAGE, self._rng.choice((3, 3, 0, 7, 1)), flags)

    def _mmap_file(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        file = self._fd()
        if file is None:
            return self._open()
        flags = rng.choices((SHARED, PRIVATE, 3, 0, 4), (46, 48, 4, 1, 1))[0]
        if self._chance(0.1):
            flags |= self._extras()
        if flags & 3 == 3 and self._chance(0.3):
            flags |= rng.choice((SYNC, 1 << 25))
        prot = rng.choices((3, 1, 5, 7, 0, 2), (42, 34, 10, 4, 6, 4))[0]
        offset = rng.choice((0, 0, 0, 1, 2, 3, 4, 16, 512)) * PAGE
        address, length = 0, self._pages()
        near = self._area()
        if near and near.label.startswith("/") and self._chance(0.55):
            address = near.end if self._chance(0.6) else near.start - length
            offset = near.offset + address - near.start + rng.choice((0, 0, 0, 0, PAGE))
            flags |= rng.choice((FIXED, FIXED, 0))
        elif self._chance(0.3):
            address, flags = self._address(), flags | rng.choice((FIXED, 0, NOREPLACE))
        elif self._chance(0.15):
            length = HUGE * rng.randint(1, 3) + rng.choice((0, 0, PAGE, -PAGE))
            offset = rng.choice((0, PAGE, HUGE, 2 * HUGE))
        if offset < 0 or address < 0:
            return None
        return self._make(self._odd(address) if address else 0, length, prot, flags, self._of(file), self._odd(offset))

    # ---- files ----

    def _open(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        if len(self._me.files) > 8:
            return self._close()
        if self._chance(0.06):
            return "open", (
                Path(
                    *rng.choice(
                        (("/dev", "zero"), ("/dev", "null"), ("/", "tmp"), ("/proc", "version"), ("/dev", "zero"))
                    )
                ),
                rng.choice((0, 2)),
            )
        place = rng.choice(("disk", "shm"))
        name = rng.choice(("a", "b", "c d", "e"))
        mode = rng.choices((2, 0, 1), (70, 20, 10))[0]
        return "open", (Path(place, name), mode | 0o100 | rng.choice((0, 0, 0, 0o1000)))

    def _memfd(self) -> tuple[str, tuple[Arg, ...]] | None:
        if len(self._me.files) > 8:
            return self._close()
        return "memfd_create", (self._rng.choice(("m", "fuzz", "")), self._rng.choice((0, 1, 2)))

    def _close(self) -> tuple[str, tuple[Arg, ...]] | None:
        file = self._fd()
        return ("close", (self._of(file),)) if file else None

    def _dup(self) -> tuple[str, tuple[Arg, ...]] | None:
        file = self._fd()
        return ("dup", (self._of(file),)) if file and len(self._me.files) < 9 else None

    def _ftruncate(self) -> tuple[str, tuple[Arg, ...]] | None:
        file = self._fd()
        if file is None:
            return self._open()
        size = self._rng.choice(
            (
                0,
                PAGE,
                2 * PAGE,
                5 * PAGE,
                8 * PAGE,
                64 * PAGE,
                HUGE,
                5 * HUGE,
                100,
                3 * PAGE + 77,
                -1 if self._chance(0.2) else PAGE,
            )
        )
        return "ftruncate", (self._of(file), size)

    def _fallocate(self) -> tuple[str, tuple[Arg, ...]] | None:
        file = self._fd()
        if file is None:
            return None
        return "fallocate", (
            self._of(file),
            self._rng.choice((0, 1, 3)),
            self._rng.randrange(8) * PAGE,
            self._rng.randint(1, 8) * PAGE,
        )

    def _pwrite(self) -> tuple[str, tuple[Arg, ...]] | None:
        file = self._fd()
        if file is None:
            return None
        return "pwrite64", (self._of(file), self._rng.choice((1, PAGE, 3 * PAGE)), self._rng.randrange(8) * PAGE)

    def _unlink(self) -> tuple[str, tuple[Arg, ...]] | None:
        return "unlink", (Path(self._rng.choice(("disk", "shm")), self._rng.choice(("a", "b", "c d", "e"))),)

    # ---- ranges ----

    def _munmap(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        if part is None or not self._safe(*part):
            return None
        return "munmap", (self._ref(self._odd(part[0])), self._odd(part[1]))

    def _mprotect(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        if part is None or not self._safe(*part):
            return None
        prot = self._prot() if self._chance(0.97) else self._rng.choice((0x1000001, 0x1000003, 0x2000003, 11, 16))
        if prot & 0x1000000 and not self._safe(part[0] - 4 * HUGE, 4 * HUGE):
            return None
        return "mprotect", (self._ref(self._odd(part[0])), self._odd(part[1]), prot)

    def _mremap(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        part = self._range()
        if part is None or not self._safe(*part):
            return None
        address, old = part
        pages = old // PAGE
        new = rng.choice(
            (old, old, old, old + PAGE, old + rng.randint(1, 8) * PAGE, rng.randint(1, pages) * PAGE, old * 2)
        )
        if self._chance(0.05):
            new = rng.choice((HUGE, 2 * HUGE, HUGE + PAGE, 64 * PAGE, 1 << 47, 1 << 40, 0))
        if self._chance(0.06):
            old = 0
        area = next((a for a in self._me.picture.areas if a.start <= address < a.end), None)
        if area and "lo" in area.flags.split() and new > MOST_TOUCHED:
            new = min(new, max(old, MOST_TOUCHED))
        flags = rng.choices((1, 0, 3, 5, 7, 2, 4, 8), (36, 16, 26, 9, 8, 1, 1, 1))[0]
        target: Arg = 0
        if flags & 2 or self._chance(0.15):
            to = self._odd(
                self._address() if self._chance(0.9) else rng.choice((0x1000, 0, TASK_SIZE - PAGE, ARENA + 64 * PAGE))
            )
            if flags & 2 and not self._safe(to, new):
                return None
            target = self._ref(to)
        return "mremap", (
            self._ref(self._odd(address)),
            self._odd(old) if self._chance(0.2) else old,
            self._odd(new),
            flags,
            target,
        )

    def _madvise(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        part = self._range()
        if part is None:
            return None
        advice = rng.choice(list(MADV.values())) if self._chance(0.97) else rng.choice((5, 7, 26, 99, 104, -1))
        if not self._safe(*part):
            return None
        address, length = part
        if advice in (MADV["MADV_POPULATE_READ"], MADV["MADV_POPULATE_WRITE"], MADV["MADV_COLLAPSE"]):
            length = min(length, MOST_TOUCHED)
        return "madvise", (self._ref(self._odd(address)), self._odd(length), advice)

    def _mlock(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        if part is None:
            return None
        address, length = part[0], min(part[1], MOST_TOUCHED)
        if self._chance(0.3):
            return "mlock2", (self._ref(self._odd(address)), self._odd(length), self._rng.choice((0, 1, 1, 1, 2)))
        return "mlock", (self._ref(self._odd(address)), self._odd(length))

    def _munlock(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        return ("munlock", (self._ref(self._odd(part[0])), self._odd(part[1]))) if part else None

    def _mlockall(self) -> tuple[str, tuple[Arg, ...]] | None:
        flags = self._rng.choice((1, 2, 3, 5, 6, 7, 4, 0, 8))
        small = sum(a.end - a.start for a in self._me.picture.areas) < 4 * MOST_TOUCHED
        if flags & 1 and not flags & 4 and not small:
            return None
        return "mlockall", (flags,)

    def _munlockall(self) -> tuple[str, tuple[Arg, ...]] | None:
        return "munlockall", ()

    def _msync(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        return (
            ("msync", (self._ref(self._odd(part[0])), self._odd(part[1]), self._rng.choice((1, 4, 2, 6, 5, 0, 8))))
            if part
            else None
        )

    def _mincore(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        return ("mincore", (self._ref(self._odd(part[0])), self._odd(min(part[1], 4096 * PAGE)))) if part else None

    def _mseal(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        if part is None or self._made > 6:
            return None
        self._made += 1
        return "mseal", (self._ref(self._odd(part[0])), self._odd(part[1]), self._rng.choice((0, 0, 0, 0, 1)))

    def _touch(self) -> tuple[str, tuple[Arg, ...]] | None:
        part = self._range()
        if part is None:
            return None
        mode = self._rng.choices((WRITE, READ, EXEC), (60, 32, 8))[0]
        address, length = part[0], min(part[1], 48 * PAGE)
        if mode != READ and not self._safe(address, length):
            return None
        if mode == READ and self._chance(0.1):
            address += self._rng.randrange(PAGE)
        return "touch", (self._ref(address), length, mode)

    def _grow(self) -> tuple[str, tuple[Arg, ...]] | None:
        """A touch below a VMA that grows down."""
        rng = self._rng
        down = [a for a in self._me.picture.areas if "gd" in a.flags.split()]
        if not down:
            return self._mmap_down()
        area = rng.choice(down)
        pages = rng.choice((1, 1, 2, 3, 10, 100, 200, 256, 300, 1000, 1900, 2015, 2016, 2048, 4000))
        address = area.start - pages * PAGE
        if address < 0 or not self._safe(address, PAGE):
            return None
        return "touch", (self._ref(address), rng.choice((1, 1, 1, PAGE)), rng.choice((WRITE, WRITE, READ)))

    # ---- the process ----

    def _brk(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        start = self._me.start_brk
        if not start or self._chance(0.05):
            return "brk", (0,)
        most = 64 if self._me.future else 600
        pages = rng.choice((0, 1, 2, 3, 4, 5, 8, 16, 33, 40, 64, min(512, most), min(513, most)))
        where = start + pages * PAGE + rng.choice((0, 0, 0, 1, 2048, 4095, -1))
        if self._chance(0.05):
            where = rng.choice((1, start - PAGE, 1 << 46, 0x7FFF_FFFF_0000, start + (1 << 40), WORD - 1))
        if self._me.future and where > start + MOST_TOUCHED:
            return None
        return "brk", (self._ref(where),)

    def _setrlimit(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        which = rng.choice(list(RLIMITS.values()))
        counters = self._me.picture.counters
        used = {2: "VmData", 3: "VmStk", 8: "VmLck", 9: "VmSize"}[which]
        soft = counters.get(used, 0) * 1024 + rng.choice((0, 1, 3, 16, 100, 1000, -2)) * PAGE + rng.choice((0, 0, 0, 5))
        hard = self._hard[which]
        if self._chance(0.4):
            soft = hard if which != 3 else 8 << 20
        if hard >= 0 and not 0 <= soft <= hard:
            soft = hard
        return "setrlimit", (which, soft if soft >= 0 else -1)

    def _fork(self) -> tuple[str, tuple[Arg, ...]] | None:
        if not self._unused or len(self._processes) > 3:
            return self._exit()
        if self._chance(0.12):
            return "clone", (self._unused[-1], 0x100)
        return "fork", (self._unused[-1],)

    def _exit(self) -> tuple[str, tuple[Arg, ...]] | None:
        others = [slot for slot in self._processes if slot]
        if not others:
            return None
        self._self = self._rng.choice(others)
        return "exit_group", (0,)

    # ---- System V ----

    def _shmget(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        if len(self._segments) > 7:
            return self._shmat()
        size = rng.choice((PAGE, 2 * PAGE, 3 * PAGE, 5 * PAGE, 5000, 1, 2 * HUGE, 0 if self._chance(0.1) else PAGE))
        return "shmget", (
            Key(rng.choice((-1, -1, 0, 1))),
            size,
            0o600 | rng.choice((0o1000, 0o1000, 0o1000, 0o3000, 0o11000)),
        )

    def _shmat(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        if not self._segments:
            return self._shmget()
        op, shmid, size = rng.choice(self._segments)
        flags = rng.choices((0, 0o10000, 0o20000, 0o40000, 0o100000, 0o60000), (50, 12, 10, 18, 4, 6))[0]
        address = 0
        if flags & 0o40000 or self._chance(0.35):
            address = self._odd(self._address())
            if flags & 0o20000:
                address += rng.choice((0, 100))
            if not self._safe(address, size):
                return None
        return "shmat", (Ref(op, 0, shmid), self._ref(address) if address else 0, flags)

    def _shmdt(self) -> tuple[str, tuple[Arg, ...]] | None:
        attached = [a for a in self._areas() if a.label.startswith("/SYSV")]
        if not attached or self._chance(0.1):
            return "shmdt", (self._ref(self._odd(self._address())),)
        return "shmdt", (self._ref(self._odd(self._rng.choice(attached).start)),)

    def _shmctl(self) -> tuple[str, tuple[Arg, ...]] | None:
        if not self._segments:
            return None
        op, shmid, _ = self._rng.choice(self._segments)
        return "shmctl", (Ref(op, 0, shmid), 0)

    # ---- what is wrong on purpose ----

    def _wrong(self) -> tuple[str, tuple[Arg, ...]] | None:
        rng = self._rng
        address = self._address()
        start = rng.choice((address, address + 1, 0, TASK_SIZE, TASK_SIZE - PAGE, WORD - PAGE, 1 << 47))
        length = rng.choice((0, 0, 1, PAGE, PAGE + 1, WORD - 1, WORD - PAGE, TASK_SIZE, 1 << 46, 1 << 63, 2 * PAGE))
        if start + length < WORD and length < 1 << 30 and not self._safe(start, length):
            return None
        if start < TASK_SIZE and PAGE * 4 < length < WORD - PAGE:
            start = 0x7FFF_F800_0000 if self._chance(0.5) else address
            if not self._safe(start, length):
                return None
        fd: Arg = rng.choice((-1, 99, 1, 0))
        file = self._fd()
        if file and self._chance(0.6):
            fd = self._of(file)
        makes: Sequence[Callable[[], tuple[str, tuple[Arg, ...]] | None]] = (
            lambda: self._make(
                start,
                length,
                self._prot(),
                rng.randrange(16) | ANONYMOUS | rng.choice((0, FIXED, NOREPLACE, GROWSDOWN, LOW, HUGETLB, SYNC)),
                fd,
                rng.choice((0, 0, 1, PAGE)),
            ),
            lambda: self._make(
                0,
                rng.choice((0, 1, PAGE, 8 * PAGE)),
                self._prot(),
                rng.randrange(16) | rng.choice((0, GROWSDOWN, SYNC, 1 << 22, LOCKED)),
                fd,
                rng.choice((0, PAGE, 1, (1 << 63) - PAGE, WORD - PAGE)),
            ),
            lambda: self._make(
                0, self._pages(), 3, PRIVATE | ANONYMOUS, -1, rng.choice((0, 1, PAGE, WORD - PAGE, WORD - 2 * PAGE))
            ),
            lambda: ("munmap", (start, length)),
            lambda: ("mprotect", (start, length, rng.choice((3, 0, 8, 16, 0x1000000, 0x3000000, 0x1000003)))),
            lambda: (
                "mremap",
                (
                    start,
                    length,
                    rng.choice((0, PAGE, 2 * PAGE, WORD - 1, 1 << 47)),
                    rng.randrange(9),
                    rng.choice((0, 1, ARENA, TASK_SIZE, TASK_SIZE - PAGE)),
                ),
            ),
            lambda: ("madvise", (start, length, rng.choice((*MADV.values(), 5, 6, 7, 26, 99, 104)))),
            lambda: ("mlock", (start, length)),
            lambda: ("munlock", (start, length)),
            lambda: ("msync", (start, length, rng.randrange(9))),
            lambda: ("mincore", (start, length)),
            lambda: ("mlock2", (start, length, rng.randrange(3))),
            lambda: ("brk", (rng.choice((start, length)),)),
            lambda: ("touch", (start, 1, rng.choice((0, 1)))) if self._safe(start, 1) else None,
            lambda: ("ftruncate", (fd, rng.choice((-1, 0, PAGE, 1 << 62)))),
        )
        made = rng.choice(makes)()
        return self._harmless(made) if made else None

    def _harmless(self, made: tuple[str, tuple[Arg, ...]]) -> tuple[str, tuple[Arg, ...]] | None:
        """Refuse what would lock or fill memory by the gigabyte, or hit the runner."""
        name, args = made
        first, length = (arg.known if isinstance(arg, Ref) else arg for arg in (*args, 0, 0)[:2])
        if not isinstance(first, int) or not isinstance(length, int):
            return made
        ends = (first + length) % WORD
        if (
            name in ("madvise", "mprotect", "munmap", "mremap", "mlock", "mlock2")
            and length
            and not self._safe(first, length)
        ):
            return None
        if (
            name in ("mlock", "mlock2", "madvise", "mincore")
            and length > MOST_TOUCHED
            and first < ends <= TASK_SIZE + PAGE
        ):
            return None
        if name == "mremap":
            target = args[4]
            if isinstance(target, int) and not self._safe(target, 2 * PAGE):
                return None
        return made
