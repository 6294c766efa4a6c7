"""The why of a row of the OOM ranking: why it stands there, and what would move it."""

from collections.abc import Iterator, Sequence

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.sizes import count, pages_size, plural, signed
from memtui.model.oom import OOM_SCORE_ADJ_MAX, OomDomain, Verdict


def verdict_answer(verdict: Verdict, ranking: Sequence[Verdict], domain: OomDomain | None) -> Answer:
    """Why a process has its place.

    Args:
        verdict: of the process.
        ranking: all of them, the first victim first.
        domain: whose total the points are measured against.
    """
    title = f"{verdict.task.pid} {safe(verdict.task.comm)}"
    if verdict.points is None or domain is None:
        return Answer(title, tuple(_spared(verdict)))
    return Answer(title, tuple(_ranked(verdict, verdict.points, ranking, domain)))


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


def _ranked(verdict: Verdict, points: int, ranking: Sequence[Verdict], domain: OomDomain) -> Iterator[tuple[str, str]]:
    task = verdict.task
    adj = (task.oom_score_adj or 0) * (domain.pages // 1000)
    parts = {
        "its pages in RAM": task.rss_pages or 0,
        "what it has on swap": task.swap_pages or 0,
        "its page tables": task.pgtable_pages or 0,
        f"oom_score_adj {signed(task.oom_score_adj)}": adj,
    }
    largest = max(parts, key=lambda name: parts[name])
    yield (
        "here",
        f"{count(points)} points, of which {largest} {'is' if 'adj' in largest else 'are'} the most: "
        + (", ".join(f"{name} {count(pages)}" for name, pages in parts.items() if pages)),
    )
    killable = [each for each in ranking if each.points is not None]
    place = next((nth for nth, each in enumerate(killable) if each.task.pid == task.pid), 0)
    yield "place", _place(points, place, killable)
    yield (
        "rule",
        (
            "the task with the most points dies; on a tie the one that was created last. Points are pages, so what "
            "counts is size alone, and not age, user or nice. (select_bad_process, oom_badness, mm/oom_kill.c)"
        ),
    )
    yield (
        "frees",
        (
            f"its {pages_size(task.rss_pages)} of RAM, less what others map too; the OOM reaper takes anonymous pages "
            "at once, the rest goes at exit"
        ),
    )
    yield "spared", _spare(points, place, killable, task.oom_score_adj or 0, domain)


def _place(points: int, place: int, killable: Sequence[Verdict]) -> str:
    if place:
        behind = (killable[0].points or 0) - points
        return f"number {place + 1} of {len(killable)}: {pages_size(behind)} behind {_name(killable[0])}"
    if len(killable) == 1:
        return "the first to die: no other process can be chosen"
    ahead = points - (killable[1].points or 0)
    return f"the first to die: {pages_size(ahead)} before {_name(killable[1])}"


def _spare(points: int, place: int, killable: Sequence[Verdict], adj: int, domain: OomDomain) -> str:
    """What oom_score_adj makes it another one's turn, or its own."""
    unit = max(domain.pages // 1000, 1)
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
