"""The ELF objects of the process: what is loaded, in which order, and who needs it."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.library_list import HEAD, LibraryList
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.draw.why_file import library_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class LibrariesPane(Pane):
    """Its cursor is an object."""

    TITLE: ClassVar[str] = "Libraries"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = HEAD
        self._list: LibraryList | None = None

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The objects, and why there are none (yet)."""
        return snapshot.mm is None, self.elf.objects, self.elf.state

    def draw(self, snapshot: Snapshot) -> None:
        """The list; in its heading where the order comes from."""
        width = self.room.width
        self._list = LibraryList(self.elf, width)
        if len(self._list):
            self.show(self._list, title=self.TITLE, subtitle=self.elf.objects.order_from)
            return
        why = self.elf.state or "nothing that is mapped is a program or a library"
        if snapshot.mm is None:
            why = snapshot.unknown.get("mm", "no process yet")
        self.show(RowLines(((Run(f" {why}"[:width], "text.dim"),),), width), title=self.TITLE, subtitle="")

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no object; they come into view with the first one."""
        super().move_to(max(row, HEAD), column)
        if self.cursor == HEAD:
            self.reveal(0)

    def answer(self) -> Answer | None:
        """Why the object is loaded."""
        library = self._list.library_at(self.cursor) if self._list is not None and self.cursor is not None else None
        return None if library is None else library_answer(library)

    def enter(self) -> None:
        """To the object on the map."""
        start = self._list.start_at(self.cursor) if self._list is not None and self.cursor is not None else None
        if start is not None:
            self.post_message(self.Chosen(start))
