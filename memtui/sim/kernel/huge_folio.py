"""Splits of 2 MiB folios of anonymous memory (mm/huge_memory.c, mm/migrate.c, 6.18).

A split maps the shared zero page in place of each page that holds only zeros (RMP_USE_SHARED_ZEROPAGE): so it has to be
known which pages nobody wrote to since they were made. `Leaf.folio` holds one of these for each entry, None is SMALL.
"""

from typing import TYPE_CHECKING, Final

from memtui.sim.kernel.page_leaf import (
    ABSENT,
    ANON,
    BLANK,
    ENTRIES,
    HUGE_ZERO,
    LAZY,
    SMALL,
    SMALL_BLANK,
    SWAP,
    WRITTEN,
    ZERO,
    Leaf,
    table_of,
)

if TYPE_CHECKING:
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


def copied(leaf: Leaf, low: int, high: int, *, shared: bool) -> "set[int]":
    """Which of our entries a write gives copies: do_wp_page(), __wp_can_reuse_large_anon_folio().

    Those that others map; of a folio that is `shared`, all that were mapped when a fork took place.
    """
    kinds = leaf.folio or bytes(ENTRIES)
    return {
        entry
        for entry, frame in leaf.frames.items()
        if low <= entry < high and (frame.mapcount > 1 or (shared and kinds[entry] in _MEMBERS))
    }


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


def is_whole(leaf: Leaf, low: int, high: int) -> bool:
    """Whether the entries are all that a folio has: then advice about them needs no split."""
    return high - low == ENTRIES and leaf.folio is not None and all(kind in _MEMBERS for kind in leaf.folio)


def meets(leaf: Leaf, low: int, high: int) -> bool:
    """Whether pages of a folio are among the entries."""
    return leaf.folio is not None and any(
        kind in _MEMBERS and state in _ANONYMOUS
        for kind, state in zip(leaf.folio[low:high], leaf.state[low:high], strict=True)
    )


def is_shared(leaf: Leaf) -> bool:
    """folio_maybe_mapped_shared()."""
    assert leaf.folio is not None
    return leaf.owners > 1 or any(
        frame.mapcount > 1 and leaf.folio[entry] in _MEMBERS for entry, frame in leaf.frames.items()
    )


def split(pages: "PageTable", index: int) -> None:
    """split_folio() of what nobody else maps: pages of zeros become the zero page."""
    leaf = pages.own(index)
    assert leaf.folio is not None
    states = bytearray(leaf.state)
    gone = [
        entry
        for entry, kind in enumerate(leaf.folio)
        if kind == BLANK and states[entry] in _ANONYMOUS and entry not in leaf.mlocked
    ]
    for entry in gone:
        states[entry] = ZERO
    leaf.folio = bytearray(leaf.folio.translate(_LEFT))
    pages.put(index, 0, states)
    for entry in gone:
        pages.drop_frames(leaf, entry, entry + 1)
    leaf.huge = False
