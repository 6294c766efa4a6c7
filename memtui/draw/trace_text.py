"""The steps of a simulation as text in strace's own format."""

from memtui.model.step import StepLog


def trace_text(log: StepLog, *, why: bool = False) -> str:
    """One line a step that has run, so that diff against the recorded log is a test.

    Args:
        log: the steps.
        why: put the rule that decided each result behind it, as a comment line.
    """
    lines = []
    for step in log.steps[: log.cursor]:
        lines.append(step.text)
        if why and step.why:
            lines += [f"# {line}" for line in step.why.splitlines()]
    return "".join(line + "\n" for line in lines)
