"""What one page table holds: a state for each of its 512 entries (arch/x86/include/asm/pgtable_types.h).

Anonymous pages, in memory or on swap, get an identity (`Frame`) only once more than one address space knew them.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.pages import Residence
from memtui.sim.kernel.swap_slots import Slot, SlotMap, SlotRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtui.sim.kernel.lru import LruRun
    from memtui.sim.kernel.swapfile import Swap
    from memtui.sim.kernel.workingset import Shadow

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
"""A page of a special mapping that is no memory: counted nowhere."""
VDSO: Final = 11
"""A page of the kernel's own image: RssFile has it, no list does."""
STATES: Final = 12
SMALL: Final = 0
"""A page of its own."""
WRITTEN: Final = 1
"""A page of a 2 MiB folio, mapped by one entry or by 512."""
BLANK: Final = 2
"""The same, and nobody wrote to it yet."""
SMALL_BLANK: Final = 3
"""A page of its own that nobody wrote to."""
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
    VDSO: Residence.UNKNOWN,
}


def table_of(changes: dict[int, int]) -> bytes:
    """A translation of states for `PageTable.translate`."""
    return bytes(changes.get(state, state) for state in range(256))


_MARK_SHARED: Final = table_of({ANON: ANON | SHARED_BIT, LAZY: LAZY | SHARED_BIT})


class Frame:
    """A page of anonymous memory that more than one page table knew: its identity is the object."""

    __slots__ = ("dirty", "entry", "given_up", "home", "mapcount", "slot", "swapped")

    def __init__(self, mapcount: int, home: "Leaf", entry: int, swapped: bool) -> None:
        self.mapcount = mapcount
        self.home = home
        """The table under whose name it is on an LRU list; another one takes over when this one lets go."""
        self.entry = entry
        """Its place there."""
        self.swapped = swapped
        """Its mappings are swap entries. Who maps the page in the swap cache has another frame of the same slot."""
        self.slot: Slot | None = None
        self.given_up = False
        """MADV_FREE gave it up (PG_swapbacked is clear), and no reclaim found out that it was written to since."""
        self.dirty = False
        """PG_dirty, as in `Leaf.dirty`."""

    def join(self, slot: Slot) -> None:
        """Its page has this slot from now on."""
        self.slot = slot
        if self.swapped:
            slot.out = self
        else:
            slot.mapped = self

    def at_home(self) -> bool:
        """Whether the table under whose name it is listed still has it."""
        return self.home.frames.get(self.entry) is self


class Sharing:
    """Mappings of anonymous pages beyond the first of each page, in all address spaces that descend by fork."""

    __slots__ = ("resident", "stale", "swapped")

    def __init__(self) -> None:
        self.resident = 0
        self.swapped = 0
        self.stale = False
        """A page lost the table under whose name it is on an LRU list, or belongs on another list now."""

    def add(self, count: int, *, swapped: bool) -> None:
        """So many mappings more (less, when negative)."""
        if swapped:
            self.swapped += count
        else:
            self.resident += count

    def drop(self, frame: Frame) -> None:
        """A table lets go of a page."""
        if frame.mapcount > 1:
            self.add(-1, swapped=frame.swapped)
            self.stale = True
        frame.mapcount -= 1
        if not frame.mapcount and frame.slot is not None:
            frame.slot.let_go(frame)


class HugeFolio:
    """A 2 MiB folio that more than one page table knew, by fork or by mremap: its identity is the object."""

    __slots__ = ("tables",)

    def __init__(self) -> None:
        self.tables: list[Leaf] = []
        """Those that have, or had, pages of it."""

    def join(self, table: "Leaf") -> None:
        """Another table has pages of it."""
        self.tables = [known for known in self.tables if known.owners and known is not table]
        self.tables.append(table)


class Leaf:
    """One page table: 512 states. `owners` address spaces share it since a fork."""

    __slots__ = (
        "dirty",
        "folio",
        "frames",
        "huge",
        "index",
        "mlocked",
        "old",
        "owners",
        "parts",
        "rewritten",
        "runs",
        "shadows",
        "slots",
        "state",
    )

    def __init__(self, state: bytearray | None = None) -> None:
        self.state = bytearray(ENTRIES) if state is None else state
        self.frames: dict[int, Frame] = {}
        """Entry -> frame, for anonymous pages that are or were shared."""
        self.owners = 1
        self.huge = False
        """Mapped by one 2 MiB entry; the table lies deposited."""
        self.folio: bytearray | None = None
        """Which of its anonymous pages are in a 2 MiB folio, and which hold only zeros; see huge_folio."""
        self.parts: dict[int, HugeFolio] = {}
        """Entry -> folio, of those that other tables knew; nothing where `folio` has none."""
        self.mlocked: set[int] = set()
        """Anonymous pages that stay mlocked though no VMA locks them any more."""
        self.rewritten: set[int] = set()
        """Pages that MADV_FREE gave up and that were written since: the first reclaim that meets them finds out.

        Of those that have a frame, the frame tells.
        """
        self.dirty: bytearray | None = None
        """1 for anonymous pages without a frame that are known to have PG_dirty: who frees their slot or splits their
        folio sets it, a write does not. None: there are none."""
        self.index = 0
        """address >> 21 where it was last seen."""
        self.old: bytearray | None = None
        """1 for entries whose accessed bit reclaim cleared and nobody set since; None: all are young."""
        self.runs: list[LruRun] = []
        """Its anonymous pages on the LRU lists, by ascending entry."""
        self.shadows: list[Shadow] = []
        """When its pages that are on swap were evicted."""
        self.slots: SlotMap | None = None
        """Of its pages out on swap, and of those in the swap cache, unless they have a frame."""

    def identify(self, low: int, high: int) -> None:
        """Give each anonymous page in the range a frame."""
        state = self.state
        for index in range(low, high):
            if state[index] in (ANON, LAZY, SWAP) and index not in self.frames:
                self.frames[index] = frame = Frame(self.owners, self, index, state[index] == SWAP)
                frame.given_up = state[index] == LAZY or index in self.rewritten
                frame.dirty = bool(self.dirty and self.dirty[index])
        self.name_folio()
        slots = self.slots
        if slots is None:
            return
        for run in slots.cut(low, high):
            for entry in range(run.low, run.high):
                self.frames[entry].join(Slot(slots.swap, run.slot + entry - run.low, dirty=run.dirty))

    def name_folio(self) -> None:
        """Give its own folio an identity."""
        own = [at for at, kind in enumerate(self.folio or b"") if kind in (WRITTEN, BLANK) and at not in self.parts]
        if own:
            folio = HugeFolio()
            folio.join(self)
            self.parts.update(dict.fromkeys(own, folio))

    def add_parts(self, folio: bytes | bytearray, parts: "dict[int, HugeFolio]", at: int) -> None:
        """Entries from `at` on are these pages of folios now, as `folio` and `parts` tell of another table's."""
        self.folio = self.folio or bytearray(ENTRIES)
        self.folio[at : at + len(folio)] = folio
        for entry in range(at, at + len(folio)):
            self.parts.pop(entry, None)
        self.parts.update(parts)
        for known in set(parts.values()):
            known.join(self)

    def add_slots(self, swap: "Swap", low: int, high: int, slot: int, *, dirty: bool = False) -> None:
        """Entries [low, high), none of which has a frame, have swap slots from `slot` on."""
        if self.slots is None:
            self.slots = SlotMap(swap)
        self.slots.add(low, high, slot, dirty=dirty)

    def slot_of(self, entry: int) -> SlotRun | None:
        """The swap slot of one page, which is out or in the swap cache."""
        frame = self.frames.get(entry)
        if frame is None:
            return self.slots.at(entry) if self.slots else None
        return None if frame.slot is None else SlotRun(entry, entry + 1, frame.slot.number, frame.slot.dirty)

    def anonymous(self) -> tuple[int, int]:
        """Its anonymous pages: in memory, on swap."""
        return self.state.count(ANON) + self.state.count(LAZY), self.state.count(SWAP)

    def touch(self, low: int, high: int) -> None:
        """The CPU sets the accessed bits of a range."""
        if self.old is not None:
            self.old[low:high] = bytes(high - low)

    def marked(self) -> bytearray:
        """The states, with SHARED_BIT on the anonymous pages that are mapped elsewhere too."""
        marked = bytearray(self.state.translate(_MARK_SHARED)) if self.owners > 1 else bytearray(self.state)
        for entry, frame in self.frames.items():
            marked[entry] = self.state[entry] | (SHARED_BIT if frame.mapcount > 1 else 0)
        return marked

    def given_up(self, index: int) -> bool:
        """Whether MADV_FREE gave up the anonymous page at `index`, as far as reclaim knows."""
        frame = self.frames.get(index)
        return self.state[index] == LAZY or index in self.rewritten if frame is None else frame.given_up

    def keep(self, index: int) -> None:
        """Reclaim found the page at `index` written to: it is swapbacked again, and dirty (try_to_unmap_one())."""
        frame = self.frames.get(index)
        if frame is None:
            self.rewritten.discard(index)
        else:
            frame.given_up = False
        self.set_dirty(range(index, index + 1))

    def set_dirty(self, entries: "Iterable[int]") -> None:
        """folio_mark_dirty()."""
        for entry in entries:
            frame = self.frames.get(entry)
            if frame is not None:
                frame.dirty = True
                continue
            if self.dirty is None:
                self.dirty = bytearray(ENTRIES)
            self.dirty[entry] = 1

    def is_shared(self, index: int) -> bool:
        """Whether the anonymous page at `index` is mapped elsewhere too."""
        frame = self.frames.get(index)
        return self.owners > 1 if frame is None else frame.mapcount > 1
