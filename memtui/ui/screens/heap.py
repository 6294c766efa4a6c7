"""The part of the main screen that is about the heap: it stands where the map does, and is read only then."""

from typing import TYPE_CHECKING, Final, cast

from memtui.model.request import ShowHeap
from memtui.model.snapshot import Snapshot
from memtui.ui.screens.asking import AskingScreen

if TYPE_CHECKING:
    from memtui.model.heap import HeapView
    from memtui.ui.widgets.heap_pane import HeapDetailPane, HeapPane

HEAP_PANES: Final = frozenset({"heap", "heap-detail"})
_IN_ITS_PLACE: Final = frozenset({"map", "detail"})


class HeapScreen(AskingScreen):
    """Asks the source for the heap as long as it can be seen."""

    @property
    def heap(self) -> "HeapPane":
        """The pane."""
        return cast("HeapPane", self.pane("heap"))

    def next_sight(self) -> None:
        """The next way to look at the heap."""
        self.heap.next_sight()
        self.point_heap()

    def make_room(self, name: str) -> None:
        """A pane comes to the front: the heap or the map gives way to it."""
        self.set_class(name in HEAP_PANES, "-heap-front")
        wanted = name in HEAP_PANES or (self.has_class("-heap") and name not in _IN_ITS_PLACE)
        if wanted != self.has_class("-heap"):
            self.set_class(wanted, "-heap")
            self.ask(ShowHeap(wanted))

    def read_on(self, snapshot: Snapshot) -> None:
        """Go on with a heap that is read piece by piece."""
        heap = snapshot.mm.heap if snapshot.mm is not None else None
        if heap is not None and heap.progress is not None and self.has_class("-heap"):
            self.ask(ShowHeap())

    def stop_heap(self) -> bool:
        """Leave a heap of which nothing is known yet; False: none is being read."""
        lane = self.memtui.lane
        begins = self.heap_so_far is None and lane is not None and not lane.idle
        if not self.has_class("-heap") or (self.reading_heap is None and not begins):
            return False
        self.action_show("map")
        return True

    @property
    def heap_so_far(self) -> "HeapView | None":
        """The heap, as far as it has been read."""
        now = self.memtui.snapshot
        return now.mm.heap if now is not None and now.mm is not None else None

    @property
    def reading_heap(self) -> float | None:
        """How much of a heap has been read that cannot be shown yet; None: there is no such heap."""
        heap = self.heap_so_far
        return None if heap is None or heap.arenas or not self.has_class("-heap") else heap.progress

    def point_heap(self) -> None:
        """Show what is known of the chunk under the cursor."""
        if self.has_class("-heap"):
            detail = cast("HeapDetailPane", self.pane("heap-detail"))
            detail.look_at(self.heap.address, self.heap.last)

    def find_chunk(self, wanted: str) -> bool:
        """Go to the chunk that holds an address; False: the heap has not the focus, or it is no address of a chunk."""
        try:
            return self.has_class("-heap") and self.focused is self.heap and self.heap.go(int(wanted, 16))
        except ValueError:
            return False
