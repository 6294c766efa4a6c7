"""Every key, once: bindings, footer, help and command palette are made from this table."""

from typing import Final, NamedTuple

from textual.binding import Binding

from memtui.model.request import Back, Focus, Inject, Refresh, Request, Seek, Step


class Key(NamedTuple):
    """One row of the table."""

    keys: str
    """As Textual names them, comma between: "n,right_square_bracket"."""
    action: str
    label: str
    """In the footer."""
    meaning: str
    """In the help and the command palette."""
    group: str
    needs: type[Request] | None = None
    """Greyed where the source does not accept this request."""
    footer: bool = False
    only: str = ""
    """ "live" or "sim": greyed elsewhere."""

    @property
    def shown(self) -> str:
        """The keys as the help writes them."""
        return " ".join(_SHOWN.get(key, key) for key in self.keys.split(","))


_SHOWN: Final = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
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
}

KEYS: Final[tuple[Key, ...]] = (
    Key("n", "step(1)", "step", "one step forward", "Time", Step, footer=True),
    Key("N", "step(10)", "step 10", "ten steps forward", "Time", Step),
    Key("b", "back(1)", "back", "one step back", "Time", Back, footer=True),
    Key("B", "back(10)", "back 10", "ten steps back", "Time", Back),
    Key("g", "seek", "seek", "go to a step by its number", "Time", Seek),
    Key("space", "play", "play/pause", "play the steps, or look again and again; pause", "Time", Refresh, footer=True),
    Key("R", "refresh", "refresh", "look again now", "Time", Refresh),
    Key("m", "malloc", "malloc", "allocate: asks for a size", "Try", Inject, footer=True),
    Key("f", "free", "free", "free the latest allocation that m made", "Try", Inject, footer=True),
    Key("t", "touch", "touch", "write to the page under the cursor", "Try", Inject, footer=True),
    Key("i", "inject", "inject", "run a line of the trace language", "Try", Inject),
    Key("up,k", "move(-1)", "up", "the row above", "Move"),
    Key("down,j", "move(1)", "down", "the row below", "Move"),
    Key("left,h", "side(-1)", "left", "the cell to the left", "Move"),
    Key("right,l", "side(1)", "right", "the cell to the right", "Move"),
    Key("pageup,ctrl+b", "page(-1)", "page up", "a screen up", "Move"),
    Key("pagedown,ctrl+f", "page(1)", "page down", "a screen down", "Move"),
    Key("home", "first", "top", "the first row", "Move"),
    Key("end,G", "last", "bottom", "the last row", "Move"),
    Key("slash", "find", "find", "find a VMA by name, or an address", "Move", footer=True),
    Key("z,enter", "zoom(1)", "zoom", "from the address space into the pages of a VMA", "View", footer=True),
    Key("Z,escape", "zoom(-1)", "zoom out", "back to the whole address space", "View"),
    Key("tab", "pane(1)", "next pane", "the next pane", "View"),
    Key("shift+tab", "pane(-1)", "previous pane", "the previous pane", "View"),
    Key("v", "show('detail')", "vma", "to the details of the VMA under the cursor", "View"),
    Key("r", "show('residence')", "residence", "to the page cache and anon bars", "View"),
    Key("o", "show('oom')", "oom", "to the OOM ranking", "View", footer=True),
    Key("s", "show('steps')", "steps", "to the steps", "View", Step),
    Key("a", "show('map')", "map", "to the address map", "View"),
    Key("p", "focus_process", "process", "show the process selected in the OOM ranking", "View", Focus),
    Key("y", "copy", "copy", "copy the row under the cursor", "Other"),
    Key("S", "save", "save", "save the screen as an SVG file", "Other"),
    Key("T", "theme", "theme", "the next theme", "Other"),
    Key("question_mark", "help", "help", "what the keys and the figures mean", "Other", footer=True),
    Key("q", "quit", "quit", "leave", "Other", footer=True),
)


def bindings() -> list[Binding]:
    """The table as Textual's bindings."""
    return [Binding(key.keys, key.action, key.label, show=key.footer, tooltip=key.meaning) for key in KEYS]


def key_of(action: str) -> Key | None:
    """The key whose action has this name, without parameters."""
    return next((key for key in KEYS if key.action.partition("(")[0] == action), None)
