"""Chunks of a large heap in three flat arrays instead of an object each."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, compress
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple, overload

from memtui.model.heap import ChunkState, HeapChunk

STATES: Final = tuple(ChunkState)
"""State by its number in a table."""
NUMBERS: Final[Mapping[ChunkState, int]] = MappingProxyType({state: number for number, state in enumerate(STATES)})
"""Number of a state in a table."""
_ADDRESS: Final = itemgetter(0)


class Total(NamedTuple):
    """Chunks of one state."""

    chunks: int
    size: int
    """Bytes, with their headers."""
    largest: int
    """The largest of them."""


class ChunkTable(Sequence[HeapChunk]):
    """Chunks by ascending address: 17 bytes each. It never changes once it is made.

    Args:
        addresses: of the headers.
        sizes: bytes, with the headers.
        states: for each, its number in `STATES`.
    """

    __slots__ = ("_totals", "addresses", "sizes", "states")

    def __init__(self, addresses: "array[int]", sizes: "array[int]", states: bytes | bytearray) -> None:
        self.addresses = addresses
        self.sizes = sizes
        self.states = bytes(states)
        self._totals = _totals(self.sizes, self.states)

    @classmethod
    def of(cls, chunks: Sequence[HeapChunk]) -> "ChunkTable":
        """The same chunks; a table is given back as it is."""
        if isinstance(chunks, ChunkTable):
            return chunks
        return cls(
            array("Q", [chunk.address for chunk in chunks]),
            array("Q", [chunk.size for chunk in chunks]),
            bytes([NUMBERS[chunk.state] for chunk in chunks]),
        )

    @classmethod
    def adjacent(cls, start: int, sizes: "array[int]", states: bytes | bytearray) -> "ChunkTable":
        """Chunks that follow one upon the other from `start` on."""
        addresses = array("Q", accumulate(sizes, initial=start))
        addresses.pop()
        return cls(addresses, sizes, states)

    @classmethod
    def joined(cls, tables: Sequence["ChunkTable"]) -> "ChunkTable":
        """One table behind the other; they ascend."""
        addresses, sizes = array("Q"), array("Q")
        for table in tables:
            addresses.extend(table.addresses)
            sizes.extend(table.sizes)
        return cls(addresses, sizes, b"".join(table.states for table in tables))

    @property
    def totals(self) -> Mapping[ChunkState, Total]:
        """Chunks and bytes by state, for the states that occur."""
        return self._totals

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> HeapChunk: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[HeapChunk]: ...

    def __getitem__(self, index: int | slice) -> HeapChunk | Sequence[HeapChunk]:
        if isinstance(index, slice):
            return ChunkTable(self.addresses[index], self.sizes[index], self.states[index])
        return HeapChunk(self.addresses[index], self.sizes[index], STATES[self.states[index]])

    def __iter__(self) -> Iterator[HeapChunk]:
        for address, size, state in zip(self.addresses, self.sizes, self.states, strict=True):
            yield HeapChunk(address, size, STATES[state])

    def same_as(self, other: "ChunkTable") -> bool:
        """Whether both have the same chunks in the same states."""
        return self.states == other.states and self.sizes == other.sizes and self.addresses == other.addresses


def index_at(chunks: Sequence[HeapChunk], address: int) -> int | None:
    """The index of the chunk that the byte `address` lies in; None: in none. O(log chunks)."""
    if isinstance(chunks, ChunkTable):
        nth = bisect_right(chunks.addresses, address) - 1
    else:
        nth = bisect_right(chunks, address, key=_ADDRESS) - 1
    return nth if nth >= 0 and address < chunks[nth].end else None


def first_from(chunks: Sequence[HeapChunk], address: int) -> int:
    """The index of the first chunk that ends behind `address`. O(log chunks)."""
    if isinstance(chunks, ChunkTable):
        nth = bisect_left(chunks.addresses, address)
    else:
        nth = bisect_left(chunks, address, key=_ADDRESS)
    return nth - 1 if nth and chunks[nth - 1].end > address else nth


def _totals(sizes: "array[int]", states: bytes) -> Mapping[ChunkState, Total]:
    totals: dict[ChunkState, Total] = {}
    for number, state in enumerate(STATES):
        if count := states.count(number):
            mask = states.translate(bytes(byte == number for byte in range(256)))
            held = array("Q", compress(sizes, mask))
            totals[state] = Total(count, sum(held), max(held))
    return MappingProxyType(totals)
