"""The tree in which the kernel keeps the VMAs."""

from typing import TYPE_CHECKING, ClassVar, Final

from memtui.draw.answer import Answer
from memtui.draw.lines import RowLines
from memtui.draw.run import Run
from memtui.draw.vma_tree import TreePair
from memtui.draw.why import vma_answer
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    from memtui.model.mm import MmSnapshot

_WHY_TREE: Final = (
    "find_vma looks in it for the VMA of an address: at each fault, munmap, mprotect; mmap for the highest hole that "
    "is large enough. A list would have to be read from its start."
)


class TreePane(Pane):
    """Its cursor is a VMA; Enter leads to it on the map."""

    TITLE: ClassVar[str] = "The tree of VMAs"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._tree: TreePair | None = None
        self._before: MmSnapshot | None = None

    def update_from(self, snapshot: Snapshot) -> None:
        """Take the next picture; the one before tells which VMAs are new."""
        if self.snapshot is not None and snapshot.mm is not self.snapshot.mm:
            self._before = self.snapshot.mm
        super().update_from(snapshot)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The VMAs, and the kernel's version."""
        mm = snapshot.mm
        return None if mm is None else mm.vmas, None if self._before is None else self._before.vmas

    def draw(self, snapshot: Snapshot) -> None:
        """Both trees, or why there is none."""
        width, mm, before = self.room.width, snapshot.mm, self._before
        if mm is None:
            self._tree = None
            why = snapshot.unknown.get("mm", "no process yet")
            self.show(RowLines(((Run(f" {why}"[:width], "text.dim"),),), width), subtitle="")
            return
        known = frozenset((vma.start, vma.end) for vma in before.vmas) if before and before.pid == mm.pid else None
        self._tree = TreePair(mm.vmas, known, snapshot.system.release, width)
        self.show(self._tree, subtitle="Enter to the map")

    def answer(self) -> Answer | None:
        """Why it stands where it stands in the tree, and in the address space."""
        if self._tree is None or self.cursor is None or self.snapshot is None or self.snapshot.mm is None:
            return None
        told, vma = self._tree.told(self.cursor), self._tree.vma_at(self.cursor)
        fields = (("tree", told or _WHY_TREE),)
        if vma is None:
            return Answer(self.TITLE, fields)
        of_vma = vma_answer(self.snapshot.mm, vma, log=self.snapshot.steps)
        return Answer(of_vma.title, fields + of_vma.fields)

    def enter(self) -> None:
        """To the VMA on the map."""
        vma = self._tree.vma_at(self.cursor) if self._tree is not None and self.cursor is not None else None
        if vma is not None:
            self.post_message(self.Chosen(vma.start))
