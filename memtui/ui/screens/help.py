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
from memtui.draw.why_figure import MEANINGS
from memtui.ui.keys import KEYS
from memtui.ui.line_view import LineView
from memtui.ui.strips import Styles

_KEY: Final = 16
"""Cells of the left column."""

FIGURES: Final = {
    "the two lists": "Scenarios are stories that a simulated Linux plays step by step: nothing of this machine is "
    "touched, and no right is needed. Processes run here and now; whoever is picked is looked at each second, and "
    "never stopped. The size is what a process has in RAM (VmRSS). Enter opens, Tab leads to the other list, / filters "
    "both by name, PID and command line, R reads the processes again, Esc shows all, and leads back from what was "
    "opened.",
    "map": "The address space, high addresses on top. The height of a VMA follows its size, on the scale in the "
    "heading; a hole is one row. A cell of the bar stands for an equal part of the pages of its row and shows what "
    "most of those that are there are; it is lighter when less than half of them are there. A bar at the left edge "
    "marks what changed since the last look or step. z goes closer: to the region around the cursor, where a row is "
    "always the same number of bytes, to the pages of a VMA, to the bytes of a page; Enter goes straight to the "
    "pages. The columns: the address where a row begins (bright where its VMA does), the name, the size of the whole "
    "VMA, its permissions (read, write, execute, private or shared; ! behind them: what may be written may be "
    "executed).",
    "minimap": "The column beside the scroll bar: the whole drawing, small. A cell shows what most of its rows are, "
    "or a bar where something changed.",
    "bytes": "The bytes of the page under the cursor in hex and as text, read anew with each look, without stopping "
    "the process. Zeros are dim; a star stands behind each byte that is not what it was at the last look.",
    "VMA": "What is known of the VMA and the page under the cursor, or how the score of the process that the ranking "
    "has selected comes about. page: what the page is, and whether it was referenced, is dirty, shared, locked. "
    "pages: so many of each residence. flags: vm_flags by the letters of smaps, then in words.",
    "smaps": "Rss: pages in RAM that this VMA maps. Pss: the same, each page divided by the number of processes that "
    "map it, so that the sum over all processes is what they take. Shared and Private: mapped by others, or by this "
    "process alone; Clean and Dirty: as the file has it, or newer. Referenced: used lately. Anonymous: without a "
    "file. LazyFree: given up by MADV_FREE, gone at the next pressure. Swap, SwapPss: on swap. Locked: by mlock. KSM: "
    "merged with equal pages. AnonHugePages, ...Mapped, ...Hugetlb: pages of 2 MiB.",
    "why": "y asks why, in every pane, of whatever the cursor is on: which rule put a VMA where it is, why a page is "
    "what it is, why a process has its place in the ranking, where a figure comes from, what would free it. The "
    "answer stands in the pane of the details and follows the cursor, until y or Esc.",
    "find": "/ takes a part of a name, an address in hex, a range FROM-TO, permissions such as rw?p, w+x (what may be "
    "written and executed), kind:heap, in:anon (what has such pages); . and , go on to the next and the one before.",
    "residence": "Where the memory is, of the process and of the machine. The machine's column adds up to MemTotal: "
    "what no counter of the kernel tells is the rest. A bar of the process is a share of its RSS, one of the system a "
    "share of MemTotal. reclaimable says what has to happen before the memory of the process is free. Lines with ~ "
    "are trends: the last looks or steps, from the lowest to the highest figure beside them.",
    "trends": "A line of bars for each figure that changed: the left is the past, the right now, a bar one look or "
    "step (the heading says over how many). Behind it the lowest and the highest figure of those that are drawn.",
    "where memory goes": "By kind, the most pages in RAM first. in RAM: what takes memory now. size: address space, "
    "which alone costs nothing. swapped: out on swap. share: of all that the process has in RAM. page tables are the "
    "kernel's, for this process. reclaimable: what the kernel could take back, and what has to happen first. Enter "
    "shows the VMAs of a kind, Enter on one of them leads to the map, Esc back. Programs and libraries are files of "
    "which a part is executable. A page that several processes map counts in each of them.",
    "OOM ranking": "In the order in which the kernel would kill. points = rss + swap + page tables, in pages, + "
    "oom_score_adj (adj) thousandths of RAM + swap; pt: page tables. † stands before the first to die, ► before the "
    "process that the map shows. score is what these figures give by the kernel's formula, kernel what "
    "/proc/PID/oom_score says. The heading says how far the selected process is from dying first. Where a memory "
    "cgroup limits the process, two things can run out: the machine's memory, and the group's; D ranks the tasks of "
    "the group, among which the kernel then chooses, against its limit. + and - try another oom_score_adj, here only; "
    "A writes it to the kernel, after a question.",
    "heap": "The chunks of the allocator. A cell of the picture stands for as many bytes as the heading says: a "
    "letter where one chunk begins, a glyph where one goes on, by whoever holds most of the cell; z shows smaller "
    "cells, Z larger ones. The table adds up to what the arenas got from the kernel: chunks by state, and what is no "
    "chunk (an arena's own structures, what was skipped, memory that someone else got by sbrk in between). H goes on "
    "to the bins, each in the order in which it is given out or looked at, and to the list of all chunks.",
    "fragmentation": "Internal: what blocks in use are larger than what was asked for, headers included; of a live "
    "process only the headers are known (8 bytes a block, 16 of a mapped one), because glibc does not note what was "
    "asked for. External: what is free (tcache, fastbins, bins, top) but not in the largest free piece, which is what "
    "no single request could get.",
    "torn": "A live heap is read while its process runs. What did not agree with itself (sizes that do not add up, "
    "links that do not lead back, an arena that changed meanwhile) was read again up to four times; what still did "
    "not is marked.",
    "steps": "What ran and what is to come; the heading counts them. ▶ is the step that ran last, a mark before the "
    "text what happened: † a kill, ! a signal, ≠ another result than in the log. Below the step that ran last stands "
    "its story, and the rule that decided its result.",
    "libraries": "The program, the vdso and the shared libraries in the order in which the dynamic linker loaded "
    "them, with those that need each. The heading says where that order is from: the linker's own list in the memory "
    "of the process, or DT_NEEDED if that may not be read. The columns: its place in that order, its lowest address, "
    "its name.",
    "files": "Each mapped file: cached, how much of it is in the page cache, whoever brought it there; of, its size; "
    "dirty, how much of that is newer than on the disk or being written; evicted, what the kernel remembers to have "
    "dropped (cachestat); maps it, how many processes do; the percentage is the share that is cached. A star: the "
    "process has it open, or i asked for it, but it is not mapped. Enter leads to the map.",
    "shared": "Memory that outlives its processes: file systems in memory, with what their files take of the limit "
    "and their inodes, and every segment of shared memory (SysV, files in /dev/shm, memfds) with its size, what of it "
    "is in RAM or on swap, and how many use it (SysV: attachments, else processes). One that nobody uses is marked: "
    "it stays until somebody removes it.",
    "machine": "The LRU lists that reclaim takes pages from, inactive ones first. Zones with their watermarks: below "
    "low kswapd works until high, below min whoever allocates reclaims itself. What each mode of overcommit would "
    "grant now, and with C what each would answer to a size. What drop_caches would free is an estimate: page cache "
    "that is neither mapped nor dirty.",
    "tree": "Where the kernel looks an address up: a fault, mmap and munmap all begin with it. Since Linux 6.1 it is "
    "a maple tree, whose nodes hold many ranges side by side, holes too; before, a red-black tree with one VMA a "
    "node. The tree of this kernel comes first. ■ is a node: the way to it from the root by slots, the addresses it "
    "covers, how many slots are full; ├ its slots, each a VMA or a hole. ● is a black node, ○ a red one. A bar at the "
    "left edge marks what is new or has changed.",
    "—": "Not known. The reason stands beside it, or in the pane of the VMA.",
}
"""Pane -> what its figures mean."""
_OF_PANE: Final[Mapping[str, Sequence[str]]] = {
    "map": ("map", "minimap", "bytes", "find"),
    "detail": ("VMA", "smaps", "why"),
    "residence": ("residence", "trends"),
    "oom": ("OOM ranking",),
    "home": ("the two lists",),
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
LINES_OF: Final[Mapping[str, Sequence[str]]] = {
    "residence": (
        *("anon", "page cache", "shmem", "page tables", "slab", "kernel", "huge pages", "free", "the rest", "total"),
        *("swapped", "reclaimable", "active", "inactive", "to write", "commit", "mode"),
    ),
    "machine": (
        *("anon", "file", "unevictable", "not in them", "kswapd", "direct", "refaults", "OOM kills", "page cache"),
        *("mapped", "drop_caches", "promised", "mode", "swap", "pressure", "approximate"),
    ),
}
"""Id of a pane -> the figures that have a line of their own there."""


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
        yield HelpView(_OF_PANE.get(self._pane, ()), LINES_OF.get(self._pane, ()), id="help")

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

    def __init__(self, first: Sequence[str], lines: Sequence[str], *, id: str) -> None:
        super().__init__(id=id)
        self._first, self._lines = first, lines

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        width = self.room.width
        rows = tuple(help_rows(width, self._first, self._lines))
        self.show(RowLines(rows, width), title="Help", subtitle="Esc back")


def help_rows(width: int, first: Sequence[str] = (), lines: Sequence[str] = ()) -> Iterator[Row]:
    """What the figures here mean, then every key, every residence, every pane.

    Args:
        width: cells.
        first: keys of FIGURES.
        lines: keys of `why_figure.MEANINGS`.
    """
    if first:
        yield from _heading("Here")
        for name in first:
            yield from _entry(Run(f" {name}", "key"), FIGURES[name], width)
        for name in lines:
            yield from _entry(Run(f" {name}", "key"), MEANINGS[name], width)
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
