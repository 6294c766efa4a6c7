"""The blocks that a simulated program holds: which step asked for each, and for how much."""

from typing import Any

from memtui.model.heap import Owner


class Blocks:
    """Of one allocator."""

    def __init__(self) -> None:
        self.owners: dict[int, Owner] = {}
        """Address of a block -> who asked for it."""
        self.version = 0
        """Another one after each call of the allocator."""

    def __getstate__(self) -> tuple[object, ...]:
        """Columns: a checkpoint has many blocks, and columns are kept much faster."""
        return (self.version, *zip(*((block, *owner) for block, owner in self.owners.items()), strict=True))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.version, *columns = state
        blocks, *fields = columns or ((), (), ())
        self.owners = dict(zip(blocks, map(Owner, *fields), strict=True))

    def given(self, block: int, step: int, requested: int) -> None:
        """The allocator gave a block; 0: it gave none."""
        if block:
            self.owners[block] = Owner(step, requested)

    def resized(self, old: int, new: int, step: int, requested: int) -> None:
        """realloc: the old block stays when there was no memory for a new one."""
        if new or not requested:
            self.owners.pop(old, None)
        self.given(new, step, requested)

    def moved(self, old: int, new: int) -> None:
        """The same block lies elsewhere."""
        self.owners[new] = self.owners.pop(old)

    def taken(self, block: int) -> None:
        """A block was freed."""
        self.owners.pop(block, None)

    def copy(self) -> "Blocks":
        """Those of a forked child."""
        other = Blocks()
        other.owners = dict(self.owners)
        return other
