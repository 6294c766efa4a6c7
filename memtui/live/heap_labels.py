"""What lies in the anonymous VMAs of a process: the arenas of its allocators, named on the map."""

import re
from array import array
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from memtui.live.heap_layout import HEAP_MAX
from memtui.live.heap_memory import ProcessMemory
from memtui.live.heap_python import pymalloc_labels
from memtui.live.pace import Pace
from memtui.live.processes import mm_thread
from memtui.live.procfs import Procfs
from memtui.model.errors import SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.vma import Vma, VmaKind

if TYPE_CHECKING:
    from memtui.model.heap import HeapView

_PYTHON: Final = re.compile(r"/(?:lib)?python(\d+)\.(\d+)[^/]*$")
_NOTHING: Final[Mapping[int, str]] = MappingProxyType({})


class HeapLabels:
    """Labels of one process; looked for again only when its anonymous VMAs changed, and at a pace."""

    def __init__(self, procfs: Procfs, pid: int) -> None:
        self._procfs, self._pid = procfs, pid
        self._seen = array("Q")
        """Where they start and end."""
        self._python: Mapping[int, str] = _NOTHING
        self._all: Mapping[int, str] = _NOTHING
        self._pace = Pace()
        self._looked: tuple[Vma, ...] = ()
        self._heap: HeapView | None = None
        """What was seen last."""

    def of(self, mm: MmSnapshot, heap: "HeapView | None") -> Mapping[int, str]:
        """Start of a VMA -> what is in it; the same object as long as nothing changed."""
        if mm.vmas is self._looked and heap is self._heap:
            return self._all
        version = python_version(mm)
        anonymous = array("Q", chain.from_iterable(vma[:2] for vma in mm.vmas if vma.kind is VmaKind.ANON))
        if version is not None and anonymous != self._seen and self._pace.due:
            with self._pace.measured():
                self._python = self._look(mm, version)
            self._seen = anonymous
        if version is None or anonymous == self._seen:
            self._looked, self._heap = mm.vmas, heap
        labels = {**self._python, **_heap_labels(heap, mm.vmas)}
        if labels != self._all:
            self._all = MappingProxyType(labels)
        return self._all

    def _look(self, mm: MmSnapshot, version: tuple[int, int]) -> Mapping[int, str]:
        try:
            with ProcessMemory.opened(self._procfs, str(mm_thread(self._procfs, self._pid))) as memory:
                return pymalloc_labels(memory, mm.vmas, version)
        except SourceError:
            return _NOTHING


def python_version(mm: MmSnapshot) -> tuple[int, int] | None:
    """Of the CPython that the process runs; None: it runs none."""
    for vma in mm.vmas:
        match = _PYTHON.search(vma.name)
        if match is not None:
            return int(match[1]), int(match[2])
    return None


def _heap_labels(heap: "HeapView | None", vmas: tuple[Vma, ...]) -> dict[int, str]:
    """The heaps of glibc's arenas of threads, once the heap was read."""
    if heap is None:
        return {}
    starts = {region.start & -HEAP_MAX for arena in heap.arenas if arena.name != "main" for region in arena.regions}
    return {vma.start: f"heap of arena {vma.start:x}" for vma in vmas if vma.start in starts}
