"""Runs of pages (gperftools 2.10, src/page_heap.cc, src/span.h, src/pagemap.h)."""

from enum import IntEnum
from typing import Final

from sortedcontainers import SortedKeyList

from memtui.sim.userspace.sbrk import WORD
from memtui.sim.userspace.tcmalloc.sizes import PAGE_SHIFT, PAGE_SIZE, SizeClass
from memtui.sim.userspace.tcmalloc.system import Metadata, ObjectPool, System

MAX_PAGES: Final = 1 << (20 - PAGE_SHIFT)
"""Spans of up to 1 MiB have a list for each length; it is also the least that the heap grows by. Pages."""
MAX_VALID_PAGES: Final = (1 << (64 - PAGE_SHIFT)) - 1
RELEASE_DELAY: Final = 1 << 18
"""Pages freed before the next look for something to release, when there was nothing; 2 GiB."""
MAX_RELEASE_DELAY: Final = 1 << 20
_FORCED_COALESCE: Final = 128 << 20
_LEAF_PAGES: Final = 1 << 18
_LEAF_BYTES: Final = _LEAF_PAGES * 8
_ROOT_LEAVES: Final = 1 << 17
_SPAN_BYTES: Final = 48
_SET_NODE_BYTES: Final = 48
_STACK_TRACE_BYTES: Final = 264
_ALL: Final = 0x7FFF_FFFF


class Location(IntEnum):
    """Where a span is."""

    IN_USE = 0
    NORMAL = 1
    """On a free list, its pages still there."""
    RETURNED = 2
    """On a free list, its pages given back by madvise."""


class Span:
    """A run of tcmalloc's pages."""

    __slots__ = ("length", "location", "node", "objects", "record", "refcount", "size_class", "start")

    def __init__(self, start: int, length: int, record: int) -> None:
        self.start = start
        """Number of the first page."""
        self.length = length
        """Pages."""
        self.location = Location.IN_USE
        self.size_class: SizeClass | None = None
        """Of the objects that it is cut into; None: one block."""
        self.objects: list[int] = []
        """Free objects, the next to be given last."""
        self.refcount = 0
        """Objects that are in use or in caches."""
        self.record = record
        """Address of the Span structure."""
        self.node = 0
        """Address of its node in a set of large spans."""

    @property
    def address(self) -> int:
        """Of its first byte."""
        return self.start << PAGE_SHIFT

    @property
    def size(self) -> int:
        """Bytes."""
        return self.length << PAGE_SHIFT


def _best_fit(span: Span) -> tuple[int, int]:
    return span.length, span.start


class _FreeSpans:
    """The free spans of one location: a list for each length up to 1 MiB, the last added first; a set above."""

    def __init__(self) -> None:
        self.small: list[dict[Span, None]] = [{} for _ in range(MAX_PAGES + 1)]
        """By length; the one added last comes last."""
        self.large: SortedKeyList = SortedKeyList(key=_best_fit)
        self.bytes = 0

    def spans(self) -> list[Span]:
        return [span for listed in self.small for span in reversed(listed)] + list(self.large)


class PageHeap:
    """Spans, free and in use."""

    def __init__(self, system: System, metadata: Metadata) -> None:
        self._system = system
        self._metadata = metadata
        self._spans = ObjectPool(metadata, _SPAN_BYTES)
        self._set_nodes = ObjectPool(metadata, _SET_NODE_BYTES)
        self._set_nodes_ready = False
        self._stack_traces = ObjectPool(metadata, _STACK_TRACE_BYTES)
        self._leaves: dict[int, int] = {}
        self._free = {Location.NORMAL: _FreeSpans(), Location.RETURNED: _FreeSpans()}
        self._scavenge_counter = 0
        self._release_index = MAX_PAGES
        self.release_rate = 0.0
        """TCMALLOC_RELEASE_RATE; 0 until tcmalloc's own constructors have run, 1 then."""
        self.pagemap: dict[int, Span] = {}
        """Page number -> span: first and last page of each span, and every page of a span with a size class."""
        self.system_bytes = 0
        self.why = ""
        self._spans.reserve()
        for _ in range(2):
            # InitStaticVars: "reduce cache conflicts".
            self._spans.new()
        self._stack_traces.reserve()

    def new(self, length: int) -> Span | None:
        """A span of just `length` pages; None when there is no memory."""
        self.why = ""
        span = self._search(length)
        if span is None and self._should_coalesce(length):
            self._release_at_least(_ALL)
            span = self._search(length)
        if span is None and self._grow(length):
            why = self.why
            span = self._search(length)
            self.why = why
        return span

    def delete(self, span: Span) -> None:
        """A span becomes free; it merges with neighbours of the same kind."""
        length = span.length
        span.size_class = None
        span.location = Location.NORMAL
        self._merge(span)
        self._incremental_scavenge(length)

    def split(self, span: Span, length: int) -> Span:
        """Keep `length` pages of a span in use; gives the rest, in use as well."""
        rest = self._new_span(span.start + length, span.length - length)
        self._record(rest)
        self._set(span.start + length - 1, span)
        span.length = length
        return rest

    def register(self, span: Span, size_class: SizeClass) -> None:
        """Every page of the span leads to it."""
        span.size_class = size_class
        for page in range(span.start + 1, span.start + span.length - 1):
            self._set(page, span)

    def free_spans(self, location: Location) -> list[Span]:
        """By ascending length; of the same length the next to be taken first."""
        return self._free[location].spans()

    def free_bytes(self, location: Location) -> int:
        """Of one kind of free spans."""
        return self._free[location].bytes

    # Finding and cutting

    def _search(self, length: int) -> Span | None:
        """The first list with spans that are long enough (normal ones first), then the best fit of the large."""
        normal, returned = self._free[Location.NORMAL], self._free[Location.RETURNED]
        for size in range(length, MAX_PAGES + 1):
            listed = normal.small[size] or returned.small[size]
            if listed:
                return self._carve(next(reversed(listed)), length)
        fits = [
            span
            for spans in (normal.large, returned.large)
            if (span := next(spans.irange_key((length, 0)), None)) is not None
        ]
        return self._carve(min(fits, key=_best_fit), length) if fits else None

    def _carve(self, span: Span, length: int) -> Span:
        location = span.location
        self._take(span)
        span.location = Location.IN_USE
        extra = span.length - length
        kind = "free" if location is Location.NORMAL else "released"
        self.why = f"a {kind} span of {span.length} pages"
        if extra:
            rest = self._new_span(span.start + length, extra)
            rest.location = location
            self._record(rest)
            self._put(rest)
            span.length = length
            self._set(span.start + length - 1, span)
            self.why += f", split at {length}"
        return span

    def _grow(self, length: int) -> bool:
        if length > MAX_VALID_PAGES:
            return False
        ask = max(length, MAX_PAGES)
        address, size = self._system.alloc(ask << PAGE_SHIFT, PAGE_SIZE)
        if not address and length < ask:
            address, size = self._system.alloc(length << PAGE_SHIFT, PAGE_SIZE)
        if not address:
            return False
        self.why = f"no free span is long enough: {self._system.how}"
        self._stack_traces.new()
        self._note_region(address, address + size)
        self.system_bytes += size
        start, pages = address >> PAGE_SHIFT, size >> PAGE_SHIFT
        if not self._ensure(start - 1, pages + 2):
            return False
        span = self._new_span(start, pages)
        self._record(span)
        self.delete(span)
        return True

    def _note_region(self, start: int, end: int) -> None:
        regions = self._system.regions
        if regions and regions[-1][1] == start:
            regions[-1] = regions[-1][0], end
        else:
            regions.append((start, end))

    def _should_coalesce(self, length: int) -> bool:
        """Much is free but in pieces of both kinds: once for every 128 MiB that the heap grows by."""
        free, unmapped = (self._free[location].bytes for location in (Location.NORMAL, Location.RETURNED))
        grown = (self.system_bytes + (length << PAGE_SHIFT)) & WORD
        return (
            bool(free and unmapped)
            and free + unmapped >= self.system_bytes // 4
            and self.system_bytes // _FORCED_COALESCE != grown // _FORCED_COALESCE
        )

    # Free lists

    def _merge(self, span: Span) -> None:
        before, after = self.pagemap.get(span.start - 1), self.pagemap.get(span.start + span.length)
        if before is not None and before.location is span.location:
            self._take(before)
            self._spans.delete(before.record)
            span.start -= before.length
            span.length += before.length
            self._set(span.start, span)
        if after is not None and after.location is span.location:
            self._take(after)
            self._spans.delete(after.record)
            span.length += after.length
            self._set(span.start + span.length - 1, span)
        self._put(span)

    def _put(self, span: Span) -> None:
        free = self._free[span.location]
        free.bytes += span.size
        if span.length > MAX_PAGES:
            if not self._set_nodes_ready:
                self._set_nodes_ready = True
                self._set_nodes.reserve()
            free.large.add(span)
            span.node = self._set_nodes.new()
        else:
            free.small[span.length][span] = None

    def _take(self, span: Span) -> None:
        free = self._free[span.location]
        free.bytes -= span.size
        if span.length > MAX_PAGES:
            free.large.remove(span)
            self._set_nodes.delete(span.node)
        else:
            del free.small[span.length][span]

    # Giving pages back

    def _incremental_scavenge(self, length: int) -> None:
        self._scavenge_counter -= length
        if self._scavenge_counter >= 0:
            return
        released = self._release_at_least(1) if self.release_rate > 1e-6 else 0
        if released:
            self._scavenge_counter = int(min(1000.0 / self.release_rate * released, MAX_RELEASE_DELAY))
        else:
            self._scavenge_counter = RELEASE_DELAY

    def _release_at_least(self, pages: int) -> int:
        """Round robin over the lists: the span that was freed first, of the large ones the shortest."""
        released = 0
        normal = self._free[Location.NORMAL]
        while released < pages and normal.bytes:
            for _ in range(MAX_PAGES + 1):
                if released >= pages:
                    break
                if self._release_index > MAX_PAGES:
                    self._release_index = 0
                listed = normal.large if self._release_index == MAX_PAGES else normal.small[self._release_index + 1]
                span = next(iter(listed), None)
                if span is not None:
                    length = self._release(span)
                    if not length:
                        return released
                    released += length
                self._release_index += 1
        return released

    def _release(self, span: Span) -> int:
        length = span.length
        if not self._system.release(span.address, span.size):
            return 0
        self.why += f"; madvise gives {length} free pages back"
        self._take(span)
        span.location = Location.RETURNED
        self._merge(span)
        return length

    # The page map

    def _ensure(self, start: int, pages: int) -> bool:
        for leaf in range(start // _LEAF_PAGES, (start + pages - 1) // _LEAF_PAGES + 1):
            if leaf >= _ROOT_LEAVES:
                return False
            if leaf not in self._leaves:
                address = self._metadata.alloc(_LEAF_BYTES)
                if not address:
                    return False
                self._metadata.writes.write_range(address, _LEAF_BYTES)
                self._leaves[leaf] = address
        return True

    def _new_span(self, start: int, length: int) -> Span:
        return Span(start, length, self._spans.new())

    def _record(self, span: Span) -> None:
        self._set(span.start, span)
        if span.length > 1:
            self._set(span.start + span.length - 1, span)

    def _set(self, page: int, span: Span) -> None:
        """The leaf that holds the entry was cleared when it was made, so its pages are there."""
        self.pagemap[page] = span
