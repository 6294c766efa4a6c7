"""Chunks in and out of an arena (glibc 2.36, malloc/malloc.c: _int_malloc, _int_free)."""

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.main_heap import MainHeap
from memtui.sim.userspace.ptmalloc.mmapped import MappedChunks
from memtui.sim.userspace.ptmalloc.sizes import (
    FASTBIN_CONSOLIDATION_THRESHOLD,
    HEADER,
    MIN_LARGE,
    MINSIZE,
    PTRDIFF_MAX,
    UNSORTED,
    bin_index,
    request2size,
)
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.ptmalloc.tunables import Parameters

_MAX_ITERS = 10000


class Chunks:
    """What lies below malloc's own checks: everything here speaks of chunks and chunk sizes, in bytes."""

    def __init__(
        self, arena: Arena, heap: MainHeap, mapped: MappedChunks, tcache: Tcache, parameters: Parameters
    ) -> None:
        self.why = ""
        """The rule that decided, in a sentence."""
        self.arena = arena
        self.heap = heap
        self.mapped = mapped
        self.tcache = tcache
        self.mp = parameters

    def int_malloc(self, request: int) -> int:
        """A chunk for `request` bytes; 0 when there is no memory."""
        if request > PTRDIFF_MAX:
            self.why = "ENOMEM: the request is larger than PTRDIFF_MAX"
            return 0
        size = request2size(request)
        chunk = self._from_exact_bin(size) or self._from_bins(size)
        if chunk and request and self.mp.perturb_byte:
            self.arena.memory.write(chunk + HEADER, request)
        return chunk

    def _from_bins(self, size: int) -> int:
        arena = self.arena
        if size >= MIN_LARGE:
            arena.consolidate()
        while True:
            chunk = self._from_unsorted(size) or self._from_larger(size)
            if chunk:
                return chunk
            if arena.top_size >= size + MINSIZE:
                chunk = arena.cut_top(size)
                self.why = f"cut from top, the free end of the heap: {arena.top_size} bytes are left"
                return chunk
            if not arena.have_fastchunks:
                return self._sysmalloc(size)
            arena.consolidate()

    def _from_exact_bin(self, size: int) -> int:
        """A fastbin or small bin of just this size; more of its chunks then move to the tcache."""
        if size <= self.mp.max_fast:
            chunk = self.arena.take_fast(size)
            if chunk:
                while self.tcache.has_room(size) and (more := self.arena.take_fast(size)):
                    self.tcache.put(more, size)
                self.why = f"from the fastbin of {size}-byte chunks: the one freed last"
                return chunk
        if size < MIN_LARGE:
            bins, index = self.arena.bins, size >> 4
            chunk = bins.back(index)
            if chunk:
                self._reuse(chunk)
                while self.tcache.has_room(size) and (more := bins.back(index)):
                    self._reuse(more)
                    self.tcache.put(more, size)
                self.why = f"from the small bin of {size}-byte chunks: the oldest"
                return chunk
        return 0

    def _reuse(self, chunk: int) -> None:
        """A free chunk is in use again, whole."""
        self.arena.mark_used(chunk + self.arena.take_free(chunk))

    def _from_unsorted(self, size: int) -> int:
        """An exact fit, or the last remainder; the others are filed into their bins."""
        arena, bins = self.arena, self.arena.bins
        cached, filed, limit = False, 0, self.mp.tcache_unsorted_limit
        while filed < _MAX_ITERS and (victim := bins.back(UNSORTED)):
            victim_size = bins.where[victim][1]
            if size < MIN_LARGE and self._only_last_remainder(victim) and victim_size > size + MINSIZE:
                arena.take_free(victim)
                self.why = "split off the last remainder, so that small requests in a row lie side by side"
                return self._split(victim, victim_size, size, remember=True)
            if victim_size != size:
                bins.unlink(victim)
                bins.file(victim, victim_size)
                filed += 1
                if cached and 0 < limit < filed:
                    break
                continue
            self._reuse(victim)
            if not self.tcache.has_room(size):
                self.why = "a free chunk of just this size was in the unsorted bin"
                return victim
            self.tcache.put(victim, size)
            cached = True
        if cached:
            self.why = "a free chunk of just this size was in the unsorted bin, and went by way of the tcache"
            return self.tcache.get(size)
        return 0

    def _only_last_remainder(self, victim: int) -> bool:
        return victim == self.arena.last_remainder and self.arena.bins.bk[victim] == UNSORTED

    def _from_larger(self, size: int) -> int:
        """The best fit of its own large bin, else the back of the next bin that has chunks."""
        bins, index = self.arena.bins, bin_index(size)
        victim, remember = 0, False
        if size >= MIN_LARGE:
            victim = bins.large[index].best(size)
        if not victim:
            filled = bins.next_filled(index)
            if not filled:
                return 0
            victim, remember = bins.back(filled), size < MIN_LARGE
        victim_size = self.arena.take_free(victim)
        self.why = f"best fit: a free chunk of {victim_size} bytes"
        return self._split(victim, victim_size, size, remember=remember)

    def _split(self, chunk: int, chunk_size: int, size: int, *, remember: bool) -> int:
        """The low part is in use, the rest free; a rest too small stays with it."""
        rest = chunk_size - size
        if rest < MINSIZE:
            self.arena.mark_used(chunk + chunk_size)
            return chunk
        self.arena.head(chunk, size)
        self.arena.put_unsorted(chunk + size, rest)
        self.why += f", {rest} bytes of it stay free"
        if remember:
            self.arena.last_remainder = chunk + size
        return chunk

    def _sysmalloc(self, size: int) -> int:
        """Neither a bin nor top could serve it: ask the kernel."""
        mapped = self.mapped.map(size)
        if mapped:
            self.why = self.mapped.why
            return mapped
        left = self.heap.grow(size)
        if left:
            self.int_free(left, self.arena.sizes[left])
        if self.arena.top_size >= size + MINSIZE:
            self.why = self.heap.why
            return self.arena.cut_top(size)
        self.why = "ENOMEM: neither brk nor mmap gave memory"
        return 0

    def int_free(self, chunk: int, size: int) -> None:
        """Into the tcache, a fastbin, or together with its neighbours."""
        if self.tcache.has_room(size):
            self.tcache.put(chunk, size)
            self.why = f"into the tcache bin of {size}-byte chunks"
            return
        arena = self.arena
        if self.mp.perturb_byte:
            arena.memory.write(chunk + HEADER, size - HEADER)
        if size <= self.mp.max_fast:
            arena.put_fast(chunk, size)
            self.why = f"into the fastbin of {size}-byte chunks; it does not merge with its neighbours"
            return
        merged = arena.coalesce(chunk, size)
        if arena.top <= chunk < arena.top_end:
            self.why = f"merged with top, the free end of the heap: {merged} bytes"
        elif merged == size:
            self.why = f"into the unsorted bin: {size} bytes, with no free neighbour to merge with"
        else:
            self.why = f"merged with its free neighbours to {merged} bytes, into the unsorted bin"
        if merged >= FASTBIN_CONSOLIDATION_THRESHOLD:
            self._give_back()

    def _give_back(self) -> None:
        arena = self.arena
        arena.consolidate()
        if arena.top_size >= self.mp.trim_threshold and self.heap.trim(self.mp.top_pad):
            self.why += (
                f"; top had reached trim_threshold ({self.mp.trim_threshold}): "
                f"systrim moves the break down, {arena.top_size} bytes of top stay"
            )
