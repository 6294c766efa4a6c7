"""The invariants of swap: each slot that is taken has one page, and the swap cache knows which are in memory."""

from collections import Counter
from typing import TYPE_CHECKING

from memtui.sim.kernel.page_leaf import ANON, SWAP
from memtui.sim.kernel.rmap import spaces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.page_leaf import Leaf


def check_slots(kernel: "Kernel") -> list[str]:
    """What is wrong, a line each. Looks at every page table and every file."""
    swap, found = kernel.swap, []
    out: set[tuple[int, object]] = set()
    mapped: set[tuple[int, object]] = set()
    for leaf in {leaf: None for mm in spaces_of(kernel) for leaf in mm.pages.leaves.values()}:
        for entry, number, owner in _slots_of(leaf):
            state = leaf.state[entry]
            if state not in (ANON, SWAP):
                found.append(f"entry {entry} has slot {number}, but is neither out nor anonymous")
            (out if state == SWAP else mapped).add((number, owner))
        bare = sum(state == SWAP and leaf.slot_of(entry) is None for entry, state in enumerate(leaf.state))
        found += [f"{bare} swap entries without a slot"] if bare else []
    for inode in kernel.inodes:
        runs = inode.slots.runs if inode.slots else []
        if sum(run.high - run.low for run in runs) != inode.swapped.count:
            found.append(f"{inode.label} has {inode.swapped.count} pages out, but slots for others")
        out.update((run.slot + at, (inode, run.low + at)) for run in runs for at in range(run.high - run.low))
    for name, pages in (("out", out), ("mapped", mapped)):
        twice = [number for number, times in Counter(number for number, _ in pages).items() if times > 1]
        found += [f"slots {twice[:5]} are of several pages that are {name}"] if twice else []
    numbers, kept = {number for number, _ in out}, {number for number, _ in mapped}
    if len(numbers | kept) != swap.used or any(number not in swap.map for number in numbers | kept):
        found.append(f"{len(numbers | kept)} slots are in use, but {swap.used} are taken")
    if len(kept) != swap.kept.count or any(number not in swap.kept for number in kept):
        found.append(f"{len(kept)} mapped pages have slots, but {swap.kept.count} are known")
    unmapped = [slot + at for slot, count in swap.cache.pages.runs(0, 1 << 52) for at in range(count)]
    if any(slot not in numbers or slot in swap.kept for slot in unmapped):
        found.append("an unmapped page in the swap cache is nobody's, or mapped")
    return found


def _slots_of(leaf: "Leaf") -> "Iterator[tuple[int, int, object]]":
    """Entry, slot and what tells its page from others."""
    for run in leaf.slots.runs if leaf.slots else ():
        for at in range(run.high - run.low):
            yield run.low + at, run.slot + at, (leaf, run.low + at)
    for entry, frame in leaf.frames.items():
        if frame.slot is not None:
            yield entry, frame.slot.number, frame
