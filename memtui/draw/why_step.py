"""The why of a step: the rule that decided it, what it asked the kernel for, and where its result lies now."""

import re
from collections.abc import Iterator
from typing import Final

from memtui.draw.answer import Answer
from memtui.draw.fit import safe
from memtui.draw.labels import vma_label
from memtui.draw.step_list import event_text
from memtui.model.event import EventKind
from memtui.model.mm import MmSnapshot
from memtui.model.step import StepLog, StepRecord

_RESULT: Final = re.compile(r"= (0x[0-9a-f]{5,})\b")
_EVENTS: Final = {
    EventKind.FAILURE: "failed",
    EventKind.SIGNAL: "signal",
    EventKind.OOM_KILL: "killed",
    EventKind.DIVERGENCE: "differs",
    EventKind.NO_EFFECT: "ignored",
    EventKind.NOTE: "note",
}


def step_answer(log: StepLog, number: int, mm: MmSnapshot | None) -> Answer | None:
    """Why step `number` did what it did; None: there is no such step.

    Args:
        log: all steps.
        number: from 1.
        mm: the address space as it is now: where the result of the step lies.
    """
    if not 0 < number <= len(log.steps):
        return None
    step = log.steps[number - 1]
    return Answer(f"step {number} of {len(log.steps)}", tuple(_fields(step, log, mm)))


def _fields(step: StepRecord, log: StepLog, mm: MmSnapshot | None) -> Iterator[tuple[str, str]]:
    yield "call", safe(step.told)
    if step.number > log.cursor:
        yield "why", "it has not run yet: Enter runs all steps up to it, n the next one"
    elif step.why:
        yield "rule", step.why
    else:
        yield "rule", "none had to decide: it succeeded as asked"
    if step.made:
        yield "made", "by the model itself (the dynamic linker, the allocator), not by a line of the trace"
    for event in step.events:
        yield _EVENTS[event.kind], event_text(event)
    for nth, call in enumerate(step.calls):
        yield ("asked" if nth == 0 else ""), safe(call)
    found = _RESULT.search(step.text)
    if found is not None and mm is not None and step.number <= log.cursor:
        yield "result", _where(int(found[1], 16), mm)
    if step.narration:
        yield "story", " ".join(step.narration.split())


def _where(address: int, mm: MmSnapshot) -> str:
    vma = next((vma for vma in mm.vmas if vma.start <= address < vma.end), None)
    if vma is None:
        return f"{address:x} is mapped no more, or is the end of a mapping"
    return f"{address:x} lies in {vma_label(vma)} {vma.start:x}-{vma.end:x} {vma.perms} now"
