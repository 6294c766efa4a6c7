"""Models the walks of mm/rmap.c (6.18): who maps a page, and whether the CPU used it since the last look."""

from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel import huge_folio
from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    ENTRIES,
    FILE,
    FILE_DIRTY,
    LAZY,
    PMD_SHIFT,
    SHMEM,
    SWAP,
    Leaf,
    table_of,
)
from memtui.sim.kernel.page_set import PageSet
from memtui.sim.kernel.rmap import spaces_of
from memtui.sim.kernel.swap_slots import Slot
from memtui.sim.kernel.vm_flags import VM_EXEC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.page_leaf import Frame, Sharing
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.vma import Vma

_TO_SWAP = table_of({ANON: SWAP})
_TO_NOTHING = table_of(dict.fromkeys((FILE, FILE_DIRTY, SHMEM, LAZY), ABSENT))
_CLEAN = table_of({FILE_DIRTY: FILE})
_MAPPED = bytes(state in (FILE, FILE_DIRTY, SHMEM) for state in range(256))
_YOUNG = table_of({0: 0xFF, 1: 0})
"""All bits where the accessed bit is set."""
MANY = 2
"""How many mappings are told apart: none, one, more."""


class Mapping(NamedTuple):
    """Entries [low, high) of a page table that map pages of a file from `first` on."""

    pages: "PageTable"
    leaf: Leaf
    low: int
    high: int
    first: int
    executable: bool


class Rmap:
    """The mappings of the machine's pages, as long as no VMA changes."""

    def __init__(self, kernel: "Kernel") -> None:
        self._spaces = spaces_of(kernel)
        self._swap = kernel.swap
        self._files: dict[int, list[tuple[Mm, Vma]]] | None = None

    def file(self, inode: "Inode", first: int, end: int) -> "Iterator[Mapping]":
        """Who maps pages [first, end) of a file, a page table at a time."""
        for mm, vma in self._areas().get(id(inode), ()):
            low, high = max(first, vma.pgoff), min(end, vma.pgoff + vma.pages)
            if low >= high:
                continue
            start = vma.start + ((low - vma.pgoff) << PAGE_SHIFT)
            stop = start + ((high - low) << PAGE_SHIFT)
            for index, bottom, top in list(mm.pages.pieces(start, stop)):
                page = vma.pgoff_at(index << PMD_SHIFT) + bottom
                leaf = mm.pages.leaves[index]
                yield Mapping(mm.pages, leaf, bottom, top, page, bool(vma.flags & VM_EXEC))

    def _areas(self) -> "dict[int, list[tuple[Mm, Vma]]]":
        if self._files is None:
            self._files = {}
            for mm in self._spaces:
                for vma in mm.tree:
                    if vma.file is not None:
                        self._files.setdefault(id(vma.file.inode), []).append((mm, vma))
        return self._files

    def referenced_file(self, inode: "Inode", first: int, end: int) -> tuple[bytes, bool]:
        """folio_referenced(): how many young entries map each page (at most `MANY`), and whether as program text.

        The accessed bits are cleared.
        """
        young, text = bytearray(end - first), False
        for entry in self.file(inode, first, end):
            leaf, low, high = entry.leaf, entry.low, entry.high
            mapped = leaf.state[low:high].translate(_MAPPED)
            if leaf.old is None:
                leaf.old = bytearray(ENTRIES)
            fresh = bytes(here & ~old for here, old in zip(mapped, leaf.old[low:high], strict=True))
            if leaf.huge and any(fresh):
                fresh = b"\1" + bytes(high - low - 1)  # one entry maps it all
            leaf.old[low:high] = bytes(old | here for here, old in zip(mapped, leaf.old[low:high], strict=True))
            text = text or (entry.executable and any(fresh))
            at = entry.first - first
            young[at : at + high - low] = bytes(
                min(have + new, MANY) for have, new in zip(young[at : at + high - low], fresh, strict=True)
            )
        return bytes(young), text

    def referenced_anon(self, leaf: Leaf, low: int, high: int) -> bytes:
        """The same for anonymous pages of one page table; another's entries count as young as this one's."""
        young = bytearray(bytes([min(leaf.owners, MANY)]) * (high - low))
        for entry, frame in leaf.frames.items():
            if low <= entry < high:
                young[entry - low] = min(frame.mapcount, MANY)
        if leaf.old is None:
            leaf.old = bytearray(ENTRIES)
        elif leaf.old.find(1, low, high) >= 0:
            mask = int.from_bytes(leaf.old[low:high].translate(_YOUNG), "little")
            young = bytearray((int.from_bytes(young, "little") & mask).to_bytes(high - low, "little"))
        leaf.old[low:high] = b"\1" * (high - low)
        return bytes(young)

    def mapped(self, inode: "Inode", first: int, end: int) -> bytes:
        """One byte a page: 1 if somebody maps it."""
        found = bytearray(end - first)
        for entry in self.file(inode, first, end):
            at = entry.first - first
            here = entry.leaf.state[entry.low : entry.high].translate(_MAPPED)
            found[at : at + len(here)] = bytes(a | b for a, b in zip(found[at : at + len(here)], here, strict=True))
        return bytes(found)

    def unmap_file(self, inode: "Inode", first: int, end: int) -> None:
        """try_to_unmap(): no page table maps the pages any more."""
        for entry in self.file(inode, first, end):
            self._change(entry, _TO_NOTHING)

    def clean(self, inode: "Inode", first: int, end: int) -> None:
        """folio_mkclean(): the next write through a mapping faults, and dirties the page again."""
        for entry in self.file(inode, first, end):
            self._change(entry, _CLEAN)

    def _change(self, entry: Mapping, table: bytes) -> None:
        states = entry.leaf.state[entry.low : entry.high]
        if states.translate(table) != states:
            pages, index = entry.pages, entry.pages.index_of(entry.leaf)
            if table is _TO_NOTHING:
                pages.split_file(index)
                if index not in pages.leaves:
                    return
            entry.leaf.touch(entry.low, entry.high)
            pages.translate(index, entry.low, entry.high, table)

    def replace_anon(self, leaf: Leaf, low: int, high: int, slot: int | None) -> None:
        """Make swap entries from `slot` on (or nothing, for what MADV_FREE gave up) of anonymous pages everywhere."""
        swap = slot is not None
        table = _TO_SWAP if swap else _TO_NOTHING
        tables = self._tables_of(leaf)
        before = leaf.state[low:high]
        leaf.state[low:high] = after = before.translate(table)
        huge_folio.changed(leaf, low, after)
        leaf.huge = False
        leaf.rewritten.difference_update(range(low, high))
        if leaf.dirty is not None:
            leaf.dirty[low:high] = bytes(high - low)
        leaf.touch(low, high)
        for pages in tables:
            pages.tally(before, -1)
            pages.tally(after, 1)
        sharing = tables[0].sharing
        extra = (len(tables) - 1) * (high - low)
        if extra:
            sharing.add(-extra, swapped=False)
            if swap:
                sharing.add(extra, swapped=True)
        for entry in [entry for entry in leaf.frames if low <= entry < high]:
            self._replace_frame(leaf, entry, tables, None if slot is None else slot + entry - low)
        at = low
        for entry in (*sorted(entry for entry in leaf.frames if low <= entry < high), high):
            if slot is not None and at < entry:
                leaf.add_slots(self._swap, at, entry, slot + at - low)
            at = entry + 1

    def discard(self, leaf: Leaf, low: int, high: int) -> "list[tuple[Leaf, int]]":
        """Unmap pages that MADV_FREE gave up everywhere, but for those to which an entry is dirty (try_to_unmap_one()).

        Returns:
            Under which table and entry each of these is listed from now on.
        """
        shared = sorted(entry for entry, frame in leaf.frames.items() if low <= entry < high and frame.mapcount > 1)
        kept = {entry: self._keep_dirty(leaf, entry) for entry in shared}
        at = low
        for entry in (*(entry for entry, place in kept.items() if place is not None), high):
            if at < entry:
                self.replace_anon(leaf, at, entry, None)
            at = entry + 1
        return [place for place in kept.values() if place is not None]

    def _keep_dirty(self, leaf: Leaf, entry: int) -> "tuple[Leaf, int] | None":
        """The first mapping of a shared page that is dirty; those before it are gone. None: there is none."""
        tables = self._tables_of(leaf)
        sharing, frame = tables[0].sharing, leaf.frames[entry]
        places = [(leaf, entry, tables), *self._others(leaf, entry, sharing)]
        places.sort(key=lambda place: min(map(self._age, place[2])))
        clean = len(list(takewhile(lambda place: place[0].state[place[1]] == LAZY, places)))
        if clean == len(places):
            return None
        for nth, (table, at, owners) in enumerate(places):
            before, after = table.state[at], ABSENT if nth < clean else ANON
            table.state[at] = after  # behind the dirty one it no longer matters which are clean
            for pages in owners:
                pages.tally(bytes([before]), -1)
                pages.tally(bytes([after]), 1)
            if after == ABSENT:
                del table.frames[at]
                for _ in owners:
                    sharing.drop(frame)
        frame.given_up, frame.dirty = False, True
        frame.home, frame.entry, _ = places[clean]
        return frame.home, frame.entry

    def _age(self, pages: "PageTable") -> int:
        """Where an address space stands in the order in which rmap walks them: parents first."""
        return next(at for at, mm in enumerate(self._spaces) if mm.pages is pages)

    def _replace_frame(self, leaf: Leaf, entry: int, tables: "list[PageTable]", slot: int | None) -> None:
        """The other page tables that know the page by its frame."""
        frame = leaf.frames[entry]
        others = frame.mapcount - len(tables)
        sharing = tables[0].sharing
        sharing.add(-others, swapped=False)
        places = [(leaf, entry)]
        for other, place, owners in self._others(leaf, entry, sharing) if others else []:
            before = other.state[place : place + 1]
            other.state[place] = after = ABSENT if slot is None else SWAP
            other.huge = False
            for pages in owners:
                pages.tally(before, -1)
                pages.tally(bytes([after]), 1)
            places.append((other, place))
        if slot is not None:
            sharing.add(others, swapped=True)
            out = self._swapped_frame(frame, slot, sharing)
        for other, place in places:
            if slot is None:
                del other.frames[place]
            else:
                other.frames[place] = out

    def _swapped_frame(self, frame: "Frame", number: int, sharing: "Sharing") -> "Frame":
        """What its mappings have from now on: itself, or what others' swap entries of the same slot have already."""
        slot = frame.slot
        out = None if slot is None else slot.out
        if slot is not None and out is not None:
            sharing.add(1, swapped=True)
            out.mapcount += frame.mapcount
            slot.mapped, slot.dirty = None, False
            return out
        frame.swapped = True
        frame.join(Slot(self._swap, number))
        return frame

    def _others(self, leaf: Leaf, entry: int, sharing: "Sharing") -> "list[tuple[Leaf, int, list[PageTable]]]":
        """Where else a frame is mapped: page table, entry, and the address spaces that have that table."""
        frame = leaf.frames[entry]
        found: dict[int, tuple[Leaf, int, list[PageTable]]] = {}
        for mm in self._spaces:
            if mm.pages.sharing is not sharing:
                continue
            for other in mm.pages.leaves.values():
                for place in [at for at, known in other.frames.items() if known is frame and other is not leaf]:
                    found.setdefault(id(other), (other, place, []))[2].append(mm.pages)
        return list(found.values())

    def _tables_of(self, leaf: Leaf) -> "list[PageTable]":
        found = [mm.pages for mm in self._spaces if mm.pages.leaves.get(leaf.index) is leaf]
        if len(found) != leaf.owners:
            found = [mm.pages for mm in self._spaces if any(known is leaf for known in mm.pages.leaves.values())]
        return found


def mapped_pages(kernel: "Kernel") -> int:
    """NR_FILE_MAPPED: pages of files and shared memory that at least one page table maps.

    Cost: O(pages of the files that are mapped) where several mappings may overlap.
    """
    areas: dict[Inode, list[tuple[Mm, Vma]]] = {}
    total = 0
    for mm in spaces_of(kernel):
        if mm.rss_file + mm.rss_shmem:
            for vma in mm.tree:
                if vma.file is not None:
                    areas.setdefault(vma.file.inode, []).append((mm, vma))
    for places in areas.values():
        pages = PageSet()
        for mm, vma in places:
            for mark in mm.pages.marks(vma.start, vma.end):
                if mark.state in (FILE, FILE_DIRTY, SHMEM):
                    pages.add(vma.pgoff_at(mark.start), mark.pages)
        total += pages.count
    return total
