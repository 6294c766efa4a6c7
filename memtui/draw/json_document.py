"""The JSON that --print json writes: documented in the README, versioned by "schema".

Addresses are hex strings, sizes KiB unless the name says pages or bytes. null is unknown, and the nearest "unknown"
object says why. Path bytes that are not UTF-8 are lone surrogates, as Python's surrogateescape makes them.
"""

import json
from typing import TYPE_CHECKING, Any

from memtui.draw.elf_document import elf_document, vma_elf
from memtui.draw.heap_document import heap_document
from memtui.model.elf_objects import ObjectMap
from memtui.model.file_cache import FileCache
from memtui.model.mm import COUNTER_NAMES, MmSnapshot
from memtui.model.oom import Verdict
from memtui.model.pages import PageRun
from memtui.model.sharing import Sharing
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from memtui.model.vma import SMAPS_NAMES, Vma

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1

Document = dict[str, Any]


def snapshot_document(snapshot: Snapshot, objects: ObjectMap | None = None) -> Document:
    """`attach --print json` and `sim --print json`: process, system, vmas, and the steps of a simulation.

    Args:
        snapshot: the picture.
        objects: the ELF files that it has mapped; None: they are left out.
    """
    document: Document = {
        "schema": SCHEMA,
        "source": snapshot.source,
        "title": snapshot.title,
        "process": None if snapshot.mm is None else _process(snapshot.mm),
        "system": _system(snapshot.system),
        "cgroup": None if snapshot.group is None else snapshot.group._asdict(),
        "files": None if snapshot.mm is None else [_file(file) for file in snapshot.mm.files],
        "sharing": None if snapshot.sharing is None else _sharing(snapshot.sharing),
        "heap": None if snapshot.mm is None or snapshot.mm.heap is None else heap_document(snapshot.mm.heap),
        "vmas": None
        if snapshot.mm is None
        else [_vma(vma, snapshot.mm.labels.get(vma.start)) for vma in snapshot.mm.vmas],
        "stale": snapshot.stale,
        "unknown": dict(snapshot.unknown),
    }
    if objects is not None and snapshot.mm is not None:
        document["elf"] = elf_document(objects)
        for vma, row in zip(snapshot.mm.vmas, document["vmas"], strict=True):
            row["elf"] = vma_elf(vma, objects)
    if snapshot.steps is not None:
        document["steps"] = _steps(snapshot.steps)
    return document


def oom_document(snapshot: Snapshot) -> Document:
    """`oom --print json`: the tasks in the order in which the kernel would kill them."""
    domain = snapshot.domain
    return {
        "schema": SCHEMA,
        "source": snapshot.source,
        "domain": None if domain is None else {"cgroup": domain.name, "pages": domain.pages, "why": domain.why},
        "totalpages": snapshot.system.totalpages,
        "tasks": [_verdict(verdict) for verdict in snapshot.ranking],
        "unknown": dict(snapshot.unknown),
    }


def dump(document: Document) -> str:
    """The document as text, indented by one."""
    return json.dumps(document, indent=1) + "\n"


def _process(mm: MmSnapshot) -> Document:
    return {
        "pid": mm.pid,
        "comm": mm.comm,
        "exe": mm.exe,
        "cmdline": list(mm.cmdline),
        "start_brk": _hex(mm.start_brk),
        "brk": _hex(mm.brk),
        "start_stack": _hex(mm.start_stack),
        "counters": {name: getattr(mm.counters, field) for name, field in COUNTER_NAMES.items()},
        "unknown": dict(mm.unknown),
    }


def _system(system: SystemSnapshot) -> Document:
    return {
        "release": system.release,
        "meminfo": dict(system.meminfo),
        "zones": [zone._asdict() for zone in system.zones],
        "vmstat": dict(system.vmstat),
        "swaps": [device._asdict() for device in system.swaps],
        "pressure": dict(system.pressure),
        "sysctl": dict(system.sysctl),
        "unknown": dict(system.unknown),
    }


def _file(file: FileCache) -> Document:
    pages = {name: getattr(file, name) for name in ("size", "cached", "dirty", "writeback", "evicted")}
    return {"path": file.path, "start": _hex(file.start), "pages": pages, "why": file.why}


def _sharing(sharing: Sharing) -> Document:
    return {
        "segments": [
            segment._asdict() | {"kind": segment.kind.value, "orphaned": segment.orphaned}
            for segment in sharing.segments
        ],
        "mounts": [mount._asdict() for mount in sharing.mounts],
        "unknown": dict(sharing.unknown),
    }


def _vma(vma: Vma, label: str | None) -> Document:
    return {
        "start": _hex(vma.start),
        "end": _hex(vma.end),
        "perms": vma.perms,
        "offset": vma.offset,
        "dev": f"{vma.dev[0]:02x}:{vma.dev[1]:02x}",
        "inode": vma.inode,
        "path": vma.name,
        "kind": vma.kind.value,
        "label": label,
        "vm_flags": None if vma.vm_flags is None else list(vma.vm_flags),
        "smaps": None
        if vma.smaps is None
        else {name: getattr(vma.smaps, field) for name, field in SMAPS_NAMES.items()},
        "runs": None if vma.runs is None else [_run(run) for run in vma.runs],
    }


def _run(run: PageRun) -> Document:
    measured: Mapping[str, Any] = run._asdict()
    facts = {name: value for name, value in measured.items() if value is not None}
    return facts | {"start": _hex(run.start), "residence": run.residence.value}


def _steps(log: StepLog) -> Document:
    return {
        "cursor": log.cursor,
        "divergences": log.divergences,
        "without_effect": log.without_effect,
        "list": [_step(step) for step in log.steps],
    }


def _step(step: StepRecord) -> Document:
    return step._asdict() | {
        "calls": list(step.calls),
        "events": [event._asdict() | {"kind": event.kind.value} for event in step.events],
    }


def _verdict(verdict: Verdict) -> Document:
    task = verdict.task
    return {
        "pid": task.pid,
        "comm": task.comm,
        "uid": task.uid,
        "oom_score": verdict.oom_score,
        "kernel_oom_score": task.kernel_oom_score,
        "points": verdict.points,
        "oom_score_adj": task.oom_score_adj,
        "rss_pages": task.rss_pages,
        "swap_pages": task.swap_pages,
        "pgtable_pages": task.pgtable_pages,
        "never_killed": verdict.why_not,
    }


def _hex(address: int | None) -> str | None:
    return None if address is None else f"{address:#x}"
