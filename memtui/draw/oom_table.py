"""Who the OOM killer would take, in order, and the arithmetic of one score."""

from memtui.draw.run import Row
from memtui.model.oom import OomDomain, Verdict
from memtui.model.snapshot import Snapshot


class OomTable:
    """A `Lines`: row 0 has the heads of the columns, the first victim is in row 1, the never killed come last."""

    def __init__(self, snapshot: Snapshot, width: int) -> None:
        self.width = width
        self.verdicts: tuple[Verdict, ...] = ()

    def __len__(self) -> int:
        return 0

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        return ()

    def verdict_at(self, row: int) -> Verdict | None:
        """Whom the row is about; None for the heads, and outside."""
        return None

    def row_of(self, pid: int) -> int | None:
        """The row of a process; None: not in the table."""
        return None


def arithmetic(verdict: Verdict, domain: OomDomain, totalpages: int, width: int = 60) -> tuple[Row, ...]:
    """The score line by line, next to the kernel's own.

    Args:
        verdict: of the process.
        domain: whose total the points are measured against.
        totalpages: RAM + swap of the machine, pages, which oom_score always uses.
        width: cells.
    """
    return ()
