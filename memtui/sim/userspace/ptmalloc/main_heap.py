"""Where the main arena's memory comes from and goes to (glibc 2.36, malloc/malloc.c: sysmalloc, systrim; sbrk.c)."""

from typing import Final

from memtui.model.address import PAGE_SIZE, page_down, page_up
from memtui.sim.userspace.ptmalloc.arena import Arena
from memtui.sim.userspace.ptmalloc.errors import HeapCorruption
from memtui.sim.userspace.ptmalloc.memory import Memory
from memtui.sim.userspace.ptmalloc.profile import Profile
from memtui.sim.userspace.ptmalloc.sizes import MALLOC_ALIGNMENT, MINSIZE, SIZE_MAX, signed
from memtui.sim.userspace.ptmalloc.tunables import Parameters

_MMAP_AS_MORECORE_SIZE: Final = 1 << 20
_ASSERTION: Final = "Fatal glibc error: malloc assertion failure in sysmalloc: "
_WHOLE_PAGES: Final = (
    "(old_top == initial_top (av) && old_size == 0) || ((unsigned long) (old_size) >= MINSIZE && "
    "prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)"
)
_ALIGNED: Final = "((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0"


class MainHeap:
    """The program break as libc knows it, and the growing and shrinking of top by it."""

    def __init__(self, memory: Memory, arena: Arena, parameters: Parameters, profile: Profile) -> None:
        self.why = ""
        self._memory = memory
        self._arena = arena
        self._mp = parameters
        self._profile = profile
        self._break = 0
        """__curbrk: the break as libc remembers it; 0 before the first brk."""

    @property
    def clean_from(self) -> int:
        """Only what top gets from the kernel is known to be zeroed."""
        return self._arena.top_end

    def sbrk(self, increment: int) -> int | None:
        """Libc's sbrk: the break before it moved, or None if the kernel refused."""
        if not self._break:
            self._break = self._memory.brk(0)
        before = self._break
        if increment:
            self._break = self._memory.brk(before + increment)
            if self._break < before + increment:
                return None
        return before

    def moved(self, brk: int) -> None:
        """The program called libc's brk(), which remembers the new break."""
        self._break = brk

    def grow(self, size: int) -> int:
        """Try to make top large enough for a chunk of `size` bytes.

        Returns:
            What is left of the old top where the new one does not continue it: a chunk that is to be freed, or 0.

        Raises:
            HeapCorruption: somebody moved the break in a way that glibc does not survive.
        """
        arena = self._arena
        if arena.top_end % PAGE_SIZE:
            raise HeapCorruption(_ASSERTION + _WHOLE_PAGES)
        wanted = signed(size + self._mp.top_pad + MINSIZE - (arena.top_size if arena.contiguous else 0))
        wanted = signed(page_up(wanted))
        before = self.sbrk(wanted) if wanted > 0 else None
        if before is None:
            left = self._grow_by_mmap(size, wanted)
        else:
            arena.base = arena.base or before
            arena.system_mem += wanted
            left = self._grow_by_brk(before, wanted)
        return left

    def _grow_by_brk(self, before: int, wanted: int) -> int:
        arena = self._arena
        if arena.top_size and before == arena.top_end:
            self.why = (
                f"top was too small ({arena.top_size} bytes): sysmalloc moves the break up by {self._sum(wanted)}"
            )
            arena.set_top(arena.top, arena.top_size + wanted)
            return 0
        if not arena.contiguous:
            if before % MALLOC_ALIGNMENT:
                raise HeapCorruption(_ASSERTION + _ALIGNED)
            self.why = f"top was too small: brk gives {wanted} bytes elsewhere"
            now = self.sbrk(0)
            assert now is not None
            return self._new_top(before, now - before)
        if arena.top_size and before < arena.top_end:
            raise HeapCorruption("break adjusted to free malloc space")
        if arena.top_size:
            self.why = "somebody else moved the break: the heap goes on behind it"
        else:
            self.why = f"the heap begins: sysmalloc moves the break up by {self._sum(wanted)}"
        return self._new_region(before, wanted)

    def _sum(self, wanted: int) -> str:
        return f"{wanted >> 10} KiB: the request and {self._mp.top_pad >> 10} KiB of top_pad, in whole pages"

    def _new_region(self, start: int, length: int) -> int:
        """The first memory of the heap, or memory behind a break that somebody else moved: up to a page's end."""
        arena = self._arena
        if arena.top_size:
            arena.system_mem += start - arena.top_end
        aligned = start + -start % MALLOC_ALIGNMENT
        correction = aligned - start + arena.top_size
        end = start + length + correction
        correction += page_up(end) - end
        if self.sbrk(correction) is None:
            correction = 0
        arena.system_mem += correction
        now = self.sbrk(0)
        assert now is not None
        return self._new_top(aligned, now - aligned)

    def _grow_by_mmap(self, size: int, wanted: int) -> int:
        """Brk failed: a mapping becomes the heap."""
        arena, profile = self._arena, self._profile
        unit, least = PAGE_SIZE, _MMAP_AS_MORECORE_SIZE
        if profile.fallback_swapped:
            unit, least = least, unit
        length = wanted
        if profile.fallback_whole:
            length = page_up(size + self._mp.top_pad + MINSIZE)
        elif arena.contiguous:
            length += arena.top_size
            length = signed(length + -length % unit)
        length = max(length & SIZE_MAX, least)
        if length <= size:
            return 0
        address = self._memory.mmap(length)
        if address < 0:
            return 0
        arena.contiguous = False
        arena.base = arena.base or address
        arena.system_mem += length
        self.why = f"brk was refused: a mapping of {length} bytes becomes the heap's end"
        return self._new_top(address, length)

    def _new_top(self, top: int, size: int) -> int:
        arena = self._arena
        old, old_size = arena.top, arena.top_size
        arena.set_top(top, size)
        return old if old_size and arena.fence(old, old_size) else 0

    def give_back(self, pad: int) -> str:
        """Trim if top has reached trim_threshold; what was done."""
        if self._arena.top_size < self._mp.trim_threshold or not self.trim(pad):
            return ""
        return (
            f"; top had reached trim_threshold ({self._mp.trim_threshold}): "
            f"systrim moves the break down, {self._arena.top_size} bytes of top stay"
        )

    def trim(self, pad: int) -> bool:
        """systrim: give whole pages at the end of the heap back, keeping `pad` bytes.

        A top of exactly 32 bytes makes the sum wrap round, and the heap grows instead, as in glibc.
        """
        arena = self._arena
        area = (arena.top_size - MINSIZE - 1) & SIZE_MAX
        if area <= pad:
            return False
        extra = signed(page_down(area - pad))
        if not extra:
            return False
        now = self.sbrk(0)
        if now is None or now != arena.top_end:
            return False
        self.sbrk(-extra)
        released = now - self._break
        if not released:
            return False
        arena.system_mem -= released
        arena.set_top(arena.top, arena.top_size - released)
        return True
