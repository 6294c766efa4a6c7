"""Who the OOM killer of 2.6.32 would take of the same processes, and its arithmetic."""

from typing import Final

from memtui.draw.fit import crop, safe, shorten
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.oom_table import FOCUS, VICTIM
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, pages_size, signed
from memtui.model.oom import Verdict
from memtui.model.oom_legacy import LegacyTask, arithmetic, badness_2_6_32, oom_adj_of
from memtui.model.snapshot import Snapshot

_NAME, _NAME_LEAST = 16, 8
_TERM: Final = 38
_WIDE: Final = 78
"""Cells from which there is room for what divides the points."""
HZ: Final = 100
"""Of the ticks in which a process's CPU time is told."""


class OldOomTable:
    """A `Lines` like `OomTable`: row 0 has the heads, the first victim is in row 1, of equals the earlier process.

    The points are pages of address space, divided by roots of CPU time and run time; half of the children's count too.
    """

    def __init__(self, snapshot: Snapshot, width: int) -> None:
        self.width = width
        now = snapshot.ranking
        self._focus = None if snapshot.mm is None else snapshot.mm.pid
        self._legacy = {verdict.task.pid: legacy_of(snapshot, verdict) for verdict in now}
        order = {task.pid: place for place, task in enumerate(snapshot.tasks)}
        self._points = {pid: badness_2_6_32(task, HZ) for pid, task in self._legacy.items() if task is not None}
        ranked = [verdict for verdict in now if self._points.get(verdict.task.pid, 0) > 0]
        ranked.sort(key=lambda verdict: (-self._points[verdict.task.pid], order[verdict.task.pid]))
        self.verdicts = tuple(ranked)
        self._rows_of = {verdict.task.pid: row for row, verdict in enumerate(ranked, 1)}
        self._spared = len(now) - len(ranked)

    def __len__(self) -> int:
        return 2 + len(self.verdicts)

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        wide = self.width >= _WIDE
        room = min(max(self.width - 41, _NAME_LEAST), _NAME)
        if index == 0:
            heads = f"  {'#':>3} {'pid':>7} {'name':<{room}} {'points':>11} {'size':>9} {'adj':>4}"
            more = f" {'children':>9} {'cpu':>7} {'age':>7} {'nice':>4} caps" if wide else ""
            return crop((Run(heads + more, "oom.head"),), self.width)
        if index == len(self.verdicts) + 1:
            text = f"{NOT_MEASURED} {self._spared:,} more that it never kills, or of which nothing is known"
            return crop((Run(text, "text.dim"),), self.width)
        verdict = self.verdict_at(index)
        old = None if verdict is None else self._legacy[verdict.task.pid]
        if verdict is None or old is None:
            return ()
        role = "oom.victim" if index == 1 else "oom.row"
        name = shorten(safe(old.comm), room)
        marks = (VICTIM if index == 1 else " ") + (FOCUS if old.pid == self._focus else " ")
        text = f"{marks}{index:>3} {old.pid:>7} {name:<{room}}"
        text += f" {count(self._points[old.pid]):>11} {pages_size(old.total_vm):>9} {signed(old.oom_adj):>4}"
        if wide:
            text += f" {len(old.children):>9,} {old.cpu_jiffies / HZ:>6,.0f}s {old.run_seconds:>6,}s {old.nice:>4}"
            text += f" {'A' if old.sys_admin else '-'}{'R' if old.sys_rawio else '-'}"
        return crop((Run(text, role),), self.width)

    def verdict_at(self, row: int) -> Verdict | None:
        """Whom the row is about; None for the heads, and outside."""
        return self.verdicts[row - 1] if 0 < row <= len(self.verdicts) else None

    def row_of(self, pid: int) -> int | None:
        """The row of a process; None: not in the table."""
        return self._rows_of.get(pid)

    def distance(self, row: int) -> str:
        """How far whoever is in the row stands from dying first."""
        verdict = self.verdict_at(row)
        if verdict is None:
            return ""
        points = [self._points[one.task.pid] for one in self.verdicts]
        if row > 1:
            return f"{points[0] - points[row - 1]:,} points behind the first"
        return f"dies first, by {points[0] - points[1]:,} points" if len(points) > 1 else "the only one"


def legacy_of(snapshot: Snapshot, verdict: Verdict) -> LegacyTask | None:
    """What 2.6.32 would read of a process, with the oom_score_adj that is tried."""
    old = snapshot.legacy.get(verdict.task.pid)
    return None if old is None else old._replace(oom_adj=oom_adj_of(verdict.task.oom_score_adj or 0))


def old_arithmetic(old: LegacyTask, width: int) -> tuple[Row, ...]:
    """badness() of 2.6.32 line by line."""
    rows = [[Run("the rule before 2.6.36", "title")]]
    rows += [
        [Run(f"{term.what:<{_TERM}}", "key"), Run(f"{count(term.points):>13}", "value"), Run(" points", "text.dim")]
        for term in arithmetic(old, HZ)
    ]
    ran = f"{old.cpu_jiffies / HZ:,.0f} s of CPU in {old.run_seconds:,} s since its start"
    rows.append([Run(ran, "text.dim")])
    return tuple(crop(row, width) for row in rows)
