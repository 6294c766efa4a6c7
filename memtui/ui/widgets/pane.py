"""What the panes of the main screen have in common: each draws its part of the snapshot, and only when that changed."""

from typing import ClassVar

from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from memtui.draw.answer import Answer
from memtui.draw.lines import Lines
from memtui.model.address import Range
from memtui.model.elf_knowledge import NOTHING_KNOWN, ElfKnowledge
from memtui.model.request import Request
from memtui.model.snapshot import Snapshot
from memtui.ui.line_view import LineView


class Pane(LineView):
    """A view of a part of the snapshot. Subclasses say which part, and how it is drawn."""

    TITLE: ClassVar[str] = ""
    ZOOMS: ClassVar[bool] = False
    """Whether zooming is a matter of this pane; else it is the map's."""

    class Chosen(Message):
        """Something was entered that has a place on the map."""

        def __init__(self, address: int) -> None:
            self.address = address
            super().__init__()

    class Wanted(Message):
        """What the user chose in the pane has to be asked of the source."""

        def __init__(self, request: Request) -> None:
            self.request = request
            super().__init__()

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.title = self.TITLE
        self.snapshot: Snapshot | None = None
        self.elf = NOTHING_KNOWN
        self._drawn: tuple[object, ...] = ()

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture; nothing is drawn when this pane's part of it is the same object as before."""
        self.snapshot = snapshot
        self.redraw()

    def learn(self, elf: ElfKnowledge) -> None:
        """Take what is known of the ELF files by now."""
        self.elf = elf
        self.redraw()

    def redraw(self) -> None:
        """Draw if the part or the width is another one than what stands there; what cannot be seen is not drawn."""
        if self.region:
            self._redraw()

    def _redraw(self) -> None:
        if self.snapshot is None:
            return
        parts = (*self.parts(self.snapshot), self.room.width)
        if len(parts) != len(self._drawn) or not all(map(_same, parts, self._drawn)):
            self._drawn = parts
            self.draw(self.snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """What the drawing depends on: objects, compared by identity, and plain numbers and words, by value."""
        raise NotImplementedError

    def draw(self, snapshot: Snapshot) -> None:
        """Show the drawing."""
        self.show(self.lines_of(snapshot))

    def lines_of(self, snapshot: Snapshot) -> Lines:
        """The drawing for the present width."""
        raise NotImplementedError

    def enter(self) -> None:
        """The user wants what the cursor is on."""

    def leave(self) -> bool:
        """Out of what was entered; False: nothing was."""
        return False

    def zoom(self, direction: int) -> bool:
        """Closer (1) or further away (-1); False where there is nothing closer or further."""
        return False

    def answer(self) -> Answer | None:
        """Why what the cursor is on is as it is; None: nothing is, or nothing can be said."""
        return None

    # Textual lays out and paints a widget before it tells it of its size: the first frame would be an empty one.

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All rows, where the style says `height: auto`; at first they are drawn for it."""
        if not self.size:
            self._expected = Size(width, 1)
            self._hold()
        return super().get_content_height(container, viewport, width)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of the crop, of what is to be seen now."""
        self._hold()
        return super().render_lines(crop)

    def _hold(self) -> None:
        self._held = True
        self._redraw()
        self._held = False

    def on_show(self) -> None:
        """Catch up with what came while it could not be seen."""
        self.redraw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.show(self.lines)
        self.redraw()


def _same(new: object, old: object) -> bool:
    return new is old or (isinstance(new, int | str | Range) and new == old)
