"""The heap of the process in focus, piece by piece and at a pace, so that looking never takes long."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from operator import is_
from typing import Final

from memtui.live.heap_allocators import Allocators, identify
from memtui.live.heap_find import Found, find, libc_of
from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_reader import Reading, read_heap
from memtui.live.heap_space import Space
from memtui.live.pace import Pace
from memtui.live.processes import mm_thread
from memtui.live.procfs import Procfs
from memtui.model.errors import NotSupported, SourceError
from memtui.model.heap import ArenaView, HeapView
from memtui.model.heap_table import ChunkTable
from memtui.model.mm import MmSnapshot

PIECE: Final = 0.15
"""Seconds that one call spends reading, about."""


class HeapReader:
    """Reads the heap of one process; what did not change is the same object as before."""

    def __init__(self, procfs: Procfs, pid: int) -> None:
        self._procfs, self._pid, self._folder = procfs, pid, str(pid)
        self._allocators: Allocators | None = None
        self._found: Found | None = None
        self._files: tuple[str, ...] = ()
        self._view: HeapView | None = None
        self._reading: Reading | None = None
        self._open = ExitStack()
        self._share = 0.0
        self._pace = Pace()
        self._spent = 0.0

    def read(self, mm: MmSnapshot) -> HeapView:
        """The heap, or as much of it as could be read by now (`HeapView.progress`).

        Raises:
            AccessDenied: its memory may not be read.
            NotSupported: its allocator is none that can be read.
            ProcessGone: it exited.
        """
        if self._reading is None:
            if self._view is not None and not self._pace.due:
                return self._view
            self._begin(mm)
        return self._go_on()

    def close(self) -> None:
        """Let go of a reading that is under way."""
        if self._reading is not None:
            self._reading.close()
        self._reading = None
        self._open.close()

    def _begin(self, mm: MmSnapshot) -> None:
        self._folder = str(mm_thread(self._procfs, self._pid))
        allocators = self._identified(mm)
        if not allocators.is_glibc:
            raise NotSupported(f"malloc is {allocators.in_words}: only glibc's heap can be read")
        memory = self._open.enter_context(ProcessMemory.opened(self._procfs, self._folder))
        try:
            space = Space(mm.vmas)
            if self._found is None:
                self._found = self._find(memory, space, mm)
            tids = self._procfs.numbers(f"{self._folder}/task")
            self._reading = read_heap(memory, self._found, space, self._pid, tids)
            self._share = self._spent = 0.0
        except BaseException:
            self._open.close()
            raise

    def _identified(self, mm: MmSnapshot) -> Allocators:
        """Anew when another file is mapped: the allocator may be loaded late, and exec brings another program."""
        files = tuple(dict.fromkeys(vma.name for vma in mm.vmas if vma.name.startswith("/")))
        if self._allocators is None or files != self._files:
            self._allocators = identify(self._procfs, self._folder, mm.vmas)
            self._files, self._found = files, None
        return self._allocators

    def _find(self, memory: ProcessMemory, space: Space, mm: MmSnapshot) -> Found:
        libc = libc_of(self._procfs, self._folder, mm.vmas)
        if libc is None:
            raise NotSupported("no libc is mapped whose heap could be read: the allocator is unknown")
        try:
            return find(memory, libc, space)
        except TornError as error:
            raise NotSupported(f"no arena of glibc is found: {error}") from error

    def _go_on(self) -> HeapView:
        assert self._reading is not None
        began = time.monotonic()
        try:
            while (now := time.monotonic()) - began < PIECE:
                self._share = next(self._reading)
        except StopIteration as end:
            self._done(end.value, self._spent + time.monotonic() - began)
            assert self._view is not None
            return self._view
        except SourceError:
            self.close()
            raise
        self._spent += now - began
        return self._so_far()

    def _so_far(self) -> HeapView:
        if self._view is not None:
            return replace(self._view, progress=self._share)
        name = self._allocators.name if self._allocators is not None else ""
        return HeapView(name, (), (), (), None, progress=self._share)

    def _done(self, view: HeapView, seconds: float) -> None:
        self.close()
        runtimes = self._allocators.runtimes if self._allocators is not None else ()
        if runtimes:
            view = replace(view, notes=(*view.notes, f"not malloc's, and not read: {', '.join(runtimes)}"))
        self._view = view if self._view is None else _same_or_new(self._view, view)
        self._pace.spent(seconds)


def _same_or_new(old: HeapView, new: HeapView) -> HeapView:
    """The old one if nothing changed; else the new one, with those of its arenas that did not."""
    arenas = tuple(
        before if before is not None and _same_arena(before, arena) else arena
        for arena, before in ((arena, _named(old.arenas, arena.name)) for arena in new.arenas)
    )
    same = (
        len(arenas) == len(old.arenas)
        and all(map(is_, arenas, old.arenas))
        and old.caches == new.caches
        and ChunkTable.of(old.mmapped).same_as(ChunkTable.of(new.mmapped))
        and (old.allocator, old.thresholds, old.torn, old.notes) == (new.allocator, new.thresholds, new.torn, new.notes)
    )
    return old if same else replace(new, arenas=arenas)


def _named(arenas: Sequence[ArenaView], name: str) -> ArenaView | None:
    return next((arena for arena in arenas if arena.name == name), None)


def _same_arena(old: ArenaView, new: ArenaView) -> bool:
    return _figures(old) == _figures(new) and (
        ChunkTable.of(old.chunks).same_as(ChunkTable.of(new.chunks)) and old.bins == new.bins
    )


def _figures(arena: ArenaView) -> tuple[object, ...]:
    return (
        arena.regions,
        arena.top,
        arena.top_size,
        arena.last_remainder,
        arena.system_mem,
        arena.max_system_mem,
        arena.contiguous,
        arena.address,
    )
