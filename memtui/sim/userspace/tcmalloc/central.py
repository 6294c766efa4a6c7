"""Lists of free objects that all threads share (gperftools 2.10, src/central_freelist.cc).

Chains of objects are lists whose last element is the chain's head: the next to be given.
"""

from typing import Final

from memtui.sim.userspace.page_writes import PageWrites
from memtui.sim.userspace.tcmalloc.page_heap import PageHeap, Span
from memtui.sim.userspace.tcmalloc.sizes import CLASSES, PAGE_SHIFT, SizeClass

MAX_TRANSFER_ENTRIES: Final = 64
_FIRST_TRANSFER_ENTRIES: Final = 16
_TRANSFER_BYTES: Final = 1 << 20


class CentralList:
    """Of one size class: whole batches in slots (the transfer cache), and spans with free objects."""

    def __init__(self, heap: PageHeap, size_class: SizeClass, lists: "CentralLists", writes: PageWrites) -> None:
        self.size_class = size_class
        self._heap = heap
        self._lists = lists
        self._writes = writes
        self.nonempty: dict[Span, None] = {}
        """Spans with free objects; the one to be used next comes last."""
        self.slots: list[list[int]] = []
        batch_bytes = size_class.size * size_class.batch
        self._max_slots = min(MAX_TRANSFER_ENTRIES, max(1, _TRANSFER_BYTES // batch_bytes)) if batch_bytes else 64
        self._slots_allowed = min(_FIRST_TRANSFER_ENTRIES, self._max_slots)
        self.why = ""

    def insert(self, chain: list[int]) -> None:
        """InsertRange: a whole batch goes to a slot if there is room, other objects back to their spans."""
        if len(chain) == self.size_class.batch and self._make_space():
            self.slots.append(chain)
            self._writes.write(chain[0])
        else:
            self._release(chain)

    def remove(self, count: int) -> list[int]:
        """RemoveRange: up to `count` objects; none when there is no memory."""
        if count == self.size_class.batch and self.slots:
            self.why = f"a batch of {count} from the transfer cache"
            return self.slots.pop()
        if not self.nonempty and not self._populate():
            return []
        self.why = self._heap.why or "objects of a span of the central list"
        chain = self._fetch(count)
        while len(chain) < count and self.nonempty:
            more = self._fetch(count - len(chain))
            self._writes.write(more[0])
            chain += more
        return chain

    def _fetch(self, count: int) -> list[int]:
        """FetchFromOneSpans."""
        self._heap.why = ""
        span = next(reversed(self.nonempty))
        chain = span.objects[-count:]
        del span.objects[-count:]
        if not span.objects:
            del self.nonempty[span]
        span.refcount += len(chain)
        self._writes.write(chain[0])
        self._writes.write(span.record)
        return chain

    def _populate(self) -> bool:
        """A span from the page heap is cut into objects, which are linked by ascending address."""
        size = self.size_class.size
        span = self._heap.new(self.size_class.pages)
        if span is None:
            return False
        self._heap.register(span, self.size_class)
        count = span.size // size
        span.objects = list(range(span.address + (count - 1) * size, span.address - 1, -size))
        span.refcount = 0
        if size <= 1 << 12:
            self._writes.write_range(span.address, (count - 1) * size + 8)
        else:
            for address in span.objects:
                self._writes.write(address)
        self.nonempty[span] = None
        self._heap.why = f"a span of {span.length} pages is cut into {count} objects; {self._heap.why}"
        return True

    def _release(self, chain: list[int]) -> None:
        pagemap = self._heap.pagemap
        for address in reversed(chain):
            span = pagemap[address >> PAGE_SHIFT]
            if not span.objects:
                self.nonempty.pop(span, None)
                self.nonempty[span] = None
            span.refcount -= 1
            if span.refcount:
                span.objects.append(address)
                self._writes.write(address)
            else:
                del self.nonempty[span]
                self._heap.delete(span)

    # The transfer cache's size

    def _make_space(self) -> bool:
        if len(self.slots) < self._slots_allowed:
            return True
        if self._slots_allowed == self._max_slots:
            return False
        number = self.size_class.number
        if (self._lists.evict(number, force=False) or self._lists.evict(number, force=True)) and (
            self._slots_allowed < self._max_slots
        ):
            self._slots_allowed += 1
            return True
        return False

    def shrink(self, force: bool) -> bool:
        """Another class wants a slot of this one."""
        full = len(self.slots) == self._slots_allowed
        if not self._slots_allowed or (full and not force):
            return False
        self._slots_allowed -= 1
        if full:
            self._release(self.slots.pop())
        return True


class CentralLists:
    """One for each size class."""

    def __init__(self, heap: PageHeap, writes: PageWrites) -> None:
        self._turn = 0
        self.lists = [CentralList(heap, size_class, self, writes) for size_class in CLASSES]

    def evict(self, locked: int, force: bool) -> bool:
        """EvictRandomSizeClass: the classes take turns to lose a slot."""
        turn = self._turn
        self._turn += 1
        if turn >= len(self.lists):
            turn %= len(self.lists)
            self._turn = turn
        return turn != locked and self.lists[turn].shrink(force)
