"""Models lru_add_drain() (mm/swap.c, 6.18): pages that came since the last time are put on the LRU lists.

The kernel collects them in batches of 31 a CPU; here the batch is everything since the last drain, which takes place
at the end of a step and before reclaim looks at the lists. Pages that went are taken off at the same time.
"""

import re
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.lru import (
    ACTIVE_ANON,
    INACTIVE_ANON,
    INACTIVE_FILE,
    NEW,
    UNEVICTABLE,
    Flags,
    Owner,
    Piece,
)
from memtui.sim.kernel.page_leaf import ANON, ENTRIES, LAZY, PMD_SHIFT, SWAP, Leaf, table_of
from memtui.sim.kernel.page_set import BLOCK, PageSet
from memtui.sim.kernel.rmap import spaces_of
from memtui.sim.kernel.table_run import TableRun
from memtui.sim.kernel.vm_flags import VM_LOCKED
from memtui.sim.kernel.vmstat import file_totals
from memtui.sim.kernel.workingset import forget, refaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.fs import Inode
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm

_NOWHERE, _ON_ANON, _ON_FILE, _LOCKED = range(4)
"""Where a page belongs."""
_RESIDENT: Final = table_of({state: {ANON: _ON_ANON, LAZY: _ON_FILE}.get(state, _NOWHERE) for state in range(64)})
_PLACES: Final = tuple(bytes([place]) for place in (_ON_ANON, _ON_ANON, _ON_FILE, _ON_FILE, _LOCKED))
"""By list."""
_WIDE: Final = 1 << 16
"""Pages."""
_NO_MOVE: Final = table_of({place << 2 | place: 0 for place in range(4)})
"""Of the pairs of where a page belongs and where it is: those that agree become 0."""
_MOVES: Final = re.compile(rb"([^\0])\1*", re.DOTALL)


def lru_add_drain(kernel: "Kernel") -> None:
    """Bring the LRU lists up to date. Cost: O(page tables and file ranges that changed)."""
    spaces = spaces_of(kernel)
    for mm in spaces:
        if mm.pages.sharing.stale:
            mm.pages.changed.update(index for index, leaf in mm.pages.leaves.items() if leaf.frames)
    for mm in spaces:
        mm.pages.sharing.stale = False
        if not mm.pages.changed:
            continue
        for index in sorted(mm.pages.changed):
            run = mm.pages.leaves.run_at(index)
            if run is not None:
                _drain_run(kernel, mm, run)
                continue
            leaf = mm.pages.leaves.get(index)
            if leaf is not None:
                leaf.index = index
                _drain_leaf(kernel, mm, leaf)
        mm.pages.changed.clear()
    now = PageSet.changes
    drained_at, kernel.drained_at = kernel.drained_at, now
    if drained_at == now:
        return
    recent = None if drained_at is None else PageSet.changed_since(drained_at)
    inodes = kernel.inodes if recent is None else file_totals(kernel).inodes_of(recent)
    changed = [inode for inode in inodes if inode.pages.changed]
    locked = _locked_files(spaces) if changed else {}
    for inode in changed:
        _drain_file(kernel, inode, locked.get(id(inode), []))


def mark_accessed(kernel: "Kernel", owner: Owner, low: int, high: int) -> None:
    """folio_mark_accessed(): unreferenced pages are referenced, referenced inactive ones go to the active list."""
    if low >= high:
        return
    lru_add_drain(kernel)
    lruvec = kernel.lruvec
    for piece in lruvec.pieces(owner, low, high):
        if piece.number == UNEVICTABLE:
            continue
        if not piece.flags.referenced:
            _flag(owner, piece, piece.flags._replace(referenced=True), kernel)
        elif piece.number in (INACTIVE_ANON, INACTIVE_FILE):
            lruvec.cut(owner, piece.low, piece.high)
            lruvec.add(piece.number + 1, owner, piece.low, piece.high, piece.flags._replace(referenced=False))
            kernel.vmevents["pgactivate"] += piece.high - piece.low
            lruvec.nonresident_age += piece.high - piece.low


def _flag(owner: Owner, piece: Piece, flags: Flags, kernel: "Kernel") -> None:
    """Other flags for pages that stay where they are."""
    kernel.lruvec.split(owner, piece.low, piece.high).flags = flags


def _drain_run(kernel: "Kernel", mm: "Mm", run: TableRun) -> None:
    """All its pages go to one list; where only some are locked each table is seen to alone, as after a fork."""
    if not run.anonymous:
        return
    low, high = run.first << PMD_SHIFT, run.behind << PMD_SHIFT
    here = [listed.lru.number for listed in run.runs if listed.lru is not None]
    locked = [vma for vma in mm.tree.span(low, high) if vma.flags & VM_LOCKED] if mm.locked_vm else []
    if locked and not locked[0].start <= low < high <= locked[0].end:
        several = True
    else:
        several = len(run.spaces) > 1 and (bool(locked) or UNEVICTABLE in here)
    if several:
        for index in range(run.first, run.behind):
            _drain_leaf(kernel, mm, mm.pages.leaves[index])
        return
    wanted = UNEVICTABLE if locked else ACTIVE_ANON if kernel.profile.anon_starts_active else INACTIVE_ANON
    if not here or _PLACES[here[0]] != _PLACES[wanted]:
        for listed in run.runs:
            listed.unlink()
        run.runs.clear()
        kernel.lruvec.add(wanted, run, 0, run.pages)


def _drain_leaf(kernel: "Kernel", mm: "Mm", leaf: Leaf) -> None:
    wanted = leaf.state.translate(_RESIDENT)
    for entry, frame in leaf.frames.items():
        if not frame.at_home():
            frame.home, frame.entry = leaf, entry
        if frame.home is not leaf:
            wanted[entry] = _NOWHERE
        elif frame.given_up and wanted[entry]:
            wanted[entry] = _ON_FILE
    if mm.locked_vm:
        base = leaf.index << PMD_SHIFT
        for vma in mm.tree.span(base, base + (ENTRIES << PAGE_SHIFT)):
            if vma.flags & VM_LOCKED:
                low, high = max(vma.start - base, 0) >> PAGE_SHIFT, min(vma.end - base >> PAGE_SHIFT, ENTRIES)
                wanted[low:high] = bytes(_LOCKED if place else _NOWHERE for place in wanted[low:high])
    _place(kernel, leaf, 0, bytes(wanted))
    if leaf.shadows and not leaf.state.count(SWAP):
        forget(leaf, 0, ENTRIES)


def _drain_file(kernel: "Kernel", inode: "Inode", locked: list[tuple[int, int]]) -> None:
    place = _LOCKED if inode.unevictable else _ON_ANON if inode.shmem else _ON_FILE
    for first, count in _windows(inode):
        wanted = inode.pages.mask(first, count)
        if place != 1:
            wanted = wanted.replace(b"\1", bytes([place]))
        for low, high in locked:
            low, high = max(low - first, 0), min(high - first, count)
            if low < high:
                part = wanted[low:high].replace(bytes([place]), bytes([_LOCKED]))
                wanted = wanted[:low] + part + wanted[high:]
        if inode.mlocked.count:
            left = inode.mlocked.mask(first, count)
            wanted = bytes(_LOCKED if old and here else here for old, here in zip(left, wanted, strict=True))
        _place(kernel, inode, first, wanted)


def _windows(inode: "Inode") -> "Iterator[tuple[int, int]]":
    """What changed; of ranges that may be far larger than the file, only the blocks where something is or was."""
    windows, inode.pages.changed = inode.pages.changed, []
    for first, count in windows:
        if count <= _WIDE:
            yield first, count
            continue
        blocks = set(inode.pages.blocks(first, count))
        for run in inode.runs:
            if run.low < first + count and run.high > first:
                blocks.update(range(run.low // BLOCK, (run.high - 1) // BLOCK + 1))
        yield from ((block * BLOCK, BLOCK) for block in sorted(blocks))


def _locked_files(spaces: "list[Mm]") -> dict[int, list[tuple[int, int]]]:
    """The ranges of each file that a locked mapping covers."""
    found: dict[int, list[tuple[int, int]]] = {}
    for mm in spaces:
        for vma in mm.tree if mm.locked_vm else ():
            if vma.flags & VM_LOCKED and vma.file is not None:
                found.setdefault(id(vma.file.inode), []).append((vma.pgoff, vma.pgoff + vma.pages))
    return found


def _place(kernel: "Kernel", owner: Owner, first: int, wanted: bytes) -> None:
    """Make the lists agree with where the pages of a range belong."""
    lruvec, end = kernel.lruvec, first + len(wanted)
    covered = bytearray(len(wanted))
    for low, high, number, _ in lruvec.pieces(owner, first, end) if owner.runs else ():
        covered[low - first : high - first] = _PLACES[number] * (high - low)
    if covered == wanted:
        return
    pairs = int.from_bytes(wanted, "little") << 2 | int.from_bytes(covered, "little")
    for match in _MOVES.finditer(pairs.to_bytes(len(wanted), "little").translate(_NO_MOVE)):
        low, high = first + match.start(), first + match.end()
        new, old = divmod(match[1][0], 4)
        if old:
            lruvec.cut(owner, low, high)
        if new == _LOCKED:
            lruvec.add(UNEVICTABLE, owner, low, high)
        elif new:
            _add(kernel, owner, low, high, file=new == _ON_FILE)


def _add(kernel: "Kernel", owner: Owner, low: int, high: int, *, file: bool) -> None:
    """New pages go to the head of the inactive list, those that come back early to that of the active one."""
    inactive = INACTIVE_FILE if file else INACTIVE_ANON
    at_once = kernel.profile.anon_starts_active and isinstance(owner, Leaf)
    for part in refaults(kernel, owner, low, high, file=file):
        number = inactive + 1 if part.active or (at_once and not file) else inactive
        flags = Flags(workingset=True) if part.workingset else NEW
        kernel.lruvec.add(number, owner, part.low, part.high, flags)
