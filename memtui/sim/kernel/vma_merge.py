"""Models the merging and splitting of VMAs in mm/vma.c (6.18)."""

from typing import TYPE_CHECKING

from memtui.sim.kernel import hugetlb
from memtui.sim.kernel.file_table import fput
from memtui.sim.kernel.outcome import Errno
from memtui.sim.kernel.vm_flags import VM_SPECIAL, VM_STICKY
from memtui.sim.kernel.vma import Joined, Vma, anon_vmas_agree, why_alike, why_not_left, why_not_right

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.mm import Mm

MERGED_BOTH = "merged with both neighbours"
MERGED_LEFT = "merged with the left neighbour"
MERGED_RIGHT = "merged with the right neighbour"
_BETWEEN = "left and right have two different anon_vmas"


def split(kernel: "Kernel", mm: "Mm", vma: Vma, address: int) -> tuple[Vma, Vma]:
    """__split_vma(): cut one VMA into two at `address`, whatever the limit of VMAs.

    Raises:
        Errno: EINVAL, a special mapping cannot be cut, nor a huge page.
    """
    if vma.name:
        raise Errno("EINVAL", f"{vma.name} cannot be split")
    if hugetlb.inside_page(vma, address):
        raise Errno("EINVAL", "a huge page cannot be split")
    mm.pages.split_huge(address)
    low, high = vma.cut(vma.start, address), vma.cut(address, vma.end)
    mm.update(vma, low)
    mm.link(high)
    return low, high


def split_checked(kernel: "Kernel", mm: "Mm", vma: Vma, address: int) -> tuple[Vma, Vma]:
    """split_vma(): the same, but not beyond vm.max_map_count.

    Raises:
        Errno: ENOMEM, or as `split`.
    """
    limit = kernel.sysctl["max_map_count"]
    if mm.map_count >= limit:
        raise Errno("ENOMEM", f"a split needs fewer than {limit} VMAs (vm.max_map_count)")
    return split(kernel, mm, vma, address)


def drop(kernel: "Kernel", mm: "Mm", vma: Vma) -> None:
    """Take a VMA out of the tree; it lets go of its file."""
    mm.tree.remove(vma)
    if vma.file is not None:
        fput(kernel, vma.file)


def merge_new(
    kernel: "Kernel", mm: "Mm", new: Joined, *, source: Vma | None = None, only_left: bool = False
) -> Vma | None:
    """vma_merge_new_range(): let a neighbour grow over a range that is free.

    Args:
        kernel: for the references of files.
        mm: the address space.
        new: the range, and what the VMA there would be.
        source: the VMA that mremap copies; its anon_vma passes on.
        only_left: brk: never with what follows.

    Returns:
        The VMA that grew, or None.
    """
    if new.flags & VM_SPECIAL:
        mm.note("special mappings never merge")
        return None
    prev, following = mm.tree.before(new.start), mm.tree.find(new.end)
    no_left = why_not_left(prev, new)
    no_right = "brk does not look" if only_left else why_not_right(following, new)
    if prev is not None and following is not None and not no_left and not no_right:
        no_right = _why_not_both(prev, following)
    if prev is not None and not no_left:
        if following is not None and not no_right:
            return _grow(kernel, mm, prev, new, source, following)
        return _grow(kernel, mm, prev, new, source, None, no_right)
    if following is not None and not no_right:
        return _grow(kernel, mm, following, new, source, None, no_left)
    mm.note(f"a VMA of its own: on its left {no_left}, on its right {no_right}")
    return None


def _why_not_both(prev: Vma, following: Vma) -> str:
    if not anon_vmas_agree(prev, following):
        return _BETWEEN
    return "the right neighbour has a close hook" if following.has_close else ""


def _grow(
    kernel: "Kernel", mm: "Mm", target: Vma, new: Joined, source: Vma | None, swallowed: Vma | None, other: str = ""
) -> Vma:
    """vma_expand(): `target` takes the range, and what follows it if `swallowed`."""
    start, end, pgoff = target.start, new.end, target.pgoff
    flags = target.flags | new.flags & VM_STICKY
    anon_vma, chain = target.anon_vma, target.chain
    if target.start >= new.end:
        start, end, pgoff = new.start, target.end, new.pgoff
        mm.note(f"{MERGED_RIGHT}: {why_alike(target, new)}; on the left {other}")
    elif swallowed is None:
        mm.note(f"{MERGED_LEFT}: {why_alike(target, new)}; on the right {other}")
    else:
        mm.note(f"{MERGED_BOTH}: {why_alike(target, new)}")
        end = swallowed.end
        flags |= swallowed.flags & VM_STICKY
        if not anon_vma:
            anon_vma, chain = swallowed.anon_vma, swallowed.chain
        drop(kernel, mm, swallowed)
    if source is not None and not anon_vma:
        anon_vma, chain = source.anon_vma, source.chain
    return mm.update(target, Vma(start, end, flags, pgoff, target.file, anon_vma, chain, target.name))


def modify(kernel: "Kernel", mm: "Mm", vma: Vma, start: int, end: int, flags: int) -> Vma:
    """vma_modify_flags(): give [start, end) inside `vma` other flags, merging or splitting.

    Returns:
        The VMA that now holds the range; it may be larger.

    Raises:
        Errno: ENOMEM at vm.max_map_count, EINVAL for a part of a special mapping. The first of two splits may
            have happened.
    """
    merged = _merge_existing(kernel, mm, vma, start, end, flags)
    if merged is not None:
        mm.pages.split_huge(start)
        mm.pages.split_huge(end)
        return merged
    if vma.start == start and vma.end == end:
        mm.note("the whole VMA changes; no neighbour is like it then")
    if vma.start < start:
        _, vma = split_checked(kernel, mm, vma, start)
        mm.note("split below: only a part changes")
    if vma.end > end:
        vma, _ = split_checked(kernel, mm, vma, end)
        mm.note("split above: only a part changes")
    return mm.update(vma, vma.flagged(flags))


def _merge_existing(kernel: "Kernel", mm: "Mm", vma: Vma, start: int, end: int, flags: int) -> Vma | None:
    """vma_merge_existing_range()."""
    at_left, at_right = start == vma.start, end == vma.end
    if flags & VM_SPECIAL or not (at_left or at_right):
        return None
    new = Joined(start, end, flags, vma.pgoff_at(start), vma.file, vma.anon_vma, vma.fork_child)
    prev = mm.tree.before(start) if at_left else None
    following = mm.tree.find(end) if at_right else None
    left = prev if not why_not_left(prev, new) else None
    right = following if not why_not_right(following, new) else None
    if left is not None and right is not None and not anon_vmas_agree(left, right):
        right = None
    whole = at_left and at_right
    if (left is None and right is None) or (whole and vma.has_close):
        return None
    if left is not None and right is not None and right.has_close:
        right = None
    return _join(kernel, mm, vma, new, left, right, whole=whole)


def _join(
    kernel: "Kernel", mm: "Mm", vma: Vma, new: Joined, left: Vma | None, right: Vma | None, *, whole: bool
) -> Vma:
    """commit_merge(): `left` (else `right`) takes the range [new.start, new.end) of `vma`."""
    sticky = new.flags & VM_STICKY
    anon = (vma.anon_vma, vma.chain)
    if whole:
        drop(kernel, mm, vma)
    elif left is not None:
        mm.update(vma, vma.cut(new.end, vma.end))
    else:
        mm.update(vma, vma.cut(vma.start, new.start))
    if left is None:
        assert right is not None
        mm.note(f"{MERGED_RIGHT}: {why_alike(right, new)}")
        anon = (right.anon_vma, right.chain) if right.anon_vma else anon
        grown = Vma(new.start, right.end, right.flags | sticky, new.pgoff, right.file, *anon)
        return mm.update(right, grown)
    end = new.end
    if right is not None:
        mm.note(f"{MERGED_BOTH}: {why_alike(left, new)}")
        end, sticky = right.end, sticky | right.flags & VM_STICKY
        anon = (right.anon_vma, right.chain) if right.anon_vma else anon
        drop(kernel, mm, right)
    else:
        mm.note(f"{MERGED_LEFT}: {why_alike(left, new)}")
    anon = (left.anon_vma, left.chain) if left.anon_vma else anon
    return mm.update(left, Vma(left.start, end, left.flags | sticky, left.pgoff, left.file, *anon))
