"""How the state of a chunk is drawn: a letter where it begins, a glyph where it goes on, a role for the colour."""

from typing import Final

from memtui.draw.fit import crop
from memtui.draw.run import Row, Run
from memtui.model.heap import ChunkState

LETTERS: Final[dict[ChunkState, str]] = {
    ChunkState.USED: "U",
    ChunkState.TCACHE: "T",
    ChunkState.FASTBIN: "F",
    ChunkState.FREE: "B",
    ChunkState.TOP: "W",
    ChunkState.MMAPPED: "M",
    ChunkState.TCACHE_STRUCT: "S",
    ChunkState.FENCEPOST: "#",
    ChunkState.TORN: "?",
}
"""W: the wilderness, as top is also called. Every one of them is another character."""

FILLS: Final[dict[ChunkState, str]] = {
    ChunkState.USED: "█",
    ChunkState.TCACHE: "▓",
    ChunkState.FASTBIN: "▒",
    ChunkState.FREE: "░",
    ChunkState.TOP: "·",
    ChunkState.MMAPPED: "■",
    ChunkState.TCACHE_STRUCT: "=",
    ChunkState.FENCEPOST: "#",
    ChunkState.TORN: "?",
}

NAMES: Final[dict[ChunkState, str]] = {
    ChunkState.USED: "used",
    ChunkState.TCACHE: "tcache",
    ChunkState.FASTBIN: "fastbin",
    ChunkState.FREE: "free in a bin",
    ChunkState.TOP: "top",
    ChunkState.MMAPPED: "mapped",
    ChunkState.TCACHE_STRUCT: "tcache's own",
    ChunkState.FENCEPOST: "fencepost",
    ChunkState.TORN: "torn",
}


def state_role(state: ChunkState) -> str:
    """The role of its glyph: "heap.used"."""
    return f"heap.{state.value}"


def heap_legend_rows(width: int) -> tuple[Row, ...]:
    """What the letters and glyphs mean, on as many rows as that takes."""
    rows: list[list[Run]] = [[]]
    taken = 0
    for state, letter in LETTERS.items():
        glyphs = letter if FILLS[state] == letter else letter + FILLS[state]
        item = [Run(f" {glyphs}", state_role(state)), Run(f" {NAMES[state]}", "text.dim")]
        size = sum(len(run.text) for run in item)
        if taken and taken + size > width:
            rows.append([])
            taken = 0
        rows[-1] += item
        taken += size
    return tuple(crop(row, width) for row in rows)
