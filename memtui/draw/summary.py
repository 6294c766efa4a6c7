"""The few lines of text that --print summary writes."""

from collections import Counter

from memtui.draw.heap_summary import heap_line
from memtui.draw.ledger import process_attributes
from memtui.draw.sizes import human
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.oom import victim_of
from memtui.model.pages import Residence
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog
from memtui.model.vma import Vma

_RANKED = 20
_LARGEST = 10


def snapshot_summary(snapshot: Snapshot) -> str:
    """Where the memory of the process in focus is, and how far a simulation has come."""
    lines = [f"{snapshot.title} · linux {snapshot.system.release}"]
    if snapshot.steps is not None:
        lines += _steps(snapshot.steps)
    if snapshot.mm is None:
        lines.append(f"no address space: {snapshot.unknown.get('mm', 'no process yet')}")
    else:
        lines += _process(snapshot.mm)
    return "\n".join(lines) + "\n"


def oom_summary(snapshot: Snapshot) -> str:
    """The ranking as a table, whoever dies first on top."""
    domain, totalpages = snapshot.domain, snapshot.system.totalpages
    if domain is None or totalpages is None:
        return f"no ranking: {_why_no_ranking(snapshot)}\n"
    verdicts = snapshot.ranking
    killable = [verdict for verdict in verdicts if verdict.points is not None]
    lines = [
        f"{domain.name or 'machine'}: {human(domain.pages * PAGE_SIZE)} ({domain.why})",
        f"{'#':>3} {'pid':>7} {'score':>5} {'points':>10} {'rss':>10} {'swap':>10} {'pgtable':>9} {'adj':>5}  name",
    ]
    for place, verdict in enumerate(killable[:_RANKED], 1):
        task = verdict.task
        sizes = [_pages(task.rss_pages), _pages(task.swap_pages), _pages(task.pgtable_pages)]
        lines.append(
            f"{place:>3} {task.pid:>7} {verdict.oom_score:>5} {verdict.points:>10} "
            f"{sizes[0]:>10} {sizes[1]:>10} {sizes[2]:>9} {task.oom_score_adj:>5}  {task.comm}"
        )
    dies = victim_of(verdicts, snapshot.system.oom_rule)
    if dies is not None and dies is not killable[0]:
        lines.append(f"the child {dies.task.pid} {dies.task.comm} dies in its parent's place")
    if len(killable) > _RANKED:
        lines.append(f"... and {len(killable) - _RANKED} more")
    reasons = Counter(
        ("unknown" if verdict.oom_score is None else "never killed", verdict.why_not)
        for verdict in verdicts
        if verdict.why_not is not None
    )
    if "tasks" in snapshot.unknown:
        lines.append(f"unknown: tasks: {snapshot.unknown['tasks']}")
    lines += [f"{what}: {count} ({reason})" for (what, reason), count in reasons.most_common()]
    return "\n".join(lines) + "\n"


def _why_no_ranking(snapshot: Snapshot) -> str:
    reasons = {**snapshot.system.unknown, **snapshot.unknown}
    known = (reasons[key] for key in ("domain", "oom", "meminfo") if key in reasons)
    return next(known, "the size of RAM and swap is unknown")


def _steps(log: StepLog) -> list[str]:
    lines = [f"step {log.cursor} of {len(log.steps)}{'' if log.complete else '+'}"]
    lines.append(f"differences from the recorded results: {log.divergences}")
    lines.append(f"calls without effect: {log.without_effect}")
    folded: dict[str, list[int]] = {}
    for step in log.steps:
        for event in step.events:
            folded.setdefault(f"{event.kind}: {event.text}", []).append(step.number)
    for text, numbers in folded.items():
        times = f" ({len(numbers)} times)" if len(numbers) > 1 else ""
        lines.append(f"step {numbers[0]}: {text}{times}")
    return lines


def _process(mm: MmSnapshot) -> list[str]:
    pages = residence_pages(mm)
    lines = [f"{len(mm.vmas)} VMAs, VmSize {_kib(mm.counters.vm_size)}, VmRSS {_kib(mm.counters.vm_rss)}"]
    lines += [
        f"{residence.value:>11} {human(count * PAGE_SIZE):>10}  {count} pages"
        for residence, count in pages.items()
        if count
    ]
    attributes = process_attributes(mm)
    if attributes is not None:
        lines.append("of it " + ", ".join(f"{name} {human(size << 10)}" for name, size in attributes.items()))
    if mm.heap is not None:
        lines.append(heap_line(mm.heap))
    lines += [f"unknown: {what}: {why}" for what, why in mm.unknown.items() if what != "brk"]
    lines.append("largest by resident pages:")
    largest = sorted(mm.vmas, key=_resident, reverse=True)[:_LARGEST]
    lines += [
        f"{human(_resident(vma) * PAGE_SIZE):>11} of {human(vma.size):>10}  {vma.start:012x} {vma.perms} "
        f"{_printable(vma.name) or 'anon'}"
        for vma in largest
        if _resident(vma)
    ]
    return lines


def residence_pages(mm: MmSnapshot) -> dict[Residence, int]:
    """Pages of the address space by residence; those of VMAs that were not measured are not counted."""
    pages = dict.fromkeys(Residence, 0)
    for vma in mm.vmas:
        for run in vma.runs or ():
            pages[run.residence] += run.pages
    return pages


def _resident(vma: Vma) -> int:
    in_memory = (Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM)
    return sum(run.pages for run in vma.runs or () if run.residence in in_memory)


def _pages(count: int | None) -> str:
    return human(None if count is None else count * PAGE_SIZE)


def _kib(size: int | None) -> str:
    return human(None if size is None else size * 1024)


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
