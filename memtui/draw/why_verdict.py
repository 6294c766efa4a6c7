"""The why of a row of the OOM ranking: why it stands there, and what would move it."""

from collections.abc import Iterator, Sequence

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.oom_table import points_text
from memtui.draw.sizes import count, pages_size, plural, signed
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OomDomain, Verdict, forgiven, root_adj, usage, victim_of
from memtui.model.oom_rule import NOW, OomRule
from memtui.model.task import Task


def verdict_answer(
    verdict: Verdict, ranking: Sequence[Verdict], domain: OomDomain | None, rule: OomRule = NOW
) -> Answer:
    """Why a process has its place.

    Args:
        verdict: of the process.
        ranking: all of them, the first victim first.
        domain: whose total the points are measured against.
        rule: of the kernel.
    """
    title = f"{verdict.task.pid} {safe(verdict.task.comm)}"
    if verdict.points is None or domain is None:
        return Answer(title, tuple(_spared(verdict)))
    return Answer(title, tuple(_ranked(verdict, verdict.points, ranking, domain, rule)))


def _spared(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "here", f"last, because it is never chosen: {verdict.why_not or 'there is no total to measure against'}"
    yield (
        "rule",
        (
            "oom_badness() gives no points to init, kernel threads, tasks without memory of their own, tasks in "
            "vfork() and those with oom_score_adj -1000. (mm/oom_kill.c)"
        ),
    )
    yield "frees", "nothing of it: the OOM killer takes another one"


def _ranked(
    verdict: Verdict, points: int, ranking: Sequence[Verdict], domain: OomDomain, rule: OomRule
) -> Iterator[tuple[str, str]]:
    task = verdict.task
    killable = [each for each in ranking if each.points is not None]
    place = next((nth for nth, each in enumerate(killable) if each.task.pid == task.pid), 0)
    yield "here", _made_of(task, points, domain, rule)
    yield "place", _place(points, place, killable, rule)
    dies = victim_of(ranking, rule)
    if dies is not None and place == 0 and dies is not verdict:
        yield (
            "victim",
            f"its child {_name(dies)} dies in its place: before 5.2 a child with memory of its own goes first",
        )
    yield "rule", _rule(rule)
    yield (
        "frees",
        (
            f"its {pages_size(task.rss_pages)} of RAM, less what others map too, when it exits; if that takes over 2 s "
            "the OOM reaper (4.6) unmaps its private pages"
        ),
    )
    unit = 1 if rule.in_thousandths else domain.pages // 1000
    yield "spared", _spare(points, place, killable, task.oom_score_adj or 0, unit)


def _made_of(task: Task, points: int, domain: OomDomain, rule: OomRule) -> str:
    adj = (task.oom_score_adj or 0) - root_adj(task, rule)
    sizes = {
        "its pages in RAM": task.rss_pages or 0,
        "what it has on swap": task.swap_pages or 0,
        "its page tables": (task.pgtable_pages or 0) if rule.table_levels else 0,
    }
    used, each = usage(task, rule) or 0, domain.pages // 1000
    if rule.in_thousandths:
        sizes = {name: pages * 1000 // max(domain.pages, 1) for name, pages in sizes.items()}
        used, each = used * 1000 // max(domain.pages, 1), 1
    parts = {
        **sizes,
        f"oom_score_adj {signed(adj)}": adj * each,
        f"{rule.root_bonus} % for CAP_SYS_ADMIN": -forgiven(task, used, rule),
    }
    largest = max(parts, key=lambda name: parts[name])
    terms = ", ".join(f"{name} {count(pages)}" for name, pages in parts.items() if pages)
    unit = f" (thousandths of {count(domain.pages)} pages)" if rule.in_thousandths else ""
    return f"{count(points)} points{unit}, of which {largest} {'is' if 'adj' in largest else 'are'} the most: {terms}"


def _rule(rule: OomRule) -> str:
    tie = "first" if rule.earlier_of_equals else "last"
    what = "thousandths of the total" if rule.in_thousandths else "pages"
    counts = (
        "size and CAP_SYS_ADMIN, and not age, user or nice"
        if rule.asks_for_root
        else "size alone, and not age, user or nice"
    )
    return (
        f"the task with the most points is chosen; on a tie the one that was created {tie}. Points are {what}, so what "
        f"counts is {counts}. (select_bad_process, oom_badness, mm/oom_kill.c)"
    )


def _place(points: int, place: int, killable: Sequence[Verdict], rule: OomRule) -> str:
    if place:
        behind = points_text((killable[0].points or 0) - points, rule)
        return f"number {place + 1} of {len(killable)}: {behind} behind {_name(killable[0])}"
    if len(killable) == 1:
        return "the first to die: no other process can be chosen"
    ahead = points_text(points - (killable[1].points or 0), rule)
    return f"the first to die: {ahead} before {_name(killable[1])}"


def _spare(points: int, place: int, killable: Sequence[Verdict], adj: int, unit: int) -> str:
    """What oom_score_adj makes it another one's turn, or its own; `unit`: the points that one of it is worth."""
    unit = max(unit, 1)
    if place:
        needed = adj + ((killable[0].points or 0) - points) // unit + 1
        if needed > OOM_SCORE_ADJ_MAX:
            return "no oom_score_adj would make it the first; -1000 makes sure that it is never chosen"
        return f"oom_score_adj {signed(needed)} would make it the first; -1000 that it is never chosen"
    if len(killable) == 1:
        return "oom_score_adj -1000: then nobody can be chosen, and the machine panics"
    needed = adj - (points - (killable[1].points or 0)) // unit - 1
    tries = plural(max((adj - needed + 99) // 100, 1), "time")
    if needed < -999:
        return "only oom_score_adj -1000 makes it another one's turn"
    return f"oom_score_adj {signed(needed)} makes it another one's turn (- tries 100 less: {tries}); -1000 for ever"


def _name(verdict: Verdict) -> str:
    return f"{verdict.task.pid} {safe(verdict.task.comm)}"
