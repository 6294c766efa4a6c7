"""Chunks in and out of the arena (glibc 2.36, malloc/malloc.c: _int_malloc, _int_free, _int_realloc, _int_memalign)."""

from memtui.sim.userspace.ptmalloc.arena import Accessed, Arena
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.morecore import Morecore
from memtui.sim.userspace.ptmalloc.sizes import (
    FASTBIN_CONSOLIDATION_THRESHOLD,
    HEADER,
    MAX_FAST,
    MIN_LARGE,
    MINSIZE,
    SIZE_SZ,
    bin_index,
    request2size,
)
from memtui.sim.userspace.ptmalloc.tcache import Tcache
from memtui.sim.userspace.syscalls import Syscalls


class Chunks:
    """What lies below malloc's own checks: everything here speaks of chunks and chunk sizes, in bytes."""

    def __init__(self, syscalls: Syscalls, accessed: Accessed) -> None:
        self.why = ""
        """The rule that decided, in a sentence."""
        self.arena = Arena(accessed)
        self.core = Morecore(syscalls, self.arena, self.int_free)
        self.tcache = Tcache(self.arena.written)
        self.max_fast = MAX_FAST
        self._accessed = accessed

    def int_malloc(self, size: int) -> int:
        """A chunk of `size` bytes or a little more; 0 when there is no memory."""
        arena = self.arena
        chunk = self._from_exact_bin(size)
        if chunk:
            return chunk
        if size >= MIN_LARGE:
            arena.consolidate()
        while True:
            chunk = self._from_unsorted(size) or self._from_larger(size)
            if chunk:
                return chunk
            if arena.top_size >= size + MINSIZE:
                return self._from_top(size)
            if not arena.have_fastchunks:
                break
            arena.consolidate()
        return self._from_kernel(size)

    def _from_exact_bin(self, size: int) -> int:
        """A fastbin or small bin of just this size; more of its chunks then move to the tcache."""
        if size <= self.max_fast:
            fast = self.arena.fastbins.get(size)
            if fast:
                chunk = fast.pop()
                while fast and self.tcache.has_room(size):
                    self.tcache.push(fast.pop() + HEADER, size)
                self.why = f"from the fastbin of {size}-byte chunks: the one freed last"
                return chunk
        if size < MIN_LARGE:
            bins, index = self.arena.bins, bin_index(size)
            chunk = bins.back(index) or 0
            if chunk:
                self._reuse(chunk)
                while self.tcache.has_room(size) and (more := bins.back(index)):
                    self._reuse(more)
                    self.tcache.push(more + HEADER, size)
                self.why = f"from the small bin of {size}-byte chunks: the oldest"
                return chunk
        return 0

    def _reuse(self, chunk: int) -> None:
        """A binned chunk is in use again, whole."""
        size = self.arena.take_free(chunk)
        self.arena.allocate(chunk, size)
        self.arena.written(chunk + size + SIZE_SZ, 8)

    def _from_unsorted(self, size: int) -> int:
        arena, bins = self.arena, self.arena.bins
        cached = False
        for _ in range(10000):
            victim = bins.back(1)
            if victim is None:
                break
            victim_size = bins.where[victim][1]
            alone = len(bins.unsorted) == 1 and victim == arena.last_remainder
            if size < MIN_LARGE and alone and victim_size > size + MINSIZE:
                arena.take_free(victim)
                self.why = "split off the last remainder, so that small requests in a row lie side by side"
                return self._split(victim, victim_size, size, remember=True)
            if victim_size != size:
                bins.unlink(victim)
                bins.file(victim, victim_size)
                continue
            self._reuse(victim)
            if not self.tcache.has_room(size):
                self.why = "a free chunk of just this size was in the unsorted bin"
                return victim
            self.tcache.push(victim + HEADER, size)
            cached = True
        if cached:
            self.why = "a free chunk of just this size was in the unsorted bin, and went by way of the tcache"
            return self.tcache.pop(size) - HEADER
        return 0

    def _from_larger(self, size: int) -> int:
        """The best fit of its own large bin, else the back of the next bin that has chunks."""
        bins, index = self.arena.bins, bin_index(size)
        victim, large = None, size >= MIN_LARGE
        if large:
            victim = bins.large[index].best(size)
        remember = False
        if victim is None:
            filled = bins.next_filled(index)
            if filled is None:
                return 0
            victim, remember = bins.back(filled), not large
        assert victim is not None
        victim_size = self.arena.take_free(victim)
        self.why = f"best fit: a free chunk of {victim_size} bytes"
        return self._split(victim, victim_size, size, remember=remember)

    def _split(self, chunk: int, chunk_size: int, size: int, *, remember: bool) -> int:
        """The low part is in use, the rest free; a rest too small stays with it."""
        rest = chunk_size - size
        if rest < MINSIZE:
            self.arena.allocate(chunk, chunk_size)
            self.arena.written(chunk + chunk_size + SIZE_SZ, 8)
            return chunk
        self.arena.allocate(chunk, size)
        self.arena.put_unsorted(chunk + size, rest)
        if remember:
            self.arena.last_remainder = chunk + size
        return chunk

    def _from_top(self, size: int) -> int:
        arena = self.arena
        chunk, rest = arena.top, arena.top_size - size
        arena.allocate(chunk, size)
        arena.set_top(chunk + size, rest)
        self.why = f"cut from top, the free end of the heap: {rest} bytes are left"
        return chunk

    def _from_kernel(self, size: int) -> int:
        mapped = self.core.map(size)
        if mapped:
            self.why = self.core.why
            return mapped
        if self.core.grow(size):
            chunk = self._from_top(size)
            self.why = self.core.why
            return chunk
        self.why = "ENOMEM: neither brk nor mmap gave memory"
        return 0

    def int_free(self, chunk: int, size: int) -> None:
        """_int_free: into the tcache, a fastbin, or together with its neighbours."""
        arena = self.arena
        if self.tcache.has_room(size):
            self.tcache.push(chunk + HEADER, size)
            self.why = f"into the tcache bin of {size}-byte chunks"
            return
        if size <= self.max_fast:
            fast = arena.fastbins.setdefault(size, [])
            if fast and fast[-1] == chunk:
                raise HeapCorruption("double free or corruption (fasttop)")
            fast.append(chunk)
            arena.have_fastchunks = True
            self.arena.written(chunk + HEADER, 8)
            self.why = f"into the fastbin of {size}-byte chunks; it does not merge with its neighbours"
            return
        merged = arena.coalesce(chunk, size)
        self.why = f"merged with its free neighbours to {merged} bytes"
        if merged >= FASTBIN_CONSOLIDATION_THRESHOLD:
            arena.consolidate()
            if arena.top_size >= self.core.trim_threshold and self.core.trim(self.core.top_pad):
                self.why += "; top had reached trim_threshold, so the end of the heap went back to the kernel"

    def int_realloc(self, chunk: int, size: int) -> int:
        """Another size for a chunk: in place, into top, into the free chunk behind it, or moved; 0: no memory."""
        arena = self.arena
        old = arena.sizes[chunk]
        if old >= size:
            self.why = "the block is large enough"
            return self._shrink(chunk, old, size)
        after = chunk + old
        if after == arena.top and old + arena.top_size >= size + MINSIZE:
            rest = old + arena.top_size - size
            arena.allocate(chunk, size)
            arena.set_top(chunk + size, rest)
            self.why = "grown into top"
            return chunk
        if after in arena.bins.where and old + arena.bins.where[after][1] >= size:
            grown = old + arena.take_free(after)
            arena.sizes.pop(after)
            self.why = "grown into the free chunk behind it"
            return self._shrink(chunk, grown, size)
        moved = self.int_malloc(size)
        if not moved:
            return 0
        if moved == after:
            grown = old + arena.sizes.pop(moved)
            self.why = "the new chunk lies right behind the old one: joined"
            return self._shrink(chunk, grown, size)
        why = self.why
        self.copy(chunk, moved, old - SIZE_SZ)
        self.int_free(chunk, old)
        self.why = f"moved: {why}"
        return moved

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the contents of a chunk; reading what was never touched maps the zero page."""
        self._accessed(source + HEADER, length, False)
        self.arena.written(target + HEADER, length)

    def _shrink(self, chunk: int, size: int, wanted: int) -> int:
        """Keep `wanted` bytes of a chunk in use; free the rest if it is large enough to be a chunk."""
        why = self.why
        if size - wanted < MINSIZE:
            self.arena.allocate(chunk, size)
            self.arena.written(chunk + size + SIZE_SZ, 8)
        else:
            self.arena.allocate(chunk, wanted)
            self.arena.allocate(chunk + wanted, size - wanted)
            self.int_free(chunk + wanted, size - wanted)
        self.why = why
        return chunk

    def int_memalign(self, alignment: int, size: int) -> int:
        """A chunk whose user address is a multiple of `alignment`; 0 when there is no memory."""
        chunk = self.int_malloc(request2size(size + alignment + MINSIZE))
        if not chunk:
            return 0
        user = chunk + HEADER
        mapped = self.core.mapped.get(chunk)
        if user % alignment:
            aligned = (user + alignment - 1) // alignment * alignment - HEADER
            if aligned - chunk < MINSIZE:
                aligned += alignment
            lead = aligned - chunk
            if mapped is not None:
                return self.core.move_up(chunk, lead)
            total = self.arena.sizes[chunk]
            self.arena.allocate(chunk, lead)
            self.arena.allocate(aligned, total - lead)
            self.int_free(chunk, lead)
            chunk = aligned
        if mapped is None:
            total = self.arena.sizes[chunk]
            if total > size + MINSIZE:
                self._shrink(chunk, total, size)
        self.why = f"a chunk with room for the alignment of {alignment}; what is too much was freed"
        return chunk
