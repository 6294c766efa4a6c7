"""The chunks of all arenas as cells: equal parts of memory, coloured by who holds them."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.draw.fit import crop
from memtui.draw.heap_glyphs import FILLS, LETTERS, state_role
from memtui.draw.heap_summary import arena_title, summary_rows
from memtui.draw.run import Row, Run
from memtui.draw.sizes import human
from memtui.model.address import Range
from memtui.model.heap import HeapView
from memtui.model.heap_table import STATES, ChunkTable, first_from

SMALLEST: Final = 4
"""log2 of the bytes that a cell stands for at least: the alignment of chunks."""
_DENSE: Final = 400
"""Chunks of a row, on an average, that can be drawn without delay."""
_MARGIN: Final = 14
_GROUP: Final = 8
"""The cells of a row are a multiple of it, so that its address is round."""
_FILL: Final = tuple(FILLS[state] for state in STATES)
_LETTER: Final = tuple(LETTERS[state] for state in STATES)
_ROLE: Final = tuple(state_role(state) for state in STATES)
_EMPTY: Final = (" ", "text")


class _Block(NamedTuple):
    """One region: a title, then rows of cells."""

    first: int
    """Its first row, the title."""
    title: str
    chunks: ChunkTable
    region: Range
    base: int
    """Address of the first cell."""
    rows: int
    """Of cells."""


class HeapPicture:
    """Rows of cells, made when they are asked for; a row costs O(chunks in it).

    Args:
        heap: to draw.
        width: cells.
        shift: log2 of the bytes in a cell; None: so that all of it has `height` rows, as far as that goes.
        height: rows.
    """

    def __init__(self, heap: HeapView, width: int, shift: int | None, height: int) -> None:
        self.width = width
        self.heap = heap
        self._summary = summary_rows(heap, width)
        self._behind = height < 2 * len(self._summary)
        """Whether the figures stand below the picture, because there is not room for both."""
        self._cells = max((width - _MARGIN) // _GROUP * _GROUP, 1)
        self._tables = [ChunkTable.of(arena.chunks) for arena in heap.arenas]
        self.shift = self._allowed(self._fitting(height) if shift is None else shift)
        self._blocks = self._laid_out()
        self._firsts = [block.first for block in self._blocks]
        self._length = sum(block.rows + 1 for block in self._blocks) + len(self._summary)
        self._summary_at = self._length - len(self._summary) if self._behind else 0

    @property
    def scale(self) -> str:
        """For the heading."""
        return f"a cell is {human(1 << self.shift)}"

    def __len__(self) -> int:
        return self._length

    def row(self, index: int) -> Row:
        """Row `index`, or the empty row outside."""
        nth = index - self._summary_at
        if 0 <= nth < len(self._summary):
            return self._summary[nth]
        block = self._block(index)
        if block is None:
            return ()
        if index == block.first:
            return crop((Run(f" {block.title}", "title"),), self.width)
        start = block.base + (index - block.first - 1) * self._stride
        return crop((Run(f" {start:012x} ", "map.address"), *self._row_of_cells(block, start)), self.width)

    @property
    def _stride(self) -> int:
        """Bytes of a row."""
        return self._cells << self.shift

    def _fitting(self, height: int) -> int:
        size = sum(region.size for arena in self.heap.arenas for region in arena.regions)
        shift = SMALLEST
        while size >> shift > self._cells * max(height - (0 if self._behind else len(self._summary)) - 1, 4):
            shift += 1
        return shift

    def _allowed(self, shift: int) -> int:
        """Not so coarse that a row has more chunks than can be drawn at once."""
        chunks = sum(map(len, self._tables))
        size = sum(region.size for arena in self.heap.arenas for region in arena.regions)
        coarsest = SMALLEST
        while chunks and (self._cells << (coarsest + 1)) * chunks // max(size, 1) <= _DENSE and coarsest < 30:
            coarsest += 1
        return min(max(shift, SMALLEST), coarsest)

    def _laid_out(self) -> list[_Block]:
        blocks: list[_Block] = []
        first = 0 if self._behind else len(self._summary)
        for arena, table in zip(self.heap.arenas, self._tables, strict=True):
            for nth, region in enumerate(arena.regions):
                base = region.start >> self.shift << self.shift
                rows = -(-(region.end - base) // self._stride)
                title = arena_title(arena) if nth == 0 else f"arena {arena.name}, from {region.start:x}"
                blocks.append(_Block(first, title, table, region, base, rows))
                first += rows + 1
        return blocks

    def _block(self, row: int) -> _Block | None:
        nth = bisect_right(self._firsts, row) - 1
        block = self._blocks[nth] if nth >= 0 else None
        return block if block is not None and row <= block.first + block.rows else None

    # Addresses

    def row_of(self, address: int) -> int:
        """The row whose cells have the byte, or 0."""
        block = self._holding(address)
        return 0 if block is None else block.first + 1 + (address - block.base) // self._stride

    def column_of(self, address: int) -> int | None:
        """The column of its cell."""
        block = self._holding(address)
        return None if block is None else _MARGIN + ((address - block.base) % self._stride >> self.shift)

    def address_at(self, row: int, column: int) -> int | None:
        """The chunk at a cell: its address; None: no row of cells, or nothing there."""
        block = self._block(row)
        if block is None or row == block.first:
            return None
        column = min(max(column - _MARGIN, 0), self._cells - 1)
        at = block.base + (row - block.first - 1) * self._stride + (column << self.shift)
        at = min(max(at, block.region.start), block.region.end - 1)
        nth = first_from(block.chunks, at)
        return block.chunks.addresses[nth] if nth < len(block.chunks) else None

    def _holding(self, address: int) -> _Block | None:
        return next((block for block in self._blocks if block.region.start <= address < block.region.end), None)

    # Cells

    def _row_of_cells(self, block: _Block, start: int) -> Sequence[Run]:
        looks = [_EMPTY] * self._cells
        begun: dict[int, int] = {}
        weights: dict[int, dict[int, int]] = {}
        table, shift, end = block.chunks, self.shift, min(start + self._stride, block.region.end)
        nth = first_from(table, max(start, block.region.start))
        while nth < len(table) and (address := table.addresses[nth]) < end:
            state, behind = table.states[nth], min(address + table.sizes[nth], end)
            if address >= start:
                cell = (address - start) >> shift
                begun[cell] = begun.get(cell, 0) + 1
            self._spread(looks, weights, state, max(address, start) - start, behind - start)
            nth += 1
        for cell, held in weights.items():
            state = max(held, key=held.__getitem__)
            looks[cell] = (_FILL[state], _ROLE[state])
        for cell, chunks in begun.items():
            if chunks == 1:
                looks[cell] = self._begun(table, start + (cell << shift), looks[cell])
        return _joined(looks)

    def _spread(
        self, looks: list[tuple[str, str]], weights: dict[int, dict[int, int]], state: int, low: int, high: int
    ) -> None:
        """Whole cells at once; the parts of the others are weighed."""
        shift, size = self.shift, 1 << self.shift
        cell = low >> shift
        while low < high:
            upto = min((cell + 1) << shift, high)
            if upto - low == size:
                whole = max(high >> shift, cell + 1)
                looks[cell:whole] = [(_FILL[state], _ROLE[state])] * (whole - cell)
                low, cell = whole << shift, whole
                continue
            held = weights.setdefault(cell, {})
            held[state] = held.get(state, 0) + upto - low
            low, cell = upto, cell + 1

    def _begun(self, table: ChunkTable, cell: int, look: tuple[str, str]) -> tuple[str, str]:
        """The letter of the one chunk that begins in the cell, if the cell is drawn as one of its state."""
        nth = first_from(table, cell)
        if nth < len(table) and table.addresses[nth] < cell:
            nth += 1
        if nth >= len(table):
            return look
        state = table.states[nth]
        return (_LETTER[state], _ROLE[state]) if look[1] == _ROLE[state] else look


def _joined(looks: Sequence[tuple[str, str]]) -> list[Run]:
    """Neighbours of one role as one run."""
    runs: list[Run] = []
    text, role = "", ""
    for glyph, own in looks:
        if own != role:
            if text:
                runs.append(Run(text, role))
            text, role = "", own
        text += glyph
    if text:
        runs.append(Run(text, role))
    return runs
