"""What is read beside the address space of the process in focus: its heap, labels, files, single pages."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memtui.live.file_cache import FileCacheReader
from memtui.live.heap_labels import HeapLabels
from memtui.live.page_flags import examine
from memtui.live.processes import mm_thread
from memtui.live.procfs import Procfs
from memtui.live.status import printable
from memtui.model.errors import ProcessGone, SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Examined

if TYPE_CHECKING:
    from memtui.live.heap import HeapReader
    from memtui.model.heap import HeapView


class Extras:
    """Of one process. The heap and single pages are read only while somebody wants them."""

    def __init__(self, procfs: Procfs, pid: int) -> None:
        self._procfs = procfs
        self._pid = pid
        self._heap: HeapReader | None = None
        self._labels = HeapLabels(procfs, pid)
        self._files = FileCacheReader(procfs)
        self._examined: Examined | None = None
        self.address: int | None = None
        """Around which single pages are looked at; None: nowhere."""
        self._last: tuple[MmSnapshot, MmSnapshot] | None = None
        """An address space as it was read, and with all this."""

    @property
    def wants_heap(self) -> bool:
        """Whether the heap is read."""
        return self._heap is not None

    def want_heap(self, *, wanted: bool) -> None:
        """Read the heap from now on, or let go of it."""
        if not wanted:
            self.close()
        elif self._heap is None:
            from memtui.live.heap import HeapReader

            self._heap = HeapReader(self._procfs, self._pid)

    def watch(self, paths: tuple[str, ...]) -> None:
        """Files that are told of besides those of the process."""
        self._files.paths = paths

    def close(self) -> None:
        """Let go of a reading of the heap that is under way."""
        if self._heap is not None:
            self._heap.close()
        self._heap = None

    def added(self, mm: MmSnapshot) -> MmSnapshot:
        """The same with all this; the very object that was given before if neither changed.

        Raises:
            ProcessGone: it exited.
        """
        try:
            return self._added(mm)
        except ProcessGone as error:
            raise ProcessGone(f"process {mm.pid} ({printable(mm.comm)}) has exited") from error

    def _added(self, mm: MmSnapshot) -> MmSnapshot:
        heap, why = self._read_heap(mm)
        facts: dict[str, Any] = {
            "heap": heap,
            "labels": self._labels.of(mm, heap),
            "files": self._files.read(str(mm_thread(self._procfs, mm.pid)), mm.vmas),
            "examined": self._look(mm),
        }
        unknown = {**mm.unknown, "heap": why} if why else mm.unknown
        if self._last is not None:
            before, given = self._last
            same = all(getattr(given, name) is fact for name, fact in facts.items())
            if before is mm and same and given.unknown == unknown:
                return given
        given = replace(mm, unknown=unknown, **facts)
        self._last = mm, given
        return given

    def _read_heap(self, mm: MmSnapshot) -> "tuple[HeapView | None, str]":
        if self._heap is None:
            return None, ""
        try:
            return self._heap.read(mm), ""
        except ProcessGone:
            raise
        except SourceError as error:
            return None, str(error)

    def _look(self, mm: MmSnapshot) -> Examined | None:
        """The pages around the address; the same object as before if nothing changed."""
        address = self.address
        vma = None if address is None else next((vma for vma in mm.vmas if vma.start <= address < vma.end), None)
        if address is None or vma is None or vma.runs is None:
            self._examined = None
        else:
            now = examine(self._procfs, str(mm_thread(self._procfs, mm.pid)), vma, address)
            if now != self._examined:
                self._examined = now
        return self._examined
