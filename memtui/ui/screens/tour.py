"""A first look: a few cards, each about a part of the screen, which stays in view above them."""

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Key
from textual.screen import ModalScreen

from memtui.draw.fit import wrap
from memtui.draw.lines import RowLines
from memtui.draw.run import Row, Run
from memtui.model.request import Step
from memtui.ui.line_view import LineView

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp
    from memtui.ui.screens.main import MainScreen


class Card(NamedTuple):
    """One of them."""

    pane: str
    """What it is about, brought into view."""
    title: str
    text: str
    simulated: bool = False
    """Only of a simulation."""


CARDS: Final = (
    Card(
        "map",
        "The address space",
        "Every VMA and every hole between them, high addresses on top. The bar shows where the pages live: a "
        "character and a colour for each residence, explained at the bottom of the screen. Arrows move the cursor, z "
        "zooms in, to the pages of a VMA and to the bytes of a page; Z zooms out. / finds.",
    ),
    Card(
        "detail",
        "What is under the cursor",
        "All that is known of the VMA, the page and what lies there. y asks why: which rule put it there, why it is "
        "not one VMA with its neighbour, and what would free its pages.",
    ),
    Card(
        "usage",
        "Where the memory goes",
        "By kind, the most pages in RAM first: this answers what takes most. Enter goes to the VMAs of a kind, and on "
        "to the map.",
    ),
    Card(
        "residence",
        "Page cache and anon",
        "What reclaim could take back of the process and of the machine: clean page cache at once, dirty page cache "
        "after writing it, anon and shmem only to swap.",
    ),
    Card(
        "oom",
        "Who dies first",
        "The processes in the order in which the OOM killer would take them. With the cursor on one, the pane under "
        "the map shows the arithmetic of its score line by line.",
    ),
    Card(
        "steps",
        "The steps",
        "n makes the next step, b takes it back, Space plays them, g goes to one by its number. Each tells what it "
        "did and which rule decided. m mallocs, t touches the page under the cursor: try things.",
        simulated=True,
    ),
    Card(
        "map",
        "More",
        "? explains every key and every figure, and first of all those of the pane you are in. e gives a pane the "
        "whole screen. Ctrl-P finds a command by name. F1 shows these cards again.",
    ),
)


class TourScreen(ModalScreen[None]):
    """Card by card; the main screen stands behind it, and gets every key that is none of these."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("enter", "turn(1)", "next"),
        ("backspace", "turn(-1)", "back"),
        ("escape,f1", "leave", "end"),
    ]

    def __init__(self, main: "MainScreen") -> None:
        super().__init__()
        self._main = main
        simulated = main.memtui.accepts(Step)
        self._cards = [card for card in CARDS if simulated or not card.simulated]
        self._ended = False
        self.nth = 0
        """The card that is shown."""

    def compose(self) -> ComposeResult:
        """One card."""
        yield CardView(id="card")

    def on_mount(self) -> None:
        """Show the first."""
        self.query_one(CardView).paint_with(cast("MemtuiApp", self.app).palette.styles)
        self.action_turn(0)

    def on_key(self, event: Key) -> None:
        """Whoever knows already what to do is not held up."""
        if event.key not in ("enter", "backspace", "escape", "f1"):
            event.stop()
            self.action_leave()
            self.app.simulate_key(event.key)

    def action_turn(self, cards: int) -> None:
        """So many cards on; beyond the last one it ends."""
        self.nth = max(self.nth + cards, 0)
        if self.nth == len(self._cards):
            self.action_leave()
            return
        card = self._cards[self.nth]
        self._main.action_show(card.pane)
        self.query_one(CardView).tell(card, f"{self.nth + 1}/{len(self._cards)}  Enter next  Esc end")

    def action_leave(self) -> None:
        """Back to the map. Keys that were typed ahead may ask for it more than once."""
        if not self._ended:
            self._ended = True
            self._main.action_show("map")
            self.dismiss()


class CardView(LineView):
    """The text of one card."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._card: Card | None = None
        self._keys = ""

    def tell(self, card: Card, keys: str) -> None:
        """Show this one."""
        self._card, self._keys = card, keys
        self._lay_out()

    def on_resize(self) -> None:
        """Lay it out for the new width."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.room.width
        if self._card is None or not width:
            return
        rows: list[Row] = [(Run(f" {line}", "text"),) for line in wrap(self._card.text, width - 2)]
        self.show(RowLines(tuple(rows), width), title=self._card.title, subtitle=self._keys)
