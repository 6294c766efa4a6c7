"""What a generator knows of a series so far, and the choices that every kind of step makes."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.oracle.mm_ops import PAGE, TASK_SIZE, WORD, Area, Arg, Op, Picture, Ref, Result

ARENA: Final = 0x1000_0000
"""Where many fixed addresses lie, so that they come to touch one another."""
MOST_TOUCHED: Final = 4 << 20
"""Bytes that one step may bring into memory."""
_LATEST: Final = 60
"""Results that an address may be written relative to."""

Made = tuple[str, tuple[Arg, ...]]
"""Name and arguments of a step."""


class File(NamedTuple):
    """An open descriptor of one process."""

    op: int
    number: int


@dataclass(slots=True)
class Space:
    """One address space of the series."""

    picture: Picture = field(default_factory=lambda: Picture((), {}))
    keys: list[File] = field(default_factory=list)
    """Protection keys that were allocated."""
    future: bool = False
    """mlockall(MCL_FUTURE) was called without MCL_ONFAULT."""


@dataclass(slots=True)
class Process:
    """One process of the series."""

    files: list[File] = field(default_factory=list)
    space: Space = field(default_factory=Space)
    """Shared by those that clone() made with CLONE_VM."""
    start_brk: int = 0
    """0: not asked for yet."""

    @property
    def picture(self) -> Picture:
        """The address space after the last step in it."""
        return self.space.picture

    @property
    def future(self) -> bool:
        """Whether what is mapped is populated at once."""
        return self.space.future


class Scene:
    """The state of a series, with the process `slot` about to make a step.

    Args:
        rng: every choice comes from it.
        guarded: what the runner lives on, bytes.
        hard: hard resource limits, bytes; -1: none.
    """

    def __init__(self, rng: random.Random, guarded: Sequence[tuple[int, int]], hard: Mapping[int, int]) -> None:
        self.rng = rng
        self.guarded = guarded
        self.hard = hard
        self.processes: dict[int, Process] = {0: Process()}
        self.unused = [5, 4, 3, 2, 1]
        """Slots for new processes."""
        self.segments: list[tuple[int, int, int]] = []
        """System V segments: step, shmid, bytes."""
        self.seals = 0
        self.slot = 0
        self._marks: list[tuple[int, int, int]] = []
        """Results that are addresses: start, bytes, step."""

    @property
    def me(self) -> Process:
        """The process that makes the step."""
        return self.processes[self.slot]

    # ---- what happened ----

    def done(self, op: Op, result: Result) -> None:
        """Take in what a step gave."""
        note = getattr(self, f"_after_{op.name}", None)
        if note is not None and not result.errno:
            note(op, result, self.processes[op.proc])

    def _after_mmap(self, op: Op, result: Result, _process: Process) -> None:
        length = op.args[{"mmap": 1, "mremap": 2, "shmat": 0}[op.name]]
        self._marks.append((result.value, length if isinstance(length, int) else PAGE, op.id))

    _after_mremap = _after_shmat = _after_mmap

    def _after_brk(self, op: Op, result: Result, process: Process) -> None:
        if not process.start_brk:
            process.start_brk = result.value
            self._marks.append((result.value, 16 * PAGE, op.id))

    def _after_open(self, op: Op, result: Result, process: Process) -> None:
        process.files.append(File(op.id, result.value))

    def _after_pkey_alloc(self, op: Op, result: Result, process: Process) -> None:
        process.space.keys.append(File(op.id, result.value))

    def _after_pkey_free(self, op: Op, _result: Result, process: Process) -> None:
        keys, gone = process.space.keys, op.args[0]
        keys[:] = [key for key in keys if not (isinstance(gone, Ref) and key.op == gone.op)]

    _after_memfd_create = _after_dup = _after_open

    def _after_close(self, op: Op, _result: Result, process: Process) -> None:
        fd = op.args[0]
        process.files = [file for file in process.files if not (isinstance(fd, Ref) and file.op == fd.op)]

    def _after_shmget(self, op: Op, result: Result, _process: Process) -> None:
        size = op.args[1]
        known = [bytes_ for _, shmid, bytes_ in self.segments if shmid == result.value]
        self.segments.append((op.id, result.value, max(known, default=size if isinstance(size, int) else PAGE)))

    def _after_mlockall(self, op: Op, _result: Result, process: Process) -> None:
        process.space.future = op.args[0] in (2, 3)

    def _after_munlockall(self, _op: Op, _result: Result, process: Process) -> None:
        process.space.future = False

    def _after_fork(self, op: Op, _result: Result, process: Process) -> None:
        slot = op.args[0]
        if isinstance(slot, int):
            space = process.space if op.name == "clone" else Space(process.space.picture, list(process.space.keys))
            self.processes[slot] = Process(list(process.files), space, process.start_brk)
            self.unused.remove(slot)

    _after_clone = _after_fork

    def _after_exit_group(self, op: Op, _result: Result, _process: Process) -> None:
        del self.processes[op.proc]

    # ---- choices ----

    def chance(self, part: float) -> bool:
        """True in `part` of all cases."""
        return self.rng.random() < part

    def areas(self) -> list[Area]:
        """The VMAs that a step may aim at."""
        return [a for a in self.me.picture.areas if a.end <= TASK_SIZE and not self._inside_guard(a)]

    def within(self, start: int, length: int) -> list[Area]:
        """The VMAs of a range."""
        return [area for area in self.me.picture.areas if area.start < start + length and start < area.end]

    def _inside_guard(self, area: Area) -> bool:
        return any(start <= area.start and area.end <= end for start, end in self.guarded)

    def safe(self, start: int, length: int) -> bool:
        """Whether the runner survives losing these bytes."""
        start &= -PAGE
        end = start + ((length + PAGE - 1) & -PAGE)
        return end >= WORD or not any(start < g_end and g_start < end + PAGE for g_start, g_end in self.guarded)

    def area(self) -> Area | None:
        """One of them."""
        areas = self.areas()
        if not areas:
            return None
        recent = [a for a in areas if a.label not in ("[vvar]", "[vdso]", "[vvar_vclock]", "[stack]")]
        return self.rng.choice(recent if recent and self.chance(0.93) else areas)

    def address(self) -> int:
        """A page near something."""
        rng = self.rng
        area = self.area()
        if area is None or self.chance(0.25):
            return ARENA + PAGE * rng.randrange(32)
        near = rng.choice((0, 0, 0, 1, -1, 2, -2, 3))
        return max(0, (area.start if self.chance(0.4) else area.end) + near * PAGE)

    def odd(self, value: int) -> int:
        """Mostly the value, rarely one that is no multiple of a page."""
        return value + self.rng.choice((1, 8, 123, 4095)) if self.chance(0.02) else value

    def length(self) -> int:
        """A length in bytes."""
        rng = self.rng
        pick = rng.random()
        if pick < 0.78:
            return rng.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 8)) * PAGE
        if pick < 0.86:
            return rng.randrange(1, 9 * PAGE)
        return rng.choice((16, 17, 33, 64, 511, 512, 513)) * PAGE

    def range(self) -> tuple[int, int] | None:
        """Start and length of a part of the address space that has to do with a VMA."""
        rng = self.rng
        if self.chance(0.12) and (far := self.stretch()) is not None:
            return far
        area = self.area()
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

    def stretch(self) -> tuple[int, int] | None:
        """Start and length of a part that reaches over several VMAs, and holes between them."""
        rng = self.rng
        areas = sorted(self.areas())
        if len(areas) < 2:
            return None
        first = rng.randrange(len(areas) - 1)
        last = min(first + rng.choice((1, 1, 2, 3, 6)), len(areas) - 1)
        start = areas[first].start + rng.choice((0, 0, 0, PAGE, -PAGE))
        end = areas[last].end + rng.choice((0, 0, 0, PAGE, -PAGE))
        return (start, end - start) if 0 <= start < end and end - start <= 4 * MOST_TOUCHED else None

    def ref(self, address: int, length: int = 0) -> Arg:
        """The address as the trace should say it: relative to a result it is near to."""
        for start, size, op in reversed(self._marks[-_LATEST:]):
            if start - 8 * PAGE <= address <= start + max(size, length) + 8 * PAGE:
                return Ref(op, address - start, address)
        return address

    def prot(self) -> int:
        """A protection, mostly read and write."""
        return self.rng.choices((3, 1, 0, 7, 5, 2, 4, 6), (55, 14, 11, 5, 8, 3, 3, 1))[0]

    def fd(self) -> File | None:
        """One of the process's open files."""
        return self.rng.choice(self.me.files) if self.me.files else None

    def of(self, file: File) -> Ref:
        """The descriptor as an argument."""
        return Ref(file.op, 0, file.number)

    def key(self) -> Arg:
        """A protection key: mostly one that was allocated; never 0, which the runner lives on."""
        keys = self.me.space.keys
        if keys and self.chance(0.8):
            return self.of(self.rng.choice(keys))
        return self.rng.choice((1, 1, 2, 3, 15, 16, -2, -1))

    def cap(self, length: int) -> int:
        """A length that may be populated."""
        return min(length, MOST_TOUCHED) if length <= TASK_SIZE else length
