"""The keys that look for something in the address space and go there."""

from memtui.draw.search import HINT, find, matches
from memtui.ui.screens.heap import HeapScreen
from memtui.ui.screens.knowing import KnowingScreen
from memtui.ui.widgets.map_pane import MapPane


class FindingScreen(HeapScreen, KnowingScreen):
    """Remembers what was looked for last."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted = ""

    def point(self) -> None:
        """What follows the cursor is to follow it now."""
        raise NotImplementedError

    def action_find(self) -> None:
        """Find a VMA or an address."""
        self.prompt("find", self._find, hint=HINT)

    def action_find_next(self, direction: int) -> None:
        """Find again what was looked for last."""
        if self._wanted:
            self._find(self._wanted, direction)
        else:
            self.action_find()

    def _find(self, wanted: str, direction: int = 1) -> None:
        board, now = self.query_one(MapPane), self.memtui.snapshot
        if now is None or now.mm is None:
            return
        if self.find_chunk(wanted):
            self.point()
            return
        self._wanted = wanted
        address = find(now.mm, wanted, board.address or 0, direction=direction)
        found = matches(now.mm, wanted)
        if found > 1:
            self.notify(f"{found:,} VMAs: . the next, , the one before", timeout=2, markup=False)
        if address is None or not any(vma.start <= address < vma.end for vma in now.mm.vmas):
            self.seek_symbol(wanted, self.go, address)
        else:
            self.go(address)

    def go(self, address: int) -> None:
        """To a byte on the map."""
        self.query_one(MapPane).go(address)
        self.point()
