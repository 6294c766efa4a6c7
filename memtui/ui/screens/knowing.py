"""What the screen knows of the ELF files of the process: it is learned beside the pictures, and handed to the panes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from memtui.draw.fit import safe
from memtui.model.elf_knowledge import ElfKnowledge
from memtui.ui.elf_desk import ElfDesk
from memtui.ui.screens.asking import AskingScreen
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.worker import Worker


class KnowingScreen(AskingScreen):
    """Owns the desk."""

    def __init__(self) -> None:
        super().__init__()
        self._desk: ElfDesk | None = None
        self._search: Worker[None] | None = None
        self._symbol = ""

    @property
    def desk(self) -> ElfDesk:
        """Of the source that the app shows; made when it is first asked for."""
        if self._desk is None:
            self._desk = ElfDesk(self.memtui.elf_source, self.run_worker, self._tell)
            self._tell(self._desk.known)
        return self._desk

    def on_unmount(self) -> None:
        """Let go of its thread."""
        if self._desk is not None:
            self._desk.close()

    def _tell(self, known: ElfKnowledge) -> None:
        for pane in self.query(Pane):
            pane.learn(known)
        board = self.query_one(MapPane)
        self.desk.point(board.vma, board.address)

    def seek_symbol(self, name: str, go: Callable[[int], None], otherwise: int | None) -> None:
        """Go to a symbol; the files that have to be read for it are read beside the screen.

        Args:
            name: of the symbol.
            go: shows an address.
            otherwise: where to go if there is no such symbol; None: say so.
        """
        self._symbol = name.strip()
        self._search = self.run_worker(self._seek_symbol(self._symbol, go, otherwise))
        self.expect()

    @property
    def seeking(self) -> str:
        """The symbol that is looked for, and where, in words; "": none is."""
        if self._search is None or self._search.is_finished:
            return ""
        where = self.desk.loading or "the ELF files"
        return f"looking for {safe(self._symbol)} in {safe(where)}"

    def seek_no_more(self) -> None:
        """Leave it; the file that is read now is read to its end beside the screen."""
        if self._search is not None:
            self._search.cancel()

    def expect(self) -> None:
        """Something is on its way: tell of it if that takes long."""
        raise NotImplementedError

    async def _seek_symbol(self, name: str, go: Callable[[int], None], otherwise: int | None) -> None:
        found = await self.desk.resolve(name)
        if found is not None:
            self.notify(f"{name} of {found[1].name}", timeout=2, markup=False)
            go(found[0])
        elif otherwise is not None:
            go(otherwise)
        else:
            self.notify(f"nothing is named {name!r}, and it is no address", severity="warning", markup=False)
