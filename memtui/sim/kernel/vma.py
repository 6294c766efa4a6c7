"""Models struct vm_area_struct (include/linux/mm_types.h) and the merge conditions of mm/vma.c (6.18)."""

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.model.address import PAGE_SHIFT
from memtui.sim.kernel.vm_flags import VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_STICKY, codes

if TYPE_CHECKING:
    from memtui.sim.kernel.fs import OpenFile

_new = tuple.__new__


class Vma(NamedTuple):
    """One area of one address space: a value, so that it can be shared and compared by identity."""

    start: int
    """First byte."""
    end: int
    """First byte behind."""
    flags: int
    """VM_* bits."""
    pgoff: int
    """Page of the file at `start`; of private anonymous memory the page number at which it was first mapped."""
    file: "OpenFile | None" = None
    """The open file, by identity: two open() of one file are two."""
    anon_vma: int = 0
    """Identity of the anon_vma that its anonymous pages belong to; 0: none yet."""
    chain: int = 0
    """Length of the anon_vma chain: 0 without one, 1 of its own, more once inherited by fork."""
    name: str = ""
    """Label of a special mapping ("[vdso]"), "" for all others."""

    @property
    def pages(self) -> int:
        """Whole pages."""
        return (self.end - self.start) >> PAGE_SHIFT

    @property
    def anonymous(self) -> bool:
        """vma_is_anonymous(): without vm_ops, so private mappings of /dev/zero too."""
        return (self.file is None or self.file.inode.zero_device) and not self.name

    @property
    def has_close(self) -> bool:
        """Whether it has a close hook, so that merging must not make it vanish."""
        return self.file is not None and self.file.close_hook

    @property
    def fork_child(self) -> bool:
        """Whether its anon_vma chain was inherited."""
        return self.chain > 1

    def pgoff_at(self, address: int) -> int:
        """The page offset of the byte `address`."""
        return self.pgoff + ((address - self.start) >> PAGE_SHIFT)

    def ranged(self, start: int, end: int, pgoff: int) -> "Vma":
        """The same area over other bytes."""
        return _new(Vma, (start, end, self.flags, pgoff, self.file, self.anon_vma, self.chain, self.name))

    def cut(self, start: int, end: int) -> "Vma":
        """The part from `start` to `end`."""
        return self.ranged(start, end, self.pgoff + ((start - self.start) >> PAGE_SHIFT))

    def flagged(self, flags: int) -> "Vma":
        """The same area with other flags."""
        return _new(Vma, (self.start, self.end, flags, self.pgoff, self.file, self.anon_vma, self.chain, self.name))

    def with_anon(self, anon_vma: int, chain: int) -> "Vma":
        """The same area with another anon_vma."""
        return _new(Vma, (self.start, self.end, self.flags, self.pgoff, self.file, anon_vma, chain, self.name))


def gap_start(vma: Vma, guard_gap: int) -> int:
    """vm_start_gap(): where the room that must stay free below `vma` begins, bytes."""
    if vma.flags & VM_GROWSDOWN:
        return max(vma.start - guard_gap, 0)
    return vma.start


class Joined(NamedTuple):
    """What a neighbour is compared with: the range that is new, or whose attributes change."""

    start: int
    end: int
    flags: int
    pgoff: int
    file: "OpenFile | None"
    anon_vma: int = 0
    inherited: bool = False
    """The anon_vma's owner (the VMA itself, or the one that mremap copies) has a chain from a fork."""


SAME: Final = ""
NOTHING: Final = "nothing"


def _differs(neighbour: Vma, new: Joined) -> str:
    """is_mergeable_vma() and is_mergeable_anon_vma(): why not, or "" when they agree."""
    if different := (neighbour.flags ^ new.flags) & ~VM_STICKY:
        return _flags_differ(different)
    if neighbour.file is not new.file:
        return "not the same open file"
    if neighbour.anon_vma == new.anon_vma:
        return SAME
    if not neighbour.anon_vma:
        return "its pages come from a fork" if new.inherited else SAME
    if not new.anon_vma:
        return "the neighbour's pages come from a fork" if neighbour.fork_child else SAME
    return "two different anon_vmas"


@cache
def _flags_differ(bits: int) -> str:
    """Which flags, as VmFlags spells them."""
    letters = " ".join(codes(bits))
    return f"flags differ ({letters})" if letters else "protection keys differ"


def why_alike(neighbour: Vma, new: Joined) -> str:
    """What lets `new` join a neighbour that it was compared with."""
    file = "" if new.file is None else ", of the same open file where the neighbour stops"
    if neighbour.anon_vma != new.anon_vma:
        return f"same flags, adjacent{file}, no anon_vma on one side"
    return f"same flags, adjacent{file}, {'the same' if new.anon_vma else 'no'} anon_vma on both sides"


def why_not_left(prev: Vma | None, new: Joined) -> str:
    """can_vma_merge_left(): "" if `prev` can grow over the range, else what forbids it."""
    if prev is None or prev.end != new.start:
        return NOTHING
    return _differs(prev, new) or (SAME if prev.pgoff_at(prev.end) == new.pgoff else "offsets not contiguous")


def why_not_right(following: Vma | None, new: Joined) -> str:
    """can_vma_merge_right() on its own: "" if `following` can grow down over the range."""
    if following is None or following.start != new.end:
        return NOTHING
    contiguous = new.pgoff + ((new.end - new.start) >> PAGE_SHIFT) == following.pgoff
    return _differs(following, new) or (SAME if contiguous else "offsets not contiguous")


def anon_vmas_agree(prev: Vma, following: Vma) -> bool:
    """Whether what lies between may join both."""
    return not prev.anon_vma or not following.anon_vma or prev.anon_vma == following.anon_vma


def anon_vma_compatible(low: Vma, high: Vma) -> bool:
    """Whether two adjacent VMAs may share an anon_vma: they differ at most in what mprotect changes."""
    return (
        low.end == high.start
        and low.file is high.file
        and not (low.flags ^ high.flags) & ~(VM_ACCESS_FLAGS | VM_STICKY)
        and high.pgoff == low.pgoff_at(low.end)
    )
