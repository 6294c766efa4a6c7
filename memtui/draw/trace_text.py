"""The steps of a simulation as text in strace's own format."""

from memtui.model.event import Event, EventKind
from memtui.model.step import StepLog


def trace_text(log: StepLog, *, why: bool = False) -> str:
    """One line a step that has run, so that diff against the recorded log is a test.

    Args:
        log: the steps.
        why: put the rule that decided each result behind it, and what happened besides, as comment lines.
    """
    lines = []
    for step in log.steps[: log.cursor]:
        lines.append(step.text)
        if why and step.why:
            lines += [f"# {line}" for line in step.why.splitlines()]
        if why:
            lines += [f"# {event.text}" for event in step.events if event.text not in step.why and _is_news(event)]
    return "".join(line + "\n" for line in lines)


def _is_news(event: Event) -> bool:
    """Whether the rule does not tell of it already."""
    return event.kind in (EventKind.NOTE, EventKind.OOM_KILL)
