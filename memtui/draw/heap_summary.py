"""The few rows that tell a heap as a whole: a ledger that adds up, and how fragmented it is."""

from collections.abc import Iterator, Mapping

from memtui.draw.fit import crop, safe, wrap
from memtui.draw.heap_glyphs import FILLS, NAMES, state_role
from memtui.draw.heap_stats import Fragmentation, all_totals, fragmentation, mapped_total, own_bytes, totals
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, human, of, plural
from memtui.model.heap import ArenaView, ChunkState, HeapView
from memtui.model.heap_table import Total

_NAME = 15


def summary_rows(heap: HeapView, width: int) -> tuple[Row, ...]:
    """The allocator, where its bytes are by state, fragmentation, and how sure all of it is."""
    rows = [*_warnings(heap, width)]
    rows += _ledger(heap, width)
    rows += _fragmentation(fragmentation(heap), width)
    rows += _thresholds(heap, width)
    for note in heap.notes:
        rows += [crop((Run(f" {line}", "text.dim"),), width) for line in wrap(note, width - 2)]
    return tuple(rows)


def _warnings(heap: HeapView, width: int) -> Iterator[Row]:
    if heap.progress is not None:
        yield crop((Run(f" reading: {heap.progress * 100:.0f} %", "key"),), width)
    for torn in heap.torn:
        for line in wrap(f"torn: {torn}", width - 2):
            yield crop((Run(f" {line}", "error"),), width)
    if heap.notes:
        yield crop((Run(f" ≈ what is exact and what is not: {plural(len(heap.notes), 'note')} below", "key"),), width)


def _ledger(heap: HeapView, width: int) -> Iterator[Row]:
    """State by state; the bytes add up to what the arenas hold, exactly."""
    added, mapped = all_totals(heap), mapped_total(heap)
    system = sum(arena.system_mem for arena in heap.arenas)
    for state in ChunkState:
        total = added.get(state)
        if total is not None:
            yield _entry(FILLS[state], state_role(state), NAMES[state], total, system, width)
    own = sum(own_bytes(arena) for arena in heap.arenas)
    if own:
        yield _line(" ", "text", "no chunks", own, of(own, system), width)
    yield _line("=", "text.dim", plural(len(heap.arenas), "arena"), system, "", width, role="text.strong")
    if mapped.chunks:
        state = ChunkState.MMAPPED
        yield _entry("+", state_role(state), NAMES[state], mapped, None, width)


def _entry(glyph: str, role: str, name: str, total: Total, system: int | None, width: int) -> Row:
    share = of(total.size, system) if system is not None else ""
    return _line(glyph, role, name, total.size, f"{share:>6}  {plural(total.chunks, 'chunk')}", width)


def _line(glyph: str, glyph_role: str, name: str, size: int, note: str, width: int, role: str = "value") -> Row:
    return crop(
        (
            Run(f" {glyph} ", glyph_role),
            Run(f"{name:<{_NAME}}", "text"),
            Run(f"{count(size):>15}", role),
            Run(f" {human(size):>9} ", "text.dim"),
            Run(f"{note:>6}", "text.dim"),
        ),
        width,
    )


def _fragmentation(found: Fragmentation, width: int) -> Iterator[Row]:
    least = "≥ " if found.at_least else ""
    inside = f"{least}{of(found.internal, found.of_used)} of what is in use"
    yield _line("i", "key", f"internal {least}".strip(), found.internal, inside, width)
    outside = f"{of(found.external, found.of_free)} of what is free"
    yield _line("e", "key", "external", found.external, outside, width)


def _thresholds(heap: HeapView, width: int) -> Iterator[Row]:
    known = heap.thresholds
    if known is None:
        return
    kind = "dynamic" if known.dynamic else "fixed"
    text = f"mmap from {human(known.mmap_threshold)}, trim from {human(known.trim_threshold)} of top ({kind})"
    yield crop((Run(f" {text}", "text.dim"),), width)


def heap_line(heap: HeapView) -> str:
    """The heap in one line of --print summary."""
    found, lost = all_totals(heap), fragmentation(heap)
    used = found[ChunkState.USED].size if ChunkState.USED in found else 0
    parts = [
        f"heap: {heap.allocator}",
        f"{plural(len(heap.arenas), 'arena')} of {human(sum(arena.system_mem for arena in heap.arenas))}",
        f"{human(used)} in use",
        f"{human(lost.of_free)} free",
        f"{human(mapped_total(heap).size)} mapped in {plural(len(heap.mmapped), 'chunk')}",
        f"fragmentation internal {'≥ ' if lost.at_least else ''}{of(lost.internal, lost.of_used)}"
        f" external {of(lost.external, lost.of_free)}",
    ]
    return " · ".join([*parts, *(["torn"] if heap.torn else [])])


def arena_title(arena: ArenaView) -> str:
    """One line about an arena."""
    found: Mapping[ChunkState, Total] = totals(arena)
    chunks = sum(total.chunks for total in found.values())
    grows = "" if arena.contiguous or arena.name != "main" else " · not contiguous"
    return f"arena {safe(arena.name)} · {human(arena.system_mem)} · {plural(chunks, 'chunk')}{grows}"
