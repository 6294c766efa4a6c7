"""ELF knowledge of the picture on the screen, got in a thread of its own: nothing on the screen waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from memtui.model.elf_knowledge import LOADING, NOTHING_KNOWN, ElfKnowledge
from memtui.model.elf_objects import FileKey, LoadedObject, ObjectMap
from memtui.model.elf_source import ElfSource
from memtui.model.errors import SourceError
from memtui.model.mm import MmSnapshot
from memtui.model.symbols import SymbolTable
from memtui.model.vma import Vma

NO_FILES: Final = "this source has no ELF files"
READING: Final = "reading the ELF files…"
_MAPPED: Final = Vma._fields.index("kind")
"""The fields of a VMA that maps tells: those before its kind."""
_TABLES: Final = 128
"""Symbol tables that are kept."""


class ElfDesk:
    """Follows the picture and the cursor; the objects of the newest picture only are read.

    Args:
        source: makes where the knowledge comes from, in the desk's thread; its None: from nowhere.
        run: starts a coroutine on the event loop.
        tell: hears of everything new.
    """

    def __init__(
        self,
        source: Callable[[], ElfSource | None],
        run: Callable[[Coroutine[Any, Any, None]], object],
        tell: Callable[[ElfKnowledge], None],
    ) -> None:
        self.known = NOTHING_KNOWN
        self._make_source = source
        self._source: ElfSource | None = None
        self._read: MmSnapshot | None = None
        """The objects of which were read last; a later one if the same was mapped in it."""
        self._read_from_it: ObjectMap | None = None
        self._run, self._tell = run, tell
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="elf")
        self._mm: MmSnapshot | None = None
        """The picture that the objects are of, or will be."""
        self._reading = False
        self._closed = False
        self.loading: str | None = None
        """The object whose symbols are looked through for a name; None: none."""

    def close(self) -> None:
        """Drop what still waits; what is read now ends by itself."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def look(self, mm: MmSnapshot | None) -> None:
        """Learn what a new picture has mapped, unless its VMAs are those of the last one."""
        before, self._mm = self._mm, mm
        if mm is before:
            return
        if mm is None:
            self._learn(replace(self.known, objects=NOTHING_KNOWN.objects, state=""))
        elif before is None or before.pid != mm.pid or before.vmas is not mm.vmas:
            if before is None or before.pid != mm.pid:
                # What one process denied another one may grant.
                tables = {key: table for key, table in self.known.tables.items() if isinstance(table, SymbolTable)}
                self._learn(ElfKnowledge(tables=tables, state=READING))
            if not self._reading:
                self._reading = True
                self._run(self._read_objects())

    def point(self, vma: Vma | None, address: int | None) -> None:
        """Learn the symbols of what the cursor is on, if they are not known."""
        loaded = self.known.objects.object_at(vma, address) if vma is not None and address is not None else None
        if loaded is not None and loaded.key not in self.known.tables and self._mm is not None:
            self._note(loaded.key, LOADING)
            self._run(self._load(self._mm, loaded))

    async def resolve(self, name: str) -> tuple[int, LoadedObject] | None:
        """Where the symbol of this name is; objects are loaded in the order of the dynamic linker until one has it."""
        mm, order, self.loading = self._mm, self.known.objects.order, None
        for loaded in order if mm is not None else ():
            assert mm is not None
            if not isinstance(self.known.tables.get(loaded.key), SymbolTable):
                self.loading = loaded.name
                await self._load(mm, loaded)
            found = next((place for place in self.known.resolve(name) if place[1].key == loaded.key), None)
            if found is not None:
                return found
        return None

    async def _read_objects(self) -> None:
        """Until the picture that was read is the newest one."""
        loop = asyncio.get_running_loop()
        done: MmSnapshot | None = None
        try:
            while not self._closed and self._mm is not None and (done is None or done.vmas is not self._mm.vmas):
                done = self._mm
                objects = await loop.run_in_executor(self._executor, self._objects, done)
                if objects is not None and objects is self.known.objects and not self.known.state:
                    continue
                if self._mm is not None and self._mm.pid == done.pid:
                    state = NO_FILES if objects is None else ""
                    self._learn(replace(self.known, objects=objects or NOTHING_KNOWN.objects, state=state))
        finally:
            self._reading = False

    def _objects(self, mm: MmSnapshot) -> ObjectMap | None:
        """In the thread; the source is made when it is first needed, for what reads ELF files is slow to import.

        Figures of VMAs change all the time: as long as what maps says of them is the same, so are the objects.
        """
        if self._source is None:
            self._source = self._make_source()
        if self._source is not None and not _same_lines(self._read, mm):
            self._read_from_it = self._source.objects(mm)
        self._read = mm
        return self._read_from_it

    async def _load(self, mm: MmSnapshot, loaded: LoadedObject) -> None:
        if not self._closed:
            table = await asyncio.get_running_loop().run_in_executor(self._executor, self._symbols, mm, loaded)
            self._note(loaded.key, table)

    def _symbols(self, mm: MmSnapshot, loaded: LoadedObject) -> SymbolTable | str:
        """In the thread. What was asked for twice at once is read once."""
        known = self.known.tables.get(loaded.key)
        if isinstance(known, SymbolTable) or self._source is None:
            return known or LOADING
        try:
            return self._source.symbols(mm, loaded)
        except SourceError as error:
            return str(error)

    def _note(self, key: FileKey, table: SymbolTable | str) -> None:
        tables = {**self.known.tables, key: table}
        if len(tables) > _TABLES:
            del tables[next(iter(tables))]
        self._learn(replace(self.known, tables=tables))

    def _learn(self, known: ElfKnowledge) -> None:
        self.known = known
        if not self._closed:
            self._tell(known)


def _same_lines(before: MmSnapshot | None, after: MmSnapshot) -> bool:
    """Whether maps says the same of both; copies nothing, for there may be tens of thousands of VMAs."""
    if before is None or before.pid != after.pid or len(before.vmas) != len(after.vmas):
        return False
    pairs = zip(before.vmas, after.vmas, strict=True)
    return all(old is new or old[:_MAPPED] == new[:_MAPPED] for old, new in pairs)
