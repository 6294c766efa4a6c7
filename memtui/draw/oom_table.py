"""Who the OOM killer would take, in order, and the arithmetic of one score."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from memtui.draw.fit import crop, safe, shorten, wrap
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, pages_size, signed
from memtui.model.oom import OomDomain, Verdict, badness, forgiven, oom_score, root_adj, usage, victim_of
from memtui.model.oom_rule import NOW, OomRule
from memtui.model.snapshot import Snapshot
from memtui.model.task import Task

VICTIM: Final = "†"
"""Before the process that would be killed first."""
FOCUS: Final = "►"
"""Before the process whose address space the map shows."""


class _Column(NamedTuple):
    head: str
    width: int
    text: Callable[[Verdict], str]
    keep: int
    """How long it stays when room is short: the lowest goes first."""


def _figure(value: int | None) -> str:
    return NOT_MEASURED if value is None else str(value)


_COLUMNS: Final = (
    _Column("score", 5, lambda v: _figure(v.oom_score), 7),
    _Column("kernel", 6, lambda v: _figure(v.task.kernel_oom_score), 3),
    _Column("points", 11, lambda v: count(v.points), 1),
    _Column("rss", 8, lambda v: pages_size(v.task.rss_pages), 5),
    _Column("swap", 8, lambda v: pages_size(v.task.swap_pages), 4),
    _Column("pt", 8, lambda v: pages_size(v.task.pgtable_pages), 2),
    _Column("adj", 5, lambda v: signed(v.task.oom_score_adj), 6),
)
_TERM, _PAGES = 14, 13
"""The columns of the arithmetic."""
_PLACE, _PID, _NAME_LEAST, _NAME_MOST = 3, 7, 8, 24
"""The columns of the table that never give way."""


def _columns_within(width: int) -> tuple[tuple[_Column, ...], int]:
    """The columns that fit, in order, and the cells of the name between the pid and them."""
    room = width - (2 + _PLACE + 1 + _PID + 1) - _NAME_LEAST
    kept = set()
    for column in sorted(_COLUMNS, key=lambda column: -column.keep):
        if column.width + 1 > room:
            break
        kept.add(column.head)
        room -= column.width + 1
    name = min(_NAME_LEAST + max(room, 0), _NAME_MOST)
    return tuple(column for column in _COLUMNS if column.head in kept), name


class OomTable:
    """A `Lines`: row 0 has the heads of the columns, the first victim is in row 1, the never killed come last.

    score is what memtui computes by the kernel's rule, kernel what /proc/PID/oom_score says, points what the killer
    compares, in pages (before 3.5 in thousandths). What keeps the ranking from being made, or from being current, is
    said in the last rows.
    """

    def __init__(self, snapshot: Snapshot, width: int) -> None:
        self.width = width
        self.verdicts: tuple[Verdict, ...] = ()
        self._columns, self._name = _columns_within(width)
        self._why: list[str] = []
        domain, totalpages = snapshot.domain, snapshot.system.totalpages
        if domain is None or not totalpages or domain.pages <= 0:
            unknown = {**snapshot.system.unknown, **snapshot.unknown}
            why = unknown.get("domain") or unknown.get("oom") or unknown.get("meminfo") or "RAM + swap is not known"
            self._why = wrap(f"{NOT_MEASURED} no ranking: {why}", width)
        else:
            self.verdicts = snapshot.ranking
            why = snapshot.unknown.get("tasks", "")
            self._why = wrap(f"{NOT_MEASURED} {why}", width) if why else []
        self._rule = snapshot.system.oom_rule
        self._focus = None if snapshot.mm is None else snapshot.mm.pid
        self._victim = victim_of(self.verdicts, self._rule)
        self._rows_of = {verdict.task.pid: row for row, verdict in enumerate(self.verdicts, 1)}

    def __len__(self) -> int:
        return 1 + len(self.verdicts) + len(self._why)

    def row(self, index: int) -> Row:
        """Row `index`; the empty row outside."""
        if not 0 <= index < len(self):
            return ()
        if index == 0:
            return self._heads()
        if index > len(self.verdicts):
            return crop((Run(self._why[index - 1 - len(self.verdicts)], "text.dim"),), self.width)
        verdict = self.verdicts[index - 1]
        return crop(self._never(verdict) if verdict.points is None else self._killable(index, verdict), self.width)

    def verdict_at(self, row: int) -> Verdict | None:
        """Whom the row is about; None for the heads, and outside."""
        return self.verdicts[row - 1] if 0 < row <= len(self.verdicts) else None

    def row_of(self, pid: int) -> int | None:
        """The row of a process; None: not in the table."""
        return self._rows_of.get(pid)

    def distance(self, row: int) -> str:
        """How far whoever is in the row stands from dying first; the first one, from being spared."""
        ranked = [verdict.points for verdict in self.verdicts if verdict.points is not None]
        nth = row - 1
        if not 0 <= nth < len(ranked):
            return ""
        if self._victim is not self.verdicts[0] and self.verdicts[nth] in (self.verdicts[0], self._victim):
            return "chosen, but a child dies in its place" if nth == 0 else "dies first, in its parent's place"
        if nth:
            return f"{points_text(ranked[0] - ranked[nth], self._rule)} behind the first"
        if len(ranked) == 1:
            return "the only one"
        return f"dies first, by {points_text(ranked[0] - ranked[1], self._rule)}"

    def _heads(self) -> Row:
        text = f"  {'#':>{_PLACE}} {'pid':>{_PID}} {'name':<{self._name}}"
        text += "".join(f" {column.head:>{column.width}}" for column in self._columns)
        return crop((Run(text, "oom.head"),), self.width)

    def _begin(self, mark: str, place: str, verdict: Verdict) -> str:
        name = shorten(safe(verdict.task.comm), self._name)
        own = FOCUS if verdict.task.pid == self._focus else " "
        return f"{mark}{own}{place:>{_PLACE}} {verdict.task.pid:>{_PID}} {name:<{self._name}}"

    def _killable(self, place: int, verdict: Verdict) -> list[Run]:
        dies = verdict is self._victim
        role = "oom.victim" if dies else "oom.row"
        runs = [Run(self._begin(VICTIM if dies else " ", str(place), verdict), role)]
        for column in self._columns:
            differs = column.head == "kernel" and verdict.task.kernel_oom_score not in (None, verdict.oom_score)
            runs.append(Run(f" {column.text(verdict):>{column.width}}", "oom.differs" if differs else role))
        return runs

    def _never(self, verdict: Verdict) -> list[Run]:
        text = f"{self._begin(' ', NOT_MEASURED, verdict)} {safe(verdict.why_not or '')}"
        return [Run(shorten(text, self.width), "oom.never")]


def points_text(points: int, rule: OomRule) -> str:
    """A difference of points: a size where points are pages."""
    return f"{points} ‰" if rule.in_thousandths else pages_size(points)


def arithmetic(
    verdict: Verdict, domain: OomDomain, totalpages: int, width: int = 60, rule: OomRule = NOW
) -> tuple[Row, ...]:
    """The score line by line, next to the kernel's own.

    oom_badness() of mm/oom_kill.c and proc_oom_score() of fs/proc/base.c, 6.18: points are rss + swap + page tables
    plus a thousandth of the domain for each unit of oom_score_adj; /proc/PID/oom_score measures the same sum against
    RAM + swap. Older kernels by their rule.

    Args:
        verdict: of the process.
        domain: whose total the points are measured against.
        totalpages: RAM + swap of the machine, pages, which oom_score always uses.
        width: cells.
        rule: of the kernel.
    """
    task = verdict.task
    among = "" if domain.name is None else f" in cgroup {safe(domain.name)}"
    rows = [[Run(f"{task.pid} {safe(task.comm)}{among}", "title")]]
    if verdict.points is None:
        text = f"never killed: {verdict.why_not}" if verdict.oom_score == 0 else f"— {verdict.why_not}"
        rows += [[Run(line, "oom.never")] for line in wrap(text, width)]
    else:
        rows += _points(task, domain, verdict.points, rule, width)
        rows += _score(task, totalpages, rule)
    rows.append(_kernels_own(verdict))
    return tuple(crop(row, width) for row in rows)


def _points(task: Task, domain: OomDomain, points: int, rule: OomRule, width: int) -> Iterator[list[Run]]:
    used = usage(task, rule) or 0
    adj = (task.oom_score_adj or 0) - root_adj(task, rule)
    why = f" (root: -{root_adj(task, rule)})" if root_adj(task, rule) else ""
    yield _line("rss", task.rss_pages)
    yield _line("+ swap", task.swap_pages)
    if rule.table_levels:
        yield _line("+ page tables", task.pgtable_pages)
    if rule.in_thousandths:
        yield from _total(domain, width)
        used = used * 1000 // max(domain.pages, 1)
        yield _plain("in thousandths", used)
    spared = forgiven(task, used, rule)
    if spared:
        yield _plain(f"- root's {rule.root_bonus} %", spared, "CAP_SYS_ADMIN")
    if rule.in_thousandths:
        yield _plain("+ adj", adj, why)
        yield _plain("= points", points, "1 to 1000; the highest dies", role="text.strong")
        return
    unit = domain.pages // 1000
    yield _line("+ adj", adj * unit, f"{signed(adj)} × {count(unit)}{why}")
    yield _line("= points", points, "the highest dies", role="text.strong")
    yield from _total(domain, width)


def _score(task: Task, totalpages: int, rule: OomRule) -> Iterator[list[Run]]:
    points = badness(task, totalpages, rule)
    if points is None or rule.in_thousandths:
        return
    share = abs(points) * 1000 // totalpages * (1 if points >= 0 else -1)
    yield [
        Run(f"{'oom_score':<{_TERM}}", "key"),
        Run(f"{count(points)} × 1000 / {count(totalpages)} = ", "text.dim"),
        Run(str(share), "text.strong" if rule.at_least_one else "value"),
    ]
    if rule.at_least_one:
        return
    sign = "+" if share >= 0 else "-"
    yield [
        Run(f"{'':<{_TERM}}", "key"),
        Run(f"(1000 {sign} {abs(share)}) × 2 / 3 = ", "text.dim"),
        Run(str(oom_score(points, totalpages, rule)), "text.strong"),
    ]


def _kernels_own(verdict: Verdict) -> list[Run]:
    own = verdict.task.kernel_oom_score
    name = Run(f"{'kernel says':<{_TERM}}", "key")
    if own is None:
        return [name, Run("— not told", "text.dim")]
    if own == verdict.oom_score:
        return [name, Run(str(own), "oom.agrees"), Run(" the same", "text.dim")]
    return [name, Run(str(own), "oom.differs"), Run(f" differs by {own - (verdict.oom_score or 0):+d}", "text.dim")]


def _total(domain: OomDomain, width: int) -> Iterator[list[Run]]:
    """What the points are measured against, and where that comes from: below it where it is long."""
    why = safe(domain.why)
    if len(why) <= width - _TERM - _PAGES - len(" pages  "):
        yield _line("of", domain.pages, why)
        return
    yield _line("of", domain.pages)
    yield from ([Run(f"{'':<{_TERM}}{line}", "text.dim")] for line in wrap(why, width - _TERM))


def _line(name: str, pages: int | None, note: str = "", role: str = "value") -> list[Run]:
    figure = f"{count(pages):>{_PAGES}}"
    return [Run(f"{name:<{_TERM}}", "key"), Run(figure, role), Run(f" pages  {note or pages_size(pages)}", "text.dim")]


def _plain(name: str, figure: int, note: str = "", role: str = "value") -> list[Run]:
    return [Run(f"{name:<{_TERM}}", "key"), Run(f"{count(figure):>{_PAGES}}", role), Run(f"  {note}", "text.dim")]
