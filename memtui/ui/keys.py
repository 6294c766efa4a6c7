"""Every key, once: bindings, footer, help and command palette are made from this table."""

from collections.abc import Callable
from typing import Final, NamedTuple
from unicodedata import lookup

from textual.binding import Binding
from textual.keys import Keys

from memtui.draw.run import Row, Run
from memtui.model.request import (
    Back,
    Focus,
    Inject,
    Measure,
    RankGroup,
    Refresh,
    Request,
    Seek,
    ShowHeap,
    Step,
    WatchFile,
)


class Key(NamedTuple):
    """One row of the table."""

    keys: str
    """As Textual names them, comma between: "n,right_square_bracket"."""
    action: str
    """An action of the main screen."""
    label: str
    """In the footer."""
    meaning: str
    """In the help and the command palette."""
    group: str
    needs: type[Request] | None = None
    """Greyed where the source does not accept this request."""
    footer: int = 0
    """Its place when the footer runs short: 1 goes last, higher ones go first; 0 is never there."""
    instead: type[Request] | None = None
    """Only where the source does not accept this request: the key then has another meaning."""

    @property
    def shown(self) -> str:
        """The keys as the help writes them: "↑ k"."""
        return " ".join(_SHOWN.get(key, key) for key in self.keys.split(","))

    @property
    def shown_first(self) -> str:
        """The first of them, as the footer writes it."""
        return self.shown.partition(" ")[0]

    def works(self, accepts: Callable[[type[Request]], bool]) -> bool:
        """Whether it does something with a source that accepts this."""
        if self.instead is not None and accepts(self.instead):
            return False
        return self.needs is None or accepts(self.needs)


_SHOWN: Final = {
    "colon": ":",
    "asterisk": "*",
    "apostrophe": "'",
    "quotation_mark": '"',
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "ctrl+left": "Ctrl-←",
    "ctrl+right": "Ctrl-→",
    "ctrl+up": "Ctrl-↑",
    "ctrl+down": "Ctrl-↓",
    "question_mark": "?",
    "f1": "F1",
    "plus": "+",
    "minus": "-",
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "shift+tab": "Shift-Tab",
    "space": "Space",
    "ctrl+b": "Ctrl-B",
    "ctrl+f": "Ctrl-F",
    "ctrl+p": "Ctrl-P",
    "ctrl+t": "Ctrl-T",
    "ctrl+z": "Ctrl-Z",
}

_NAMED: Final = {shown.casefold(): name for name, shown in _SHOWN.items()}

_STEPS, _TRY = "Steps of a simulation", "Try on a simulated process"
_LOOK, _MOVE, _VIEW, _OTHER = "Look at a live process", "Move", "View", "Other"

KEYS: Final[tuple[Key, ...]] = (
    Key("n", "step(1)", "step", "one step forward", _STEPS, Step, footer=1),
    Key("N", "step(10)", "step 10", "ten steps forward", _STEPS, Step),
    Key("b", "back(1)", "back", "one step back", _STEPS, Back, footer=1),
    Key("B", "back(10)", "back 10", "ten steps back", _STEPS, Back),
    Key("g,colon", "seek", "seek", "go to a step by its number", _STEPS, Seek, footer=4),
    Key("space", "play", "play", "play the steps one after the other; pause", _STEPS, Step, footer=2),
    Key("right_square_bracket", "chapter(1)", "next chapter", "to the first step of the next chapter", _STEPS, Seek),
    Key(
        "left_square_bracket",
        "chapter(-1)",
        "chapter before",
        "to the first step of this chapter, or the one before",
        _STEPS,
        Seek,
    ),
    Key("asterisk", "bookmark", "bookmark", "mark the step that ran last, or take its mark away", _STEPS, Seek),
    Key("apostrophe", "next_bookmark", "next mark", "to the next step that is marked", _STEPS, Seek),
    Key("quotation_mark", "places", "places", "pick a chapter or a bookmark from a list", _STEPS, Seek),
    Key("greater_than_sign", "speed(1)", "faster", "play, or look again, twice as fast", _STEPS),
    Key("less_than_sign", "speed(-1)", "slower", "half as fast", _STEPS),
    Key("space", "play", "pause", "stop looking again and again; go on", _LOOK, Refresh, footer=2, instead=Step),
    Key("R", "refresh", "refresh", "look again now", _LOOK, Refresh),
    Key(
        "i",
        "watch_file",
        "file",
        "what of a file is in the page cache: asks for its path",
        _LOOK,
        WatchFile,
        instead=Inject,
    ),
    Key("x", "measure", "measure", "read what is dear: the smaps figures of every VMA", _LOOK, Measure, instead=Inject),
    Key("m", "malloc", "malloc", "allocate: asks for a size", _TRY, Inject, footer=3),
    Key("f", "free", "free", "free the latest allocation that m made", _TRY, Inject, footer=5),
    Key("t", "touch", "touch", "write to the page under the cursor", _TRY, Inject, footer=5),
    Key("P", "mmap", "mmap", "map private anonymous memory: asks for a size", _TRY, Inject),
    Key("U", "munmap", "munmap", "unmap the VMA under the cursor", _TRY, Inject),
    Key("K", "fork", "fork", "fork: a child shares every page until one of both writes", _TRY, Inject),
    Key("x", "exit", "exit", "end the process", _TRY, Inject),
    Key("i", "inject", "inject", "run a line of the trace language", _TRY, Inject),
    Key("up,k", "move(-1)", "up", "the row above", _MOVE),
    Key("down,j", "move(1)", "down", "the row below", _MOVE),
    Key("left,h", "side(-1)", "left", "the cell to the left", _MOVE),
    Key("right,l", "side(1)", "right", "the cell to the right", _MOVE),
    Key("pageup,ctrl+b", "page(-1)", "page up", "a screen up", _MOVE),
    Key("pagedown,ctrl+f", "page(1)", "page down", "a screen down", _MOVE),
    Key("home", "first", "top", "the first row", _MOVE),
    Key("g", "first", "top", "the first row", _MOVE, instead=Seek),
    Key("end,G", "last", "bottom", "the last row", _MOVE),
    Key(
        "slash",
        "find",
        "find",
        "find VMAs by name, permissions, kind or residence, or go to an address",
        _MOVE,
        footer=3,
    ),
    Key("full_stop", "find_next(1)", "next", "the next VMA that was looked for, upwards", _MOVE),
    Key("comma", "find_next(-1)", "previous", "the one before, downwards", _MOVE),
    Key("z", "zoom(1)", "zoom", "closer: from all VMAs to the pages of one, to the bytes of a page", _VIEW, footer=2),
    Key("Z,escape", "zoom(-1)", "out", "end what takes long; further away; at last back to the list", _VIEW),
    Key(
        "enter",
        "enter",
        "enter",
        "into what the cursor is on: the pages of a VMA, the process of a ranking, a step",
        _VIEW,
    ),
    Key("tab", "pane(1)", "next pane", "the next pane", _VIEW, footer=6),
    Key("shift+tab", "pane(-1)", "previous pane", "the previous pane", _VIEW),
    Key("a,1", "show('map')", "map", "to the address map", _VIEW),
    Key("v,2", "show('detail')", "vma", "to the details of what the cursor is on", _VIEW),
    Key("r,3", "show('residence')", "residence", "to the page cache and anon bars", _VIEW, footer=7),
    Key("o,4", "show('oom')", "oom", "to the OOM ranking", _VIEW, footer=1),
    Key("s,5", "show('steps')", "steps", "to the steps", _VIEW, Step),
    Key("u,6", "show('usage')", "usage", "to where the memory goes: by kind, and by VMA", _VIEW, footer=2),
    Key(
        "H,7",
        "show('heap')",
        "heap",
        "to the allocator's heap: a picture of its chunks; again: its bins, a list of them",
        _VIEW,
        ShowHeap,
    ),
    Key("L,8", "show('libraries')", "libraries", "to the loaded libraries, and who needs each", _VIEW),
    Key("F,0", "show('files')", "files", "to the mapped files, and what of each is in the page cache", _VIEW),
    Key("I", "show('sharing')", "shared", "to the memory that processes share: tmpfs, segments, who uses them", _VIEW),
    Key(
        "M,9",
        "show('machine')",
        "machine",
        "to the machine: LRU lists, zones, reclaim, promises, swap",
        _VIEW,
        footer=7,
    ),
    Key("V", "show('tree')", "tree", "to the tree in which the kernel keeps the VMAs", _VIEW),
    Key("C", "promise", "promise", "what each mode of overcommit would answer to a size", _VIEW),
    Key("O", "old_rule", "old rule", "rank the same processes by the OOM rule before 2.6.36; again: by today's", _VIEW),
    Key("D", "rank_group", "domain", "rank the tasks of the cgroup that limits this one; again: all", _VIEW, RankGroup),
    Key("plus", "try_adj(1)", "adj +", "what if the selected process had an oom_score_adj 100 higher", _VIEW),
    Key("minus", "try_adj(-1)", "adj -", "what if it were 100 lower", _VIEW),
    Key("A", "write_adj", "write adj", "write the oom_score_adj that is tried, after a question", _VIEW),
    Key("p", "focus_process", "process", "show the process that the OOM ranking has selected", _VIEW, Focus),
    Key(
        "y",
        "why",
        "why",
        "why what is under the cursor is there, is one of its own, and what would free it",
        _VIEW,
        footer=2,
    ),
    Key("ctrl+right", "wider(1)", "wider", "the left column wider; the line beside it can be dragged, too", _VIEW),
    Key("ctrl+left", "wider(-1)", "narrower", "the left column narrower", _VIEW),
    Key("ctrl+up", "taller(1)", "taller", "the pane with the focus higher; its heading can be dragged, too", _VIEW),
    Key("ctrl+down", "taller(-1)", "lower", "the pane with the focus lower", _VIEW),
    Key("e", "expand", "expand", "the pane over the whole screen, and back", _VIEW, footer=8),
    Key("c", "copy", "copy", "copy the row under the cursor", _OTHER),
    Key("S", "save", "save", "save the screen as an SVG file", _OTHER),
    Key("T", "theme", "theme", "the next theme", _OTHER),
    Key("ctrl+t", "reload_themes", "reload themes", "read the theme files again", _OTHER),
    Key("ctrl+p", "palette", "commands", "find a command by its name", _OTHER),
    Key("question_mark", "help", "help", "what the keys and the figures mean", _OTHER, footer=1),
    Key("f1", "tour", "tour", "a first look: what the parts of the screen are for", _OTHER),
    Key("ctrl+z", "suspend", "suspend", "stop, back to the shell, which goes on with fg", _OTHER),
    Key("q", "quit", "quit", "leave", _OTHER, footer=1),
)


def key_named(word: str) -> str | None:
    """The key that a word means, as Textual names it: "n", "escape", "Esc", "Ctrl-P", "?"; None: there is none."""
    named = _NAMED.get(word.casefold(), word)
    plain = named.removeprefix("ctrl+").removeprefix("shift+")
    if len(plain) == 1 or any(named in key.keys.split(",") for key in KEYS) or plain in {key.value for key in Keys}:
        return named
    try:
        lookup(plain.replace("_", " ").upper())
    except KeyError:
        return None
    return named


def bindings() -> list[Binding]:
    """The table as Textual's bindings; a key with two meanings has two, of which `check_action` lets one through."""
    return [Binding(key.keys, key.action, key.label, show=bool(key.footer), tooltip=key.meaning) for key in KEYS]


def keys_of(action: str, parameters: tuple[object, ...]) -> list[Key]:
    """The rows whose action this is."""
    written = f"{action}({', '.join(map(repr, parameters))})" if parameters else action
    return [key for key in KEYS if key.action == written]


def footer_row(accepts: Callable[[type[Request]], bool], width: int) -> tuple[Row, tuple[Key, ...]]:
    """The keys at the bottom of the screen, and what stands in each cell, for the mouse.

    What the source cannot do is greyed, and left out when room is short; then those of the highest `footer` go.
    """
    table = [key for key in KEYS if key.footer and (key.instead is None or key.works(accepts))]
    table = [key for key in table if key.works(accepts) or not _has_twin(key, accepts)]
    if _width(table) > width:
        table = [key for key in table if key.works(accepts)]
    while _width(table) > width and len(table) > 2:
        *_, (_, last) = sorted((key.footer, nth) for nth, key in enumerate(table[:-2]))
        del table[last]
    runs: list[Run] = []
    cells: list[Key] = []
    for key in table:
        works = key.works(accepts)
        runs += [
            Run(f" {key.shown_first}", "key" if works else "text.dim"),
            Run(f" {key.label} ", "text" if works else "text.dim"),
        ]
        cells += [key] * _cells(key)
    return tuple(runs), tuple(cells)


def _has_twin(key: Key, accepts: Callable[[type[Request]], bool]) -> bool:
    """Whether the same key has another meaning here."""
    return any(other is not key and other.keys == key.keys and other.works(accepts) for other in KEYS)


def _cells(key: Key) -> int:
    return len(key.shown_first) + len(key.label) + 3


def _width(table: list[Key]) -> int:
    return sum(map(_cells, table))
