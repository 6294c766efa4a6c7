"""Where the memory of the process and of the machine is: a ledger with bars, process and system side by side."""

from memtui.draw.run import Row
from memtui.model.snapshot import Snapshot


def residence_rows(snapshot: Snapshot, width: int) -> tuple[Row, ...]:
    """About 16 rows, the most important first: residences, the kernel's own, the rest that makes the system's column
    add up to MemTotal, swap, the LRU lists, the commit charge against its limit and what the overcommit mode means.
    """
    return ()
