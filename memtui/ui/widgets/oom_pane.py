"""The OOM ranking: who dies first, and who would with another oom_score_adj."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.oom_table import OomTable
from memtui.draw.sizes import signed
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN, Verdict
from memtui.model.request import Focus
from memtui.model.snapshot import Snapshot
from memtui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    from memtui.draw.oom_old_table import OldOomTable

STEP: Final = 100
"""By how much a key changes the oom_score_adj that is tried."""


class OomPane(Pane):
    """Its cursor is a process. What is tried is a matter of this pane alone, until it is written."""

    TITLE: ClassVar[str] = "OOM ranking"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 1
        self._table: OomTable | OldOomTable | None = None
        self.old = False
        """Whether the rule before 2.6.36 decides."""
        self.tried: dict[int, int] = {}
        """What if: pid -> oom_score_adj."""

    @property
    def verdict(self) -> Verdict | None:
        """Of the process under the cursor, with what is tried."""
        return None if self._table is None or self.cursor is None else self._table.verdict_at(self.cursor)

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The tasks, what their points are measured against, and what is tried."""
        ranked = snapshot.tasks, snapshot.domain, snapshot.system.totalpages, snapshot.legacy
        focus = None if snapshot.mm is None else snapshot.mm.pid
        return *ranked, focus, repr(self.tried), self.old, self._whose(snapshot)

    def draw(self, snapshot: Snapshot) -> None:
        """The ranking; the cursor stays on its process, on whatever place that is now."""
        chosen, tried = self.verdict, self._with_tried(snapshot)
        table = self._old_table(tried) if self.old else OomTable(tried, self.room.width)
        row = table.row_of(chosen.task.pid) if chosen is not None else None
        self._table = table
        title = self._whose(snapshot)
        if self.old:
            title += " · the rule before 2.6.36"
        self.show(table, title=title)
        self._say()
        if row is not None:
            self.move_to(row)

    def _whose(self, snapshot: Snapshot) -> str:
        """Of whom it is, and which key ranks the others where the kernel would ask for both."""
        domain, group = snapshot.domain, snapshot.group
        if domain is not None and domain.name is not None:
            if domain.members is not None and snapshot.steps is None:
                return f"{self.TITLE} of {safe(domain.name)} · D: of all"
            return f"{self.TITLE} of cgroup {safe(domain.name)}"
        if group is not None and snapshot.steps is None:
            return f"{self.TITLE} of all · D: of {safe(group.name)}"
        return self.TITLE

    def _old_table(self, snapshot: Snapshot) -> "OldOomTable":
        from memtui.draw.oom_old_table import OldOomTable

        return OldOomTable(snapshot, self.room.width)

    def _with_tried(self, snapshot: Snapshot) -> Snapshot:
        if not self.tried:
            return snapshot
        tasks = tuple(
            task._replace(oom_score_adj=self.tried[task.pid], kernel_oom_score=None) if task.pid in self.tried else task
            for task in snapshot.tasks
        )
        return replace(snapshot, tasks=tasks)

    def _say(self) -> None:
        """What if, or how far the process under the cursor is from dying first."""
        verdict = self.verdict
        if verdict is not None and verdict.task.pid in self.tried:
            self.subtitle = f"what if: adj {signed(verdict.task.oom_score_adj)} · A writes it"
        elif self._table is not None and self.cursor is not None:
            self.subtitle = self._table.distance(self.cursor)

    def move_to(self, row: int, column: int | None = None) -> None:
        """The heads of the columns are no process; they come into view with the first one."""
        super().move_to(max(row, 1), column)
        if self.cursor == 1:
            self.reveal(0)
        self._say()

    def attempt(self, by: int) -> None:
        """What if the oom_score_adj of the process under the cursor were so much higher?"""
        verdict = self.verdict
        if verdict is None or verdict.task.oom_score_adj is None or self.snapshot is None:
            return
        pid = verdict.task.pid
        own = next((task.oom_score_adj for task in self.snapshot.tasks if task.pid == pid), None)
        self.tried[pid] = min(max(verdict.task.oom_score_adj + by, OOM_SCORE_ADJ_MIN), OOM_SCORE_ADJ_MAX)
        if self.tried[pid] == own:
            self.forget(pid)
        self.redraw()

    def forget(self, pid: int) -> None:
        """Nothing is tried with this process any more."""
        self.tried.pop(pid, None)
        self.redraw()

    def answer(self) -> Answer | None:
        """Why the process has its place."""
        verdict, now = self.verdict, self.snapshot
        if verdict is None or now is None or self._table is None:
            return None
        from memtui.draw.why_verdict import verdict_answer

        return verdict_answer(verdict, self._table.verdicts, now.domain, now.system.oom_rule)

    def enter(self) -> None:
        """Show the address space of the process."""
        if self.verdict is not None:
            self.post_message(self.Wanted(Focus(self.verdict.task.pid)))
