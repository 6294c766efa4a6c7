"""What the keys do and what the figures mean."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from memtui.draw.fit import crop, wrap
from memtui.draw.glyphs import GLYPHS, NAMES, residence_role
from memtui.draw.lines import RowLines
from memtui.draw.roles import ROLES
from memtui.draw.run import Row, Run
from memtui.ui.keys import KEYS
from memtui.ui.line_view import LineView
from memtui.ui.strips import Styles

_KEY: Final = 16
"""Cells of the left column."""

FIGURES: Final = {
    "map": "The address space, high addresses on top. The height of a VMA follows its size, on the scale in the "
    "heading; a hole is one row. A cell of the bar stands for an equal part of the pages of its row and shows what "
    "most of those that are there are; it is lighter when less than half of them are there. A bar at the left edge "
    "marks what changed since the last look or step. z goes closer: to the region around the cursor, where a row is "
    "always the same number of bytes, to the pages of a VMA, to the bytes of a page; Enter goes straight to the pages. "
    "Beside the scroll bar stands the whole map, small. ! behind the permissions: what may be written may be executed.",
    "VMA": "What is known of the VMA and the page under the cursor, or how the score of the process that the ranking "
    "has selected comes about.",
    "why": "y asks why, in every pane, of whatever the cursor is on: which rule put a VMA where it is, why a page is "
    "what it is, why a process has its place in the ranking, where a figure comes from, what would free it. The answer "
    "stands in the pane of the details and follows the cursor, until y or Esc.",
    "find": "/ takes a part of a name, an address in hex, a range FROM-TO, permissions such as rw?p, w+x (what may be "
    "written and executed), kind:heap, in:anon (what has such pages); . and , go on to the next and the one before.",
    "residence": "Where the memory is, of the process and of the machine. The machine's column adds up to MemTotal: "
    "what no counter of the kernel tells is the rest. A bar of the process is a share of its RSS, one of the system "
    "a share of MemTotal. reclaimable says what has to happen before the memory of the process is free. Lines with ~ "
    "are trends: the last looks or steps, from the lowest to the highest figure beside them.",
    "where memory goes": "By kind, the most pages in RAM first. Enter shows the VMAs of a kind, Enter on "
    "one of them leads to the map, Esc back. Programs and libraries are files of which a part is executable. A page "
    "that several processes map counts in each of them.",
    "OOM ranking": "In the order in which the kernel would kill. points = rss + swap + page tables, in pages, + "
    "oom_score_adj thousandths of RAM + swap. score is what these figures give by the kernel's formula, kernel what "
    "/proc/PID/oom_score says. The heading says how far the selected process is from dying first. + and - try another "
    "oom_score_adj, here only; A writes it to the kernel, after a question.",
    "heap": "The chunks of the allocator. A cell of the picture stands for as many bytes as the heading says: a letter "
    "where one chunk begins, a glyph where one goes on, by whoever holds most of the cell; z shows smaller cells, Z "
    "larger ones. The table adds up to what the arenas got from the kernel: chunks by state, and what is no chunk (an "
    "arena's own structures, what was skipped, memory that someone else got by sbrk in between). H goes on to the "
    "bins, each in the order in which it is given out or looked at, and to the list of all chunks.",
    "fragmentation": "Internal: what blocks in use are larger than what was asked for, headers included; of a live "
    "process only the headers are known (8 bytes a block, 16 of a mapped one), because glibc does not note what was "
    "asked for. External: what is free (tcache, fastbins, bins, top) but not in the largest free piece, which is what "
    "no single request could get.",
    "torn": "A live heap is read while its process runs. What did not agree with itself (sizes that do not add up, "
    "links that do not lead back, an arena that changed meanwhile) was read again up to four times; what still did "
    "not is marked.",
    "steps": "What ran and what is to come. Below the step that ran last stands its story, and the rule that decided "
    "its result.",
    "libraries": "The program, the vdso and the shared libraries in the order in which the dynamic linker loaded them, "
    "with those that need each. The heading says where that order is from: the linker's own list in the memory of the "
    "process, or DT_NEEDED if that may not be read.",
    "files": "Each mapped file: how much of it is in the page cache, whoever brought it there, how much of that is "
    "dirty or being written, what the kernel remembers to have dropped (cachestat), and how many processes map it. A "
    "star: the process has it open, or i asked for it, but it is not mapped. Enter leads to the map.",
    "shared": "Memory that outlives its processes: file systems in memory, and every segment of shared memory (SysV, "
    "files in /dev/shm, memfds) with its size, what of it is in RAM or on swap, and how many use it. One that nobody "
    "uses is marked: it stays until somebody removes it.",
    "machine": "The LRU lists that reclaim takes pages from, inactive ones first. Zones with their watermarks: below "
    "low kswapd works until high, below min whoever allocates reclaims itself. What each mode of overcommit would "
    "grant now, and with C what each would answer to a size. What drop_caches would free is an estimate: page cache "
    "that is neither mapped nor dirty.",
    "tree": "Where the kernel looks an address up: a fault, mmap and munmap all begin with it. Since Linux 6.1 it is a "
    "maple tree, whose nodes hold many ranges side by side, holes too; before, a red-black tree with one VMA a node. "
    "The tree of this kernel comes first. A bar at the left edge marks what is new or has changed.",
    "—": "Not known. The reason stands beside it, or in the pane of the VMA.",
}
"""Pane -> what its figures mean."""
_OF_PANE: Final[Mapping[str, Sequence[str]]] = {
    "map": ("map", "find"),
    "detail": ("VMA", "why"),
    "residence": ("residence",),
    "oom": ("OOM ranking",),
    "steps": ("steps",),
    "usage": ("where memory goes",),
    "heap": ("heap", "fragmentation", "torn"),
    "libraries": ("libraries",),
    "files": ("files",),
    "sharing": ("shared",),
    "machine": ("machine",),
    "tree": ("tree",),
}
"""Id of a pane -> what of FIGURES its help begins with."""


class HelpScreen(ModalScreen[None]):
    """Scrolls; any of its keys leads back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,question_mark,q", "dismiss", "back"),
        ("down,j", "scroll(1)", "down"),
        ("up,k", "scroll(-1)", "up"),
        ("pagedown,space,ctrl+f", "scroll(20)", "page down"),
        ("pageup,ctrl+b", "scroll(-20)", "page up"),
        ("home,g", "scroll(-9999)", "top"),
        ("end,G", "scroll(9999)", "bottom"),
    ]

    def __init__(self, styles: Styles, pane: str = "") -> None:
        super().__init__()
        self._styles, self._pane = styles, pane

    def compose(self) -> ComposeResult:
        """One view."""
        yield HelpView(_OF_PANE.get(self._pane, ()), id="help")

    def on_mount(self) -> None:
        """Colour it."""
        view = self.query_one(HelpView)
        view.paint_with(self._styles)
        view.focus()

    def action_scroll(self, rows: int) -> None:
        """Down or up."""
        self.query_one(HelpView).scroll_rows(rows)


class HelpView(LineView):
    """What the pane shows, keys, residences, all panes."""

    def __init__(self, first: Sequence[str], *, id: str) -> None:
        super().__init__(id=id)
        self._first = first

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        width = self.room.width
        self.show(RowLines(tuple(help_rows(width, self._first)), width), title="Help", subtitle="Esc back")


def help_rows(width: int, first: Sequence[str] = ()) -> Iterator[Row]:
    """What the figures here mean (`first`: keys of FIGURES), then every key, every residence, every pane."""
    if first:
        yield from _heading("Here")
        for name in first:
            yield from _entry(Run(f" {name}", "key"), FIGURES[name], width)
    for group, keys in groupby(KEYS, key=lambda key: key.group):
        yield from _heading(group)
        for key in keys:
            yield from _entry(Run(f" {key.shown}", "key"), key.meaning, width)
    yield from _heading("Residence")
    for residence, glyph in GLYPHS.items():
        role = residence_role(residence)
        yield from _entry(Run(f" {glyph} {NAMES[residence]}", role), ROLES[role], width)
    yield from _heading("Panes and figures")
    for name, meaning in FIGURES.items():
        yield from _entry(Run(f" {name}", "key"), meaning, width)


def _heading(text: str) -> Iterator[Row]:
    yield ()
    yield (Run(f" {text}", "title"),)


def _entry(name: Run, meaning: str, width: int) -> Iterator[Row]:
    for line in wrap(meaning, width - _KEY - 1):
        yield crop((Run(f"{name.text:<{_KEY}}", name.role), Run(line, "text")), width)
        name = Run("", "text")
