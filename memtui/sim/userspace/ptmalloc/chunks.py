"""Chunks in and out of an arena (glibc 2.36, malloc/malloc.c: _int_malloc, _int_free)."""

from typing import Final

from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.mmapped import MappedChunks
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import (
    FASTBIN_CONSOLIDATION_THRESHOLD,
    HEADER,
    MIN_LARGE,
    MINSIZE,
    UNSORTED,
    bin_index,
    request2size,
)
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.ptmalloc.tunables import Parameters

_MAX_ITERS: Final = 10000
TOO_LARGE: Final = "ENOMEM: the request is larger than PTRDIFF_MAX"


class Chunks:
    """What lies below malloc's own checks: everything here speaks of chunks and chunk sizes, in bytes."""

    tcache: Tcache
    """Of the thread that calls."""

    def __init__(self, mapped: MappedChunks, parameters: Parameters, profile: Profile) -> None:
        self.why = ""
        """The rule that decided, in a sentence."""
        self.mapped = mapped
        self.mp = parameters
        self.profile = profile

    def int_malloc(self, arena: Arena | None, request: int) -> int:
        """A chunk for `request` bytes; 0 when there is no memory. Without an arena only a mapping can serve it."""
        if request > self.profile.request_max:
            self.why = TOO_LARGE
            return 0
        size = request2size(request)
        chunk = self._map(size) if arena is None else self._from_arena(arena, size)
        if chunk and request and self.mp.perturb_byte:
            self.mapped.memory.write(chunk + HEADER, request)
        return chunk

    def _from_arena(self, arena: Arena, size: int) -> int:
        return self._from_exact_bin(arena, size) or self._from_bins(arena, size)

    def _from_bins(self, arena: Arena, size: int) -> int:
        if size >= MIN_LARGE:
            arena.consolidate()
        while True:
            chunk = self._from_unsorted(arena, size) or self._from_larger(arena, size)
            if chunk:
                return chunk
            if arena.top_size >= size + MINSIZE:
                chunk = arena.cut_top(size)
                self.why = f"cut from top, the free end of the heap: {arena.top_size} bytes are left"
                return chunk
            if not arena.have_fastchunks:
                return self._sysmalloc(arena, size)
            arena.consolidate()

    def _from_exact_bin(self, arena: Arena, size: int) -> int:
        """A fastbin or small bin of just this size; more of its chunks then move to the tcache."""
        if size <= self.mp.max_fast:
            chunk = arena.take_fast(size)
            if chunk:
                while self.tcache.has_room(size) and (more := arena.take_fast(size)):
                    self.tcache.put(more, size)
                self.why = f"from the fastbin of {size}-byte chunks: the one freed last"
                return chunk
        if size < MIN_LARGE:
            bins, index = arena.bins, size >> 4
            chunk = bins.back(index)
            if chunk:
                arena.reuse(chunk)
                self._make_tcache(arena)
                while self.tcache.has_room(size) and (more := bins.back(index)):
                    arena.reuse(more)
                    self.tcache.put(more, size)
                self.why = f"from the small bin of {size}-byte chunks: the oldest"
                return chunk
        return 0

    def _from_unsorted(self, arena: Arena, size: int) -> int:
        """An exact fit, or the last remainder; the others are filed into their bins."""
        bins = arena.bins
        cached, filed, limit = False, 0, self.mp.tcache_unsorted_limit
        while filed < _MAX_ITERS and (victim := bins.back(UNSORTED)):
            victim_size = bins.where[victim][1]
            if size < MIN_LARGE and arena.only_last_remainder(victim) and victim_size > size + MINSIZE:
                arena.take_free(victim)
                self.why = "split off the last remainder, so that small requests in a row lie side by side"
                return self._split(arena, victim, victim_size, size, remember=True)
            if victim_size != size:
                bins.unlink(victim)
                bins.file(victim, victim_size)
                filed += 1
                if cached and 0 < limit < filed:
                    break
                continue
            arena.reuse(victim)
            self._make_tcache(arena)
            if not self.tcache.has_room(size):
                self.why = "a free chunk of just this size was in the unsorted bin"
                return victim
            self.tcache.put(victim, size)
            cached = True
        if cached:
            self.why = "a free chunk of just this size was in the unsorted bin, and went by way of the tcache"
            return self.tcache.get(size)
        return 0

    def _from_larger(self, arena: Arena, size: int) -> int:
        """The best fit of its own large bin, else the back of the next bin that has chunks."""
        bins, index = arena.bins, bin_index(size)
        victim, remember = 0, False
        if size >= MIN_LARGE:
            victim = bins.large[index].best(size)
        if not victim:
            filled = bins.next_filled(index)
            if not filled:
                return 0
            victim, remember = bins.back(filled), size < MIN_LARGE
        victim_size = arena.take_free(victim)
        self.why = f"best fit: a free chunk of {victim_size} bytes"
        return self._split(arena, victim, victim_size, size, remember=remember)

    def _make_tcache(self, arena: Arena) -> None:
        """2.43: chunks that could be cached are there, so the tcache is made (and asks for 8 bytes too many)."""
        tcache = self.tcache
        if self.profile.tcache_by_free and not tcache.address and not tcache.shutting_down:
            # Only one try: meanwhile, and if there is no memory, the thread does without.
            tcache.shutting_down = True
            chunk = self.int_malloc(arena, request2size(tcache.layout.size)) if self.mp.tcache_count else 0
            if chunk:
                tcache.start(chunk + HEADER)

    def _split(self, arena: Arena, chunk: int, chunk_size: int, size: int, *, remember: bool) -> int:
        """The low part is in use, the rest free; a rest too small stays with it."""
        rest = chunk_size - size
        if rest < MINSIZE:
            arena.mark_used(chunk + chunk_size)
            return chunk
        arena.head(chunk, size)
        arena.put_unsorted(chunk + size, rest)
        self.why += f", {rest} bytes of it stay free"
        if remember:
            arena.last_remainder = chunk + size
        return chunk

    def _sysmalloc(self, arena: Arena, size: int) -> int:
        """Neither a bin nor top could serve it: ask the kernel."""
        tried = self.mapped.wants(size)
        if tried and (chunk := self._map(size)):
            return chunk
        left = arena.heap.grow(size)
        if left is None and not tried and (chunk := self._map(size)):
            return chunk
        why = arena.heap.why
        if left:
            self.free_rest(arena, left, arena.sizes[left])
        arena.max_system_mem = max(arena.max_system_mem, arena.system_mem)
        if arena.top_size >= size + MINSIZE:
            self.why = why
            return arena.cut_top(size)
        self.why = "ENOMEM: neither brk nor mmap gave memory"
        return 0

    def _map(self, size: int) -> int:
        chunk = self.mapped.map(size)
        self.why = self.mapped.why
        return chunk

    def int_free(self, arena: Arena, chunk: int, size: int) -> None:
        """Into the tcache, a fastbin, or together with its neighbours."""
        if self.tcache.accepts(size):
            self.tcache.put(chunk, size)
            self.why = f"into the tcache bin of {size}-byte chunks"
        else:
            self.free_chunk(arena, chunk, size)

    def free_rest(self, arena: Arena, chunk: int, size: int) -> None:
        """Free what the allocator itself has left over."""
        if self.profile.internal_frees_cached:
            self.int_free(arena, chunk, size)
        else:
            self.free_chunk(arena, chunk, size)

    def free_chunk(self, arena: Arena, chunk: int, size: int) -> None:
        """Into a fastbin, or together with its neighbours."""
        arena.lock()
        if self.mp.perturb_byte:
            arena.memory.write(chunk + HEADER, size - HEADER)
        if size <= self.mp.max_fast:
            arena.put_fast(chunk, size)
            self.why = f"into the fastbin of {size}-byte chunks; it does not merge with its neighbours"
            return
        self.merge(arena, chunk, size)

    def merge(self, arena: Arena, chunk: int, size: int) -> None:
        """Together with its neighbours into top or a bin; a large result makes top give memory back."""
        direct = self.profile.free_to_small_bin
        merged = arena.coalesce(chunk, size, to_small=direct)
        if arena.top <= chunk < arena.top_end:
            self.why = f"merged with top, the free end of the heap: {merged} bytes"
        else:
            target = "its small bin" if direct and merged < MIN_LARGE else "the unsorted bin"
            if merged == size:
                self.why = f"into {target}: {size} bytes, with no free neighbour to merge with"
            else:
                self.why = f"merged with its free neighbours to {merged} bytes, into {target}"
        if merged >= FASTBIN_CONSOLIDATION_THRESHOLD:
            arena.consolidate()
            self.why += arena.heap.give_back(self.mp.top_pad)
