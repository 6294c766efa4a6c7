"""A heap as lists: every bin with its chunks in order, and every chunk on a row of its own."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from memtui.draw.fit import crop
from memtui.draw.heap_glyphs import LETTERS, NAMES, state_role
from memtui.draw.heap_summary import arena_title
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, human, plural
from memtui.model.heap import BinKind, ChunkState, HeapBin, HeapView
from memtui.model.heap_table import ChunkTable, index_at

_LINK: Final = " → "
_STATE_OF: Final = {BinKind.TCACHE: ChunkState.TCACHE, BinKind.FAST: ChunkState.FASTBIN}


class _Line(NamedTuple):
    """A row of the bins: a heading, or a list of chunks."""

    text: str
    held: HeapBin | None = None
    page: int = 0
    """The first of its chunks that stands on this row."""


class HeapBins:
    """The lists of free chunks, in the order in which they are given out or looked at.

    Args:
        heap: whose.
        width: cells.
    """

    def __init__(self, heap: HeapView, width: int) -> None:
        self.width = width
        self._begin = 24
        self.each = 12 + len(_LINK)
        """Cells from one chunk of a row to the next."""
        self._fit = max((width - self._begin + len(_LINK)) // self.each, 1)
        self._lines = tuple(self._all(heap))

    def _all(self, heap: HeapView) -> Iterator[_Line]:
        named = [(f"tcache of {cache.name} at {cache.address:x}", cache.bins) for cache in heap.caches]
        for title, bins in named or [("tcache", heap.tcache)]:
            yield from self._group(f"{title} · last in, first out", bins)
        for arena in heap.arenas:
            kept = [held for held in arena.bins if held.chunks]
            yield from self._group(arena_title(arena), kept)
            yield _Line(f"  top      {human(arena.top_size):>9}  {arena.top:012x}")
        if heap.mmapped:
            yield _Line(f"mapped · {plural(len(heap.mmapped), 'chunk')} with a mapping of their own, in no bin")

    def _group(self, title: str, bins: tuple[HeapBin, ...] | list[HeapBin]) -> Iterator[_Line]:
        yield _Line(title)
        if not any(held.chunks for held in bins):
            yield _Line("  no chunk is in a bin")
        for held in bins:
            for page in range(0, len(held.chunks), self._fit):
                yield _Line(_name(held) if not page else "", held, page)

    def __len__(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        if not 0 <= index < len(self._lines):
            return ()
        text, held, page = self._lines[index]
        if held is None:
            return crop((Run(f" {text}", "text.dim" if text.startswith(" ") else "title"),), self.width)
        role = state_role(_STATE_OF.get(held.kind, ChunkState.FREE))
        runs = [Run(f" {text:<{self._begin - 1}}", "key")]
        shown = held.chunks[page : page + self._fit]
        for nth, chunk in enumerate(shown, page + 1):
            more = nth < len(held.chunks)
            runs += [Run(f"{chunk:012x}", role), Run(_LINK if more else "", "text.dim")]
        return crop(runs, self.width)

    def row_of(self, address: int) -> int:
        """The row of the list that holds a chunk, or 0."""
        place = self._place(address)
        return 0 if place is None else place[0]

    def column_of(self, address: int) -> int | None:
        """The column of its address."""
        place = self._place(address)
        return None if place is None else self._begin + place[1] * self.each

    def address_at(self, row: int, column: int) -> int | None:
        """The chunk at a place; None: a heading."""
        held, page = self._lines[row].held if 0 <= row < len(self._lines) else None, 0
        if held is None:
            return None
        page = self._lines[row].page
        nth = min(max((column - self._begin) // self.each, 0), min(self._fit, len(held.chunks) - page) - 1)
        return held.chunks[page + nth]

    def _place(self, address: int) -> tuple[int, int] | None:
        for row, (_, held, page) in enumerate(self._lines):
            if held is not None:
                shown = held.chunks[page : page + self._fit]
                if address in shown:
                    return row, shown.index(address)
        return None


def _name(held: HeapBin) -> str:
    """Its kind, size and length: fast      32 B ×7."""
    size = "any size" if held.kind is BinKind.UNSORTED else f"{held.size} B"
    more = "…" if held.kind is BinKind.LARGE else ""
    return f"{held.kind.value:<8} {size + more:>7} ×{len(held.chunks)}"


class HeapChunks:
    """Every chunk on a row: any number of them, for a row is made when it is asked for.

    Args:
        heap: whose.
        width: cells.
    """

    def __init__(self, heap: HeapView, width: int) -> None:
        self.width = width
        self.heap = heap
        self._tables = [*(ChunkTable.of(arena.chunks) for arena in heap.arenas), ChunkTable.of(heap.mmapped)]
        self._firsts = list(accumulate(map(len, self._tables), initial=1))

    def __len__(self) -> int:
        return self._firsts[-1]

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        if index == 0:
            head = f"    {'chunk':<13}{'size':>13} {'usable':>13} {'step':>6} {'asked':>11}  state"
            return crop((Run(head, "oom.head"),), self.width)
        found = self._find(index)
        if found is None:
            return ()
        address, size, state = found
        owner = self.heap.owners.get(address + 16)
        usable = usable_size(size, state)
        step, asked = (str(owner.step), count(owner.requested)) if owner is not None else ("—", "—")
        return crop(
            (
                Run(f"  {LETTERS[state]} ", state_role(state)),
                Run(f"{address:012x} ", "map.address"),
                Run(f"{count(size):>13} ", "value"),
                Run(f"{count(usable):>13} ", "text"),
                Run(f"{step:>6} {asked:>11}  ", "text.dim"),
                Run(NAMES[state], state_role(state)),
            ),
            self.width,
        )

    def _find(self, row: int) -> tuple[int, int, ChunkState] | None:
        nth = bisect_right(self._firsts, row) - 1
        if not 0 <= nth < len(self._tables):
            return None
        chunk = self._tables[nth][row - self._firsts[nth]]
        return chunk.address, chunk.size, chunk.state

    def row_of(self, address: int) -> int:
        """The row of the chunk that holds a byte, or 0."""
        for first, table in zip(self._firsts, self._tables, strict=False):
            index = index_at(table, address)
            if index is not None:
                return first + index
        return 0

    def column_of(self, address: int) -> int | None:
        """No column: a row is one chunk."""
        return None

    def address_at(self, row: int, column: int) -> int | None:
        """The chunk of a row; None: the heads of the columns."""
        found = self._find(row) if row > 0 else None
        return None if found is None else found[0]


def usable_size(size: int, state: ChunkState) -> int | None:
    """What malloc_usable_size says of a chunk in use; None for what is no block."""
    if state is ChunkState.MMAPPED:
        return size - 16
    return size - 8 if state in (ChunkState.USED, ChunkState.TCACHE, ChunkState.FASTBIN, ChunkState.FREE) else None
