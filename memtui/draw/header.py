"""The line on top of the screen."""

from memtui.draw.fit import crop, row_width, safe, shorten
from memtui.draw.run import Row, Run
from memtui.draw.sizes import kib, of
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog


def header_row(snapshot: Snapshot, width: int, *, status: str = "") -> Row:
    """What is looked at, and how current it is, just `width` cells wide.

    Args:
        snapshot: the picture.
        width: cells.
        status: what only the screen knows: "every 1.0 s", "paused".
    """
    left = [
        Run(" memtui ", "header.name"),
        Run(f" {safe(snapshot.source)} ", "header.source"),
        Run(f" {safe(snapshot.title)} ", "header.title"),
    ]
    if snapshot.stale is not None:
        left.append(Run(f" stale: {safe(snapshot.stale)} ", "header.stale"))
    right = _progress(snapshot.steps) if snapshot.steps is not None else ""
    room = width - row_width(left) - len(right)
    facts = ""
    for fact in _facts(snapshot, status):
        if len(facts) + len(fact) + 3 > room:
            break
        facts += f"· {fact} "
    room -= len(facts)
    if room < 0:
        right = shorten(right, len(right) + room) if len(right) + room > 4 else ""
        room = width - row_width(left) - len(facts) - len(right)
    return crop((*left, Run(facts + " " * room + right, "header")), width)


def _facts(snapshot: Snapshot, status: str) -> list[str]:
    facts = [safe(status)] if status else []
    if snapshot.group is not None:
        group = snapshot.group
        facts.append(f"cgroup {of(group.usage, group.limit)} of {kib(group.limit)}")
    facts.append(f"linux {safe(snapshot.system.release)}")
    if snapshot.cost_ms is not None:
        facts.append(f"tick {snapshot.cost_ms:.1f} ms" if snapshot.cost_ms < 10 else f"tick {snapshot.cost_ms:.0f} ms")
    return facts


def _progress(log: StepLog) -> str:
    """Such as "12/48 a large malloc", a + behind the total while the model may still add steps."""
    chapter = next((step.chapter for step in reversed(log.steps[: log.cursor]) if step.chapter), "")
    total = f"{log.cursor}/{len(log.steps)}{'' if log.complete else '+'}"
    return f" {total} {safe(chapter)} " if chapter else f" {total} "
