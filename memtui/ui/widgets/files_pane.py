"""The mapped files: what of each is in the page cache."""

from typing import ClassVar

from memtui.draw.answer import Answer
from memtui.draw.file_list import FileList
from memtui.draw.fit import shorten
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.draw.why_file import file_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane


class FilesPane(Pane):
    """Its cursor is a file; Enter leads to its first VMA."""

    TITLE: ClassVar[str] = "Files in the page cache"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._files: FileList | None = None

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The files."""
        return snapshot.mm is None, snapshot.mm.files if snapshot.mm is not None else None, snapshot.sharing

    def draw(self, snapshot: Snapshot) -> None:
        """The list, or why there is none."""
        width, mm = self.room.width, snapshot.mm
        if mm is not None and mm.files:
            self._files = FileList(mm.files, width, snapshot.sharing)
            self.show(self._files, subtitle="Enter its VMA" + (" · i another" if snapshot.steps is None else ""))
            return
        self._files = None
        why = snapshot.unknown.get("mm", "no process yet") if mm is None else mm.unknown.get("files", "none is mapped")
        self.show(RowLines(((Run(f" {shorten(why, width - 2)}", "text.dim"),),), width), subtitle="")

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no file; they come into view with the first one."""
        super().move_to(max(row, 1), column)
        if self.cursor == 1:
            self.reveal(0)

    def answer(self) -> Answer | None:
        """Why so much of the file is cached."""
        file = self._files.file_at(self.cursor) if self._files is not None and self.cursor is not None else None
        return None if file is None else file_answer(file)

    def enter(self) -> None:
        """To the file on the map."""
        file = self._files.file_at(self.cursor) if self._files is not None and self.cursor is not None else None
        if file is not None and file.start is not None:
            self.post_message(self.Chosen(file.start))
