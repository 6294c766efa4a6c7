"""Series on the running kernel: made up against it, or performed again."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.oracle.mm_generate import Generator
from tests.oracle.mm_mixes import UNPRIVILEGED
from tests.oracle.mm_ops import Arg, Op, Picture, Ref, Result, Series
from tests.oracle.mm_real import CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RAWIO, Real, capabilities, hard_limits

GIVES_PLACES = frozenset({"mmap", "mremap", "brk", "open", "memfd_create", "dup", "shmget", "shmat", "pkey_alloc"})
"""Calls whose result later steps may refer to."""


class Seed(NamedTuple):
    """What a series is made from."""

    mix: str
    number: int

    @property
    def capabilities(self) -> int | None:
        """The capabilities that the process keeps; None: all of them."""
        if self.mix in UNPRIVILEGED and self.number % 2:
            return capabilities() & ~(CAP_IPC_LOCK | CAP_SYS_ADMIN | CAP_SYS_RAWIO)
        return None

    @property
    def legacy(self) -> bool:
        """Whether the address space is laid out from below (ADDR_COMPAT_LAYOUT)."""
        return self.number % 6 == 5


class Step(NamedTuple):
    """One step on the running kernel."""

    op: Op
    result: Result
    pictures: Mapping[int, Picture]
    """The processes that were looked at after it: always the one that made the call, if it still lives."""


class Bindings(dict[int, int]):
    """Step -> its result: what references stand for, on one side."""

    def resolve(self, op: Op) -> tuple[Arg, ...]:
        """The step's arguments with numbers for references."""
        return tuple(
            (self[arg.op] + arg.offset if arg.op in self else arg.known) if isinstance(arg, Ref) else arg
            for arg in op.args
        )

    def note(self, op: Op, result: Result) -> None:
        """Keep a result."""
        if op.name in GIVES_PLACES and not result.errno:
            self[op.id] = result.value


EVERYONE = frozenset(
    {"fork", "clone", "exit_group", "ftruncate", "unlink", "shmctl", "madvise", "fallocate", "process_madvise"}
)
"""Steps after which every process is looked at, since they may change what others map."""


def look(real: Real, op: Op) -> dict[int, Picture]:
    """The pictures to compare after a step."""
    if op.name in EVERYONE:
        return {slot: real.picture(slot) for slot in real.pids}
    return {op.proc: real.picture(op.proc)}


def generator(real: Real, seed: Seed) -> Generator:
    """What makes up the series of `seed` for a process that just started."""
    first = real.picture(0)
    maker = Generator(f"{seed.mix}/{seed.number}", seed.mix, real.guarded(first), hard_limits())
    maker.see(0, first)
    return maker


def generate(real: Real, seed: Seed, count: int) -> Iterator[Step]:
    """Make up a series against the running kernel, step by step."""
    maker = generator(real, seed)
    known = Bindings()
    for _ in range(count):
        op = maker.next()
        result = real.perform(op, known.resolve(op))
        known.note(op, result)
        maker.done(op, result)
        pictures = look(real, op)
        for slot, picture in pictures.items():
            maker.see(slot, picture)
        yield Step(op, result, pictures)


def replay(real: Real, series: Series) -> Iterator[Step]:
    """Perform a series that is known."""
    known = Bindings()
    for op in series:
        if op.proc not in real.pids:
            continue
        result = real.perform(op, known.resolve(op))
        known.note(op, result)
        yield Step(op, result, look(real, op))
