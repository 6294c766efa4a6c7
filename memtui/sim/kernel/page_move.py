"""Models move_page_tables() (mm/mremap.c, 6.18): whole tables move where both ends allow it, else entries do."""

from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE
from memtui.sim.kernel.page_leaf import ABSENT, ENTRIES, PGDIR_SHIFT, PMD_SHIFT, PUD_SHIFT

if TYPE_CHECKING:
    from memtui.sim.kernel.mm import Mm
    from memtui.sim.kernel.page_table import PageTable
    from memtui.sim.kernel.vma import Vma

PUD_SIZE: Final = 1 << PUD_SHIFT


def move_page_tables(mm: "Mm", source: "Vma | None", target: "Vma", old: int, new: int, length: int) -> None:
    """Move what is mapped in [old, old + length) to `new`; bytes.

    Args:
        mm: the address space.
        source: the VMA at `old`.
        target: the VMA at `new`.
        old: page aligned.
        new: page aligned.
        length: whole pages.
    """
    end = old + length
    if source is not None and _can_realign(mm, source, target, old, new, length):
        old, new = old & -PMD_SIZE, new & -PMD_SIZE
    pages = mm.pages
    while old < end:
        step = _extent(PUD_SIZE, old, new, end)
        if old >> PUD_SHIFT in pages.pmds:
            pages.puds.add(new >> PGDIR_SHIFT)
            if step == PUD_SIZE and _move_pmd_table(pages, old, new):
                pass
            elif moved := _move_run(pages, old, new, step):
                step = moved
            else:
                step = _extent(PMD_SIZE, old, new, end)
                _move_step(pages, old, new, step)
        old, new = old + step, new + step


def _extent(size: int, old: int, new: int, end: int) -> int:
    """get_extent(): up to the next boundary of `size` on either side."""
    return min((old + size & -size) - old, end - old, (new + size & -size) - new)


def _can_realign(mm: "Mm", source: "Vma", target: "Vma", old: int, new: int, length: int) -> bool:
    """can_realign_addr(): whether the first table can move whole though the range starts inside it."""
    inside = old % PMD_SIZE
    if not inside or inside != new % PMD_SIZE or length < PMD_SIZE - inside:
        return False
    return all(
        vma.start == address and mm.tree.intersection(address & -PMD_SIZE, address) is None
        for vma, address in ((source, old), (target, new))
    )


def _move_pmd_table(pages: "PageTable", old: int, new: int) -> bool:
    """move_normal_pud(): a whole 1 GiB with its PMD table."""
    if new >> PUD_SHIFT in pages.pmds:
        return False
    pages.pmds.remove(old >> PUD_SHIFT)
    pages.pmds.add(new >> PUD_SHIFT)
    first = old >> PMD_SHIFT
    shift = (new >> PMD_SHIFT) - first
    index, behind = first, first + ENTRIES
    while index < behind:
        moved = pages.move_run(index, index + shift, behind - index)
        if not moved and index in pages.leaves:
            pages.move_table(index, index + shift)
        index += moved or 1
    return True


def _move_run(pages: "PageTable", old: int, new: int, step: int) -> int:
    """The tables of one run that begin here, within 1 GiB on both sides; bytes, 0 if there are none."""
    if old % PMD_SIZE or new % PMD_SIZE:
        return 0
    moved = pages.move_run(old >> PMD_SHIFT, new >> PMD_SHIFT, step >> PMD_SHIFT) << PMD_SHIFT
    if moved:
        pages.pmds.add(new >> PUD_SHIFT)
    return moved


def _move_step(pages: "PageTable", old: int, new: int, step: int) -> None:
    """What lies in one table on both sides: at most 2 MiB."""
    source, target = old >> PMD_SHIFT, new >> PMD_SHIFT
    if source not in pages.leaves:
        return
    pages.pmds.add(new >> PUD_SHIFT)
    if step == PMD_SIZE and target not in pages.leaves:
        pages.move_table(source, target)
        return
    if pages.split_file(source):
        return
    low, count = (old >> PAGE_SHIFT) % ENTRIES, step >> PAGE_SHIFT
    to = (new >> PAGE_SHIFT) % ENTRIES
    pages.alloc(target)
    if pages.leaves[source].state.count(ABSENT, low, low + count) == count:
        return
    leaf = pages.own(source)
    leaf.huge = False
    states = leaf.state[low : low + count]
    leaf.name_folio()
    folio = None if leaf.folio is None else leaf.folio[low : low + count]
    parts = {entry - low + to: part for entry, part in leaf.parts.items() if low <= entry < low + count}
    frames = {entry: leaf.frames.pop(entry) for entry in list(leaf.frames) if low <= entry < low + count}
    slots = leaf.slots
    runs = [] if slots is None else slots.cut(low, low + count)
    mlocked, rewritten = (
        {entry - low + to for entry in entries if low <= entry < low + count}
        for entries in (leaf.mlocked, leaf.rewritten)
    )
    dirty = [to + at for at, known in enumerate(leaf.dirty[low : low + count]) if known] if leaf.dirty else []
    pages.put(source, low, bytes(count))
    pages.put(target, to, states)
    moved = pages.own(target)
    moved.mlocked |= mlocked
    moved.rewritten |= rewritten
    moved.set_dirty(dirty)
    for run in runs:
        assert slots is not None
        moved.add_slots(slots.swap, run.low - low + to, run.high - low + to, run.slot, dirty=run.dirty)
    if folio is not None:
        moved.add_parts(folio, parts, to)
    for entry, frame in frames.items():
        if frame.home is leaf:
            frame.home, frame.entry = moved, entry - low + to
        moved.frames[entry - low + to] = frame
