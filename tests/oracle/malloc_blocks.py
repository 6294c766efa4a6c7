"""What the comparisons of allocators have in common: a series' packed calls, its blocks, and the pages that it made."""

import struct
from collections.abc import Iterable, Sequence

from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import VmaKind
from memtui.sim.kernel.task import Task
from memtui.sim.userspace.allocator import Allocator
from memtui.sim.userspace.jemalloc import Jemalloc
from memtui.sim.userspace.ptmalloc import Ptmalloc
from memtui.sim.userspace.tcmalloc import Tcmalloc
from tests.oracle.malloc_series import Kind, Op

Span = tuple[int, int]


def packed(ops: Sequence[Op]) -> bytes:
    """A series as the drivers read it: their number, then struct op of malloc_calls.h for each."""
    calls = (struct.pack("<HHIQQ", op.kind, op.thread, op.slot, op.a, op.b) for op in ops)
    return struct.pack("<Q", len(ops)) + b"".join(calls)


def spans(mm: MmSnapshot) -> list[Span]:
    """Start and end of each VMA."""
    return [(vma.start, vma.end) for vma in mm.vmas]


def by_page(runs: Iterable[PageRun]) -> dict[int, Residence]:
    """Residence of each page that is not absent."""
    return {run.start + n * PAGE_SIZE: run.residence for run in runs for n in range(run.pages)}


def new_pages(mm: MmSnapshot, old: Iterable[Span]) -> dict[int, Residence]:
    """The pages of the heap and of anonymous mappings that do not lie in the old VMAs."""
    kinds = (VmaKind.HEAP, VmaKind.ANON)
    return _without(old, (run for vma in mm.vmas if vma.kind in kinds for run in vma.runs or ()))


def new_simulated_pages(task: Task, old: Iterable[Span]) -> dict[int, Residence]:
    """The same of a simulated process."""
    mm = task.mm
    vmas = (vma for vma in mm.tree.span(0, 1 << 47) if vma.anonymous and not vma.name)
    return _without(old, (run for vma in vmas for run in mm.pages.runs(vma.start, vma.end)))


def _without(old: Iterable[Span], runs: Iterable[PageRun]) -> dict[int, Residence]:
    found = by_page(runs)
    for start, end in old:
        for page in range(start, end, PAGE_SIZE) if end - start < 1 << 30 else ():
            found.pop(page, None)
    return found


class Blocks:
    """The blocks of a series by slot, as the drivers keep them."""

    def __init__(self, malloc: Allocator) -> None:
        self._malloc = malloc
        self._slots: dict[int, int] = {}

    def at(self, slot: int) -> int:
        """Address of a slot's block, or 0."""
        return self._slots.get(slot, 0)

    def allocate(self, op: Op) -> int:
        """A call of the malloc family, as allocate() of malloc_calls.h makes it; its result."""
        malloc, block = self._malloc, self.at(op.slot)
        match op.kind:
            case Kind.FREE:
                malloc.free(block)
                self._slots[op.slot] = 0
                return 0
            case Kind.REALLOC:
                given = malloc.realloc(block, op.a)
                if given or not op.a:
                    self._slots[op.slot] = given
                return given
            case Kind.POSIX_MEMALIGN:
                error, self._slots[op.slot] = malloc.posix_memalign(op.a, op.b)
                return error
        self._slots[op.slot] = given = self._new(op)
        return given

    def _new(self, op: Op) -> int:
        malloc = self._malloc
        match op.kind:
            case Kind.MALLOC:
                return malloc.malloc(op.a)
            case Kind.CALLOC:
                return malloc.calloc(op.a, op.b)
            case Kind.MEMALIGN:
                return malloc.memalign(op.a, op.b)
            case Kind.ALIGNED_ALLOC:
                return malloc.aligned_alloc(op.a, op.b)
        assert isinstance(malloc, (Ptmalloc, Jemalloc, Tcmalloc))
        if op.kind is Kind.VALLOC:
            return malloc.valloc(op.a)
        assert op.kind is Kind.PVALLOC
        assert not isinstance(malloc, Jemalloc), "jemalloc has no pvalloc"
        return malloc.pvalloc(op.a)
