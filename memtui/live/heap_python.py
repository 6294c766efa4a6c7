"""CPython's own allocator, pymalloc, recognised by the headers of its pools (Include/internal/pycore_obmalloc.h)."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from memtui.live.heap_memory import ProcessMemory, TornError
from memtui.live.heap_space import is_anonymous
from memtui.model.vma import Vma, VmaKind

LARGE_POOLS: Final = (3, 10)
"""From here on a pool has 16 KiB and an arena 1 MiB; before it 4 KiB and 256 KiB."""
_OVERHEAD: Final = 48
"""sizeof(struct pool_header), rounded up to the alignment."""
_CLASS: Final = 16
_CLASSES: Final = 32
_PROBES: Final = 20_000
"""Pools that are looked at, at most."""
_HEADER: Final = struct.Struct("<II3Q4I")
"""ref.count and its padding, freeblock, nextpool, prevpool, arenaindex, szidx, nextoffset, maxnextoffset."""
_NOTHING: Final[Mapping[int, str]] = MappingProxyType({})


class PoolSizes(NamedTuple):
    """Bytes."""

    pool: int
    arena: int


def pool_sizes(version: tuple[int, int]) -> PoolSizes:
    """Of this version of CPython."""
    return PoolSizes(16 << 10, 1 << 20) if version >= LARGE_POOLS else PoolSizes(4 << 10, 256 << 10)


def pymalloc_labels(memory: ProcessMemory, vmas: Sequence[Vma], version: tuple[int, int]) -> Mapping[int, str]:
    """Start of a VMA -> "pymalloc: 3 arenas", for those that have any.

    An arena counts once one of its pools is in use; neighbouring ones share a VMA.
    """
    sizes = pool_sizes(version)
    labels: dict[int, str] = {}
    probes = _PROBES
    for vma in vmas:
        if vma.kind is not VmaKind.ANON or not is_anonymous(vma) or vma.size < sizes.arena or probes <= 0:
            continue
        arenas: set[int] = set()
        for address in _touched(memory, vma, sizes.pool):
            probes -= 1
            index = _arena_of(memory, address, sizes)
            if index is not None:
                arenas.add(index)
            if probes <= 0:
                break
        # Their number is bounded by the room: numbers alone could be chance.
        if 0 < len(arenas) <= -(-vma.size // sizes.arena):
            labels[vma.start] = f"pymalloc: {len(arenas)} arena{'' if len(arenas) == 1 else 's'}"
    return labels or _NOTHING


def _touched(memory: ProcessMemory, vma: Vma, pool: int) -> Iterator[int]:
    """Where pools may begin: in memory, for a label is not worth a page that comes back from swap."""
    for present in memory.present(vma.start, vma.end, swapped=False):
        start = max(present.start, vma.start)
        yield from range((start + pool - 1) & -pool, min(present.end, vma.end), pool)


def _arena_of(memory: ProcessMemory, address: int, sizes: PoolSizes) -> int | None:
    """The number of the arena that a pool says it belongs to; None: it is no pool."""
    try:
        fields = _HEADER.unpack(memory.read(address, _HEADER.size))
    except TornError:
        return None
    count, _, freeblock, _, _, arena, szidx, nextoffset, maxnextoffset = fields
    size = (szidx + 1) * _CLASS
    if szidx >= _CLASSES or maxnextoffset != sizes.pool - size:
        return None
    inside = freeblock == 0 or address + _OVERHEAD <= freeblock < address + sizes.pool
    carved = _OVERHEAD < nextoffset <= sizes.pool and (nextoffset - _OVERHEAD) % size == 0
    return arena if inside and carved and count <= (sizes.pool - _OVERHEAD) // size else None
