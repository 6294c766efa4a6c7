"""What differs between two looks at an address space."""

from memtui.model.address import Range
from memtui.model.mm import MmSnapshot


def changed(before: MmSnapshot | None, after: MmSnapshot) -> tuple[Range, ...]:
    """Where the address space changed: ranges by ascending address, none touching another.

    A range came, went, or changed its permissions, label, flags or the state of its pages. Parts that are the same
    object in both are not looked at.

    Args:
        before: the earlier look; None, or another process's: nothing is known to have changed.
        after: the later look.
    """
    return ()
