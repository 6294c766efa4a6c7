"""The keys of the OOM ranking: what if a process had another oom_score_adj, and writing it."""

from memtui.model.request import Focus, Inject, RankGroup, Request, SetOomScoreAdj, ShowOldRule
from memtui.ui.screens.asking import AskingScreen
from memtui.ui.widgets.oom_pane import STEP, OomPane


class RankingScreen(AskingScreen):
    """Expects an `OomPane` on the screen."""

    def point(self) -> None:
        """What follows the cursor is to follow it now."""
        raise NotImplementedError

    def action_old_rule(self) -> None:
        """Rank by the rule before 2.6.36, or again by today's."""
        pane = self.query_one(OomPane)
        pane.old = not pane.old
        if self.memtui.accepts(ShowOldRule):
            self.ask(ShowOldRule(pane.old))
        pane.redraw()
        self.point()

    def action_rank_group(self) -> None:
        """Rank the processes of the cgroup that limits the one in focus, or again those of the machine."""
        domain = self.memtui.snapshot.domain if self.memtui.snapshot is not None else None
        self.ask(RankGroup(domain is None or domain.name is None))

    def action_try_adj(self, direction: int) -> None:
        """What if the process that the ranking has selected had another oom_score_adj?"""
        self.query_one(OomPane).attempt(direction * STEP)
        self.point()

    def action_write_adj(self) -> None:
        """Write what is tried, once the user has confirmed the very file."""
        pane = self.query_one(OomPane)
        verdict = pane.verdict
        if verdict is None or verdict.task.pid not in pane.tried:
            self.notify("nothing to write: + and - on a process of the OOM ranking try another oom_score_adj first")
            return
        pid, value = verdict.task.pid, pane.tried[verdict.task.pid]

        def answered(answer: str) -> None:
            if answer.casefold() in ("y", "yes"):
                pane.forget(pid)
                self.ask(self._write_adj(pid, value))

        self.prompt(
            f"write {value} to /proc/{pid}/oom_score_adj?", answered, hint="yes; lowering needs CAP_SYS_RESOURCE"
        )

    def _write_adj(self, pid: int, value: int) -> Request:
        if self.memtui.accepts(SetOomScoreAdj):
            return SetOomScoreAdj(pid, value)
        return Inject(f"echo {value} > /proc/{pid}/oom_score_adj")

    def action_focus_process(self) -> None:
        """Show the process that the ranking has selected."""
        verdict = self.query_one(OomPane).verdict
        if verdict is not None:
            self.ask(Focus(verdict.task.pid))
