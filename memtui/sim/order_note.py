"""What a step says of the order of calls that overlap in a log."""

from memtui.sim.kernel.mman import CLONE_THREAD
from memtui.sim.overlap import ON_THE_MAP, depend
from memtui.sim.process import Process
from memtui.sim.process_calls import clone_flags
from memtui.sim.world import World
from memtui.trace.line import Call, Statement

FOUND = (
    "the log leaves open which of the overlapping calls took effect first: "
    "only if this one did before the next do all their results agree"
)


def order_note(world: World, process: Process, statement: Statement) -> str:
    """What the log leaves open about the order of a call that has just run, in a sentence; "" if it is certain."""
    if statement.ahead:
        return FOUND
    call = statement.what
    if not isinstance(call, Call) or call.name not in ON_THE_MAP or (call.result and call.result.value is not None):
        return ""
    for rival in world.overlaps.rivals(statement):
        if (
            isinstance(rival.what, Call)
            and depend(call, rival.what)
            and _group(world, rival, statement.line) == process.task.tgid
        ):
            return (
                f"the log leaves open whether this or the {rival.what.name} of {rival.pid} took effect first, "
                "and tells no results: the one that ended first did"
            )
    return ""


def _group(world: World, statement: Statement, line: int) -> int | None:
    """The thread group of a statement's task, which may have ended, or be made only behind `line`."""
    process = world.processes.get(statement.pid or 0)
    if process is not None:
        return process.task.tgid
    birth = world.births.still_to_come(statement._replace(line=line))
    if birth is None or not isinstance(birth.what, Call):
        return None
    parent = world.processes.get(birth.pid or 0)
    threads = clone_flags(world, birth.what) & CLONE_THREAD
    return parent.task.tgid if parent is not None and threads else None
