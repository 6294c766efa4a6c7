"""What one page table holds: a state for each of its 512 entries (arch/x86/include/asm/pgtable_types.h).

Anonymous pages get an identity (`Frame`) only once more than one address space knew them.
"""

from typing import Final

from memtui.model.pages import Residence

PMD_SHIFT: Final = 21
PUD_SHIFT: Final = 30
PGDIR_SHIFT: Final = 39
ENTRIES: Final = 512

ABSENT: Final = 0
ZERO: Final = 1
ANON: Final = 2
LAZY: Final = 3
"""Anonymous and given up by MADV_FREE."""
FILE: Final = 4
FILE_DIRTY: Final = 5
SHMEM: Final = 6
SWAP: Final = 7
GUARD: Final = 8
HUGE_ZERO: Final = 9
DEVICE: Final = 10
"""A page of a special mapping: counted nowhere."""
STATES: Final = 11
SHARED_BIT: Final = 0x40
"""Only in what `marks` gives: mapped elsewhere too."""

RESIDENCE: Final = {
    ZERO: Residence.ZERO,
    ANON: Residence.ANON,
    LAZY: Residence.ANON,
    FILE: Residence.PAGE_CACHE,
    FILE_DIRTY: Residence.PAGE_CACHE,
    SHMEM: Residence.SHMEM,
    SWAP: Residence.SWAPPED,
    GUARD: Residence.GUARD,
    HUGE_ZERO: Residence.ZERO,
    DEVICE: Residence.UNKNOWN,
}


def table_of(changes: dict[int, int]) -> bytes:
    """A translation of states for `PageTable.translate`."""
    return bytes(changes.get(state, state) for state in range(256))


_MARK_SHARED: Final = table_of({ANON: ANON | SHARED_BIT, LAZY: LAZY | SHARED_BIT})


class Frame:
    """A page of anonymous memory that more than one page table knew: its identity is the object."""

    __slots__ = ("mapcount",)

    def __init__(self, mapcount: int) -> None:
        self.mapcount = mapcount


class Leaf:
    """One page table: 512 states. `owners` address spaces share it since a fork."""

    __slots__ = ("frames", "huge", "owners", "state")

    def __init__(self, state: bytearray | None = None) -> None:
        self.state = bytearray(ENTRIES) if state is None else state
        self.frames: dict[int, Frame] = {}
        """Entry -> frame, for anonymous pages that are or were shared."""
        self.owners = 1
        self.huge = False
        """Mapped by one 2 MiB entry; the table lies deposited."""

    def identify(self, low: int, high: int) -> None:
        """Give each anonymous page in the range a frame."""
        state = self.state
        for index in range(low, high):
            if state[index] in (ANON, LAZY) and index not in self.frames:
                self.frames[index] = Frame(self.owners)

    def marked(self) -> bytearray:
        """The states, with SHARED_BIT on the anonymous pages that are mapped elsewhere too."""
        marked = bytearray(self.state.translate(_MARK_SHARED)) if self.owners > 1 else bytearray(self.state)
        for entry, frame in self.frames.items():
            marked[entry] = self.state[entry] | (SHARED_BIT if frame.mapcount > 1 else 0)
        return marked

    def is_shared(self, index: int) -> bool:
        """Whether the anonymous page at `index` is mapped elsewhere too."""
        frame = self.frames.get(index)
        return self.owners > 1 if frame is None else frame.mapcount > 1
