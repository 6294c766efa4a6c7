"""Splits of 2 MiB folios of anonymous memory (mm/huge_memory.c, mm/migrate.c, 6.18).

A split maps the shared zero page in place of each page that holds only zeros (RMP_USE_SHARED_ZEROPAGE): so it has to be
known which pages nobody wrote to since they were made. `Leaf.folio` holds one of these for each entry, None is SMALL.
"""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE
from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    BLANK,
    ENTRIES,
    HUGE_ZERO,
    LAZY,
    PMD_SHIFT,
    SMALL,
    SMALL_BLANK,
    SWAP,
    WRITTEN,
    ZERO,
    HugeFolio,
    Leaf,
    table_of,
)
from memtui.sim.kernel.vm_flags import VM_LOCKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.page_table import PageTable

_ANONYMOUS: Final = (ANON, LAZY)
_MEMBERS: Final = (WRITTEN, BLANK)
_WRITTEN_TO: Final = table_of({BLANK: WRITTEN, SMALL_BLANK: SMALL})
_LEFT: Final = table_of({BLANK: SMALL_BLANK, WRITTEN: SMALL})
"""What pages are that are copied, or no longer in the folio."""
_EMPTY: Final = (ABSENT, ZERO, HUGE_ZERO)


def made(leaf: Leaf) -> None:
    """A fault put in a new folio."""
    leaf.folio = bytearray([BLANK]) * ENTRIES


def written(leaf: Leaf, low: int, high: int) -> None:
    """The process wrote to the pages of its own at these entries."""
    if leaf.folio is not None:
        leaf.folio[low:high] = leaf.folio[low:high].translate(_WRITTEN_TO)


def faulted(leaf: Leaf, low: int, before: bytes, copied: "set[int]", *, fills: bool) -> None:
    """Entries from `low` on became, or were, anonymous pages that may be written.

    Args:
        leaf: the table, afterwards.
        low: the first of them.
        before: their states before.
        copied: those that were shared and got copies.
        fills: the kernel populates them, so that nobody has written to them yet.
    """
    if leaf.folio is None:
        if not fills or not any(state in _EMPTY for state in before):
            return
        leaf.folio = bytearray(ENTRIES)
    for entry, state in enumerate(before, low):
        if state in _EMPTY:
            leaf.folio[entry] = SMALL_BLANK if fills else SMALL
        elif state not in _ANONYMOUS:
            leaf.folio[entry] = SMALL
        elif entry in copied:
            leaf.folio[entry] = _LEFT[leaf.folio[entry]]
    if not fills:
        written(leaf, low, low + len(before))


def copied(pages: "PageTable", index: int, low: int, high: int) -> "set[int]":
    """Which entries of a table of ours a write gives copies: do_wp_page(), __wp_can_reuse_large_anon_folio().

    Those that others map; of a folio of which others map anything, all that were mapped when a fork took place.
    """
    leaf = pages.leaves[index]
    found = {entry for entry, frame in leaf.frames.items() if low <= entry < high and frame.mapcount > 1}
    for folio, entries in members(leaf, low, high).items():
        if is_shared(pages, leaf, folio):
            found.update(entry for entry in entries if entry in leaf.frames)
    return found


def changed(leaf: Leaf, low: int, states: bytes | bytearray) -> None:
    """Entries from `low` on have these states now: what is no page any more has left the folio."""
    if leaf.folio is None:
        return
    for entry, state in enumerate(states, low):
        if state == SWAP:
            leaf.folio[entry] = _LEFT[leaf.folio[entry]]
        elif state not in _ANONYMOUS:
            leaf.folio[entry] = SMALL


def collapsed(leaf: Leaf, before: bytes, folio: bytes | None) -> None:
    """MADV_COLLAPSE copied 512 pages of these states into a new folio; `folio` is what was known of them."""
    known = folio or bytes(ENTRIES)
    leaf.folio = bytearray(
        BLANK if state in _EMPTY or (known[entry] in (BLANK, SMALL_BLANK)) else WRITTEN
        for entry, state in enumerate(before)
    )


def entries(leaf: Leaf, low: int, high: int) -> "set[int]":
    """The entries of a range that are pages of 2 MiB folios."""
    return {entry for known in members(leaf, low, high).values() for entry in known}


def members(leaf: Leaf, low: int, high: int) -> "dict[HugeFolio | None, list[int]]":
    """The entries of a range that are pages of 2 MiB folios, by folio; None: the table's own, which no other knows."""
    found: dict[HugeFolio | None, list[int]] = {}
    if leaf.folio is not None:
        for entry, kind in enumerate(leaf.folio[low:high], low):
            if kind in _MEMBERS and leaf.state[entry] in _ANONYMOUS:
                found.setdefault(leaf.parts.get(entry), []).append(entry)
    return found


def _places(folio: "HugeFolio | None", leaf: Leaf) -> "Iterator[tuple[Leaf, list[int]]]":
    """The tables that map pages of a folio, and by which entries."""
    for table in (leaf,) if folio is None else folio.tables:
        entries = members(table, 0, ENTRIES).get(folio) if table.owners else None
        if entries:
            yield table, entries


def is_shared(pages: "PageTable", leaf: Leaf, folio: "HugeFolio | None") -> bool:
    """folio_maybe_mapped_shared(): whether other address spaces than this one have any page of it."""
    return leaf.owners > 1 or any(
        table.owners > 1 or (table is not leaf and not pages.holds(table)) for table, _ in _places(folio, leaf)
    )


def split_for(mm: "Mm", index: int, low: int, high: int, *, whole: bool = False) -> "set[int]":
    """Split the folios of which advice meets a part, `whole`: also those that it meets all of.

    Returns:
        The entries of those that others map too, which are left alone.
    """
    leaf, kept = mm.pages.leaves[index], set[int]()
    for folio, entries in members(leaf, low, high).items():
        if is_shared(mm.pages, leaf, folio):
            kept.update(entries)
        elif whole or len(entries) < ENTRIES:
            _split(mm, leaf, folio)
    return kept


def _split(mm: "Mm", leaf: Leaf, folio: "HugeFolio | None") -> None:
    """split_folio() of what nobody else maps: pages of zeros become the zero page, but for locked ones."""
    pages = mm.pages
    for table, entries in list(_places(folio, leaf)):
        assert table.folio is not None
        locked = _locked(mm, pages.index_of(table)) | table.mlocked
        gone = [entry for entry in entries if table.folio[entry] == BLANK and entry not in locked]
        states = bytearray(table.state)
        for entry in gone:
            states[entry] = ZERO
        for entry in entries:
            table.folio[entry] = _LEFT[table.folio[entry]]
        pages.put(pages.index_of(table), 0, states)
        for entry in gone:
            pages.drop_frames(table, entry, entry + 1)
        table.set_dirty(entry for entry in entries if states[entry] == ANON)
        table.huge = False


def _locked(mm: "Mm", index: int) -> "set[int]":
    """The entries of a table that lie in a VMA with VM_LOCKED."""
    found, base = set[int](), index << PMD_SHIFT
    for vma in mm.tree.span(base, base + PMD_SIZE) if mm.locked_vm else ():
        if vma.flags & VM_LOCKED:
            low, high = (
                (max(vma.start, base) - base) >> PAGE_SHIFT,
                (min(vma.end, base + PMD_SIZE) - base) >> PAGE_SHIFT,
            )
            found.update(range(low, high))
    return found
