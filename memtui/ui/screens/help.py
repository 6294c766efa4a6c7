"""What the keys do and what the figures mean."""

from itertools import groupby

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from memtui.draw.glyphs import GLYPHS, NAMES, residence_role
from memtui.draw.roles import ROLES
from memtui.ui.keys import KEYS
from memtui.ui.themes import Palette

_FIGURES = (
    (
        "map",
        "The address space, high addresses on top. A VMA's height follows its size by the scale in the pane's title; "
        "a hole is one row. A cell of the bar stands for an equal part of its row's pages and shows what most of those "
        "that are there are; it is drawn lighter when less than half of them are there.",
    ),
    (
        "residence",
        "Where the memory is, for the process and for the machine. The column of the machine adds up to "
        "MemTotal; what no counter tells is shown as the rest.",
    ),
    (
        "oom",
        "In the order in which the kernel would kill. points = rss + swap + page tables, in pages, + oom_score_adj "
        "thousandths of RAM + swap. score is what these figures give by the kernel's formula; kernel is what "
        "/proc/PID/oom_score says.",
    ),
    ("steps", "What ran, what is to come, and below the step that ran last why it ended as it did."),
    ("—", "Not known: the reason stands beside it or in the details."),
)


class HelpScreen(ModalScreen[None]):
    """Scrolls; any of its keys leads back."""

    BINDINGS = [("escape,question_mark,q", "dismiss", "back")]

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Keys, residences, panes."""
        with VerticalScroll():
            yield Static(self._keys(), id="help-keys")
            yield Static(self._meanings(), id="help-meanings")

    def _keys(self) -> Table:
        table = Table.grid(padding=(0, 2))
        styles = self._palette.styles
        for group, keys in groupby(KEYS, key=lambda key: key.group):
            table.add_row(Text(group, styles["title"]), "")
            for key in keys:
                table.add_row(Text(key.shown, styles["key"]), Text(key.meaning, styles["text"]))
        return table

    def _meanings(self) -> Table:
        table = Table.grid(padding=(0, 2))
        styles = self._palette.styles
        table.add_row(Text("Residence", styles["title"]), "")
        for residence, glyph in GLYPHS.items():
            role = residence_role(residence)
            table.add_row(Text(f"{glyph} {NAMES[residence]}", styles[role]), Text(ROLES[role], styles["text"]))
        table.add_row(Text("Panes", styles["title"]), "")
        for name, meaning in _FIGURES:
            table.add_row(Text(name, styles["key"]), Text(meaning, styles["text"]))
        return table
