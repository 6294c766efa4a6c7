"""The cache in front of the bins (glibc 2.36, malloc/malloc.c: tcache_perthread_struct)."""

from collections.abc import Callable
from typing import Final


class Tcache:
    """64 lists of up to seven blocks each, last in, first out. Blocks are user pointers."""

    SIZE: Final = 640
    """Bytes of the structure: 64 counts of two bytes, 64 pointers."""
    COUNT: Final = 7
    MAX_SIZE: Final = 0x410
    """Largest chunk size that is cached."""

    def __init__(self, written: Callable[[int, int], None]) -> None:
        self.address = 0
        self._bins: dict[int, list[int]] = {}
        self._held: set[int] = set()
        self._written = written

    def start(self, address: int) -> None:
        """The structure lies here from now on, zeroed."""
        self.address = address
        self._written(address, self.SIZE)

    def has_room(self, size: int) -> bool:
        """Whether a chunk of this size can be cached."""
        return bool(self.address) and size <= self.MAX_SIZE and len(self._bins.get(size, ())) < self.COUNT

    def holds(self, pointer: int) -> bool:
        """Whether the block is cached."""
        return pointer in self._held

    def push(self, pointer: int, size: int) -> None:
        """Cache a block: its first 16 bytes hold the link and the key."""
        self._bins.setdefault(size, []).append(pointer)
        self._held.add(pointer)
        self._written(pointer, 16)

    def pop(self, size: int) -> int:
        """The block cached last, or 0."""
        blocks = self._bins.get(size)
        if not blocks:
            return 0
        pointer = blocks.pop()
        self._held.discard(pointer)
        self._written(pointer + 8, 8)
        return pointer
