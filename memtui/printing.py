"""`--print`: a snapshot as text on stdout; nothing of the screen is imported."""

import sys
from typing import TYPE_CHECKING, Final

import click

from memtui.model.errors import NotSupported, SourceError
from memtui.model.request import Back, Measure, Request, Seek, ShowHeap, ShowSharing
from memtui.sources import ENDING, elf_of

if TYPE_CHECKING:
    from memtui.model.elf_objects import ObjectMap
    from memtui.model.snapshot import Snapshot
    from memtui.model.source import Source

LAST_STEPS: Final = 8
"""Steps from the end of a log within which its program ends."""


def print_text(source: "Source", what: str, first: Request, *, ranking: bool, why: bool) -> None:
    """Print what a source shows after its first request.

    Args:
        source: what is looked at.
        what: maps, smaps, trace, summary or json.
        first: the request.
        ranking: it is about who dies first, not about a process.
        why: with the rule that decided each result of a trace.

    Raises:
        MemtuiError: it cannot be had.
    """
    snapshot = source.apply(first)
    if what in {"smaps", "json"} and not ranking and Measure in source.accepts:
        snapshot = source.apply(Measure())
    if what == "json" and not ranking and ShowSharing in source.accepts:
        snapshot = source.apply(ShowSharing())
    if what in {"maps", "smaps"} and first == Seek(ENDING):
        snapshot = _last_map(source, snapshot)
    if what in {"json", "summary"} and not ranking:
        snapshot = _with_heap(source, snapshot)
    objects = _objects(source, snapshot) if what == "json" and not ranking else None
    write(_text(snapshot, what, ranking=ranking, why=why, objects=objects))


def _last_map(source: "Source", snapshot: "Snapshot") -> "Snapshot":
    """The last picture that has an address space: a log ends with the end of its program."""
    ended, steps = snapshot.mm is None, LAST_STEPS
    while snapshot.mm is None and steps:
        snapshot, steps = source.apply(Back()), steps - 1
    if ended and snapshot.mm is not None and snapshot.steps is not None:
        click.echo(f"memtui: the program has ended: this is the map at step {snapshot.steps.cursor}", err=True)
    return snapshot


def _with_heap(source: "Source", snapshot: "Snapshot") -> "Snapshot":
    """The same with the heap, which a terminal is told the progress of."""
    if ShowHeap not in source.accepts or snapshot.mm is None:
        return snapshot
    shown = False
    while (snapshot := source.apply(ShowHeap())).mm is not None:
        heap = snapshot.mm.heap
        if heap is None or heap.progress is None:
            break
        if sys.stderr.isatty():
            click.echo(f"\rreading the heap: {heap.progress * 100:3.0f} %", nl=False, err=True)
            shown = True
    if shown:
        click.echo("\r" + " " * 30 + "\r", nl=False, err=True)
    return snapshot


def _objects(source: "Source", snapshot: "Snapshot") -> "ObjectMap | None":
    """The ELF files that are mapped; None: this source has none."""
    elf = elf_of(source)
    return None if elf is None or snapshot.mm is None else elf.objects(snapshot.mm)


def _text(snapshot: "Snapshot", what: str, *, ranking: bool, why: bool, objects: "ObjectMap | None" = None) -> str:
    match what:
        case "json":
            from memtui.draw.json_document import dump, oom_document, snapshot_document

            return dump(oom_document(snapshot) if ranking else snapshot_document(snapshot, objects))
        case "trace":
            from memtui.draw.trace_text import trace_text

            assert snapshot.steps is not None
            return trace_text(snapshot.steps, why=why)
        case "summary":
            from memtui.draw.summary import oom_summary, snapshot_summary

            return oom_summary(snapshot) if ranking else snapshot_summary(snapshot)
    if snapshot.mm is None:
        raise NotSupported(snapshot.unknown.get("mm", "there is no address space here"))
    if "vmas" in snapshot.mm.unknown:
        click.echo(f"memtui: the map is not whole: {snapshot.mm.unknown['vmas']}", err=True)
    if what == "smaps":
        from memtui.draw.smaps_text import smaps_text

        return smaps_text(snapshot.mm.vmas)
    from memtui.draw.maps_text import maps_text

    return maps_text(snapshot.mm.vmas)


def write(text: str) -> None:
    """To stdout, with bytes that are no UTF-8 as the kernel gave them."""
    if sys.stdout is None:
        raise SourceError("stdout is closed: there is nowhere to print to")
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
