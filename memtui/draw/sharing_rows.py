"""Shared memory of the machine: the file systems that live in memory, and every segment with who uses it."""

from collections.abc import Iterator, Sequence
from typing import Final

from memtui.draw.bar import bar
from memtui.draw.fit import crop, field_rows, safe, shorten, spread
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, human, plural
from memtui.model.sharing import Segment, SegmentKind, Sharing, TmpfsMount

_COLUMN: Final = 9
_BAR: Final = 10
_WIDE: Final = 66
"""Cells from which there is room for all figures."""
_KEY: Final = 11
_KINDS: Final = {SegmentKind.SYSV: "SysV", SegmentKind.POSIX: "file", SegmentKind.MEMFD: "memfd"}
_HEADS: Final = ("size", "in RAM", "swapped", "used by")
Shared = Segment | TmpfsMount | None
"""What a row tells of; None: of nothing that has an owner."""


def sharing_rows(sharing: Sharing, width: int) -> tuple[tuple[Row, Shared], ...]:
    """Mounts first, then the segments: those that nobody uses, which stay until they are removed, on top.

    Beside each row stands what it tells of.
    """
    return tuple((crop((Run(" ", "text"), *row), width), shared) for row, shared in _rows(sharing, max(width - 1, 1)))


def _rows(sharing: Sharing, width: int) -> Iterator[tuple[Row, Shared]]:
    orphans = [segment for segment in sharing.segments if segment.orphaned]
    yield (Run("file systems in memory", "title"),), None
    for mount in sharing.mounts:
        yield _mount(mount, width), mount
    yield (Run(f"shared memory segments: {len(sharing.segments):,}", "title"),), None
    if orphans:
        held = sum((segment.resident or 0) + (segment.swapped or 0) for segment in orphans)
        text = f"{plural(len(orphans), 'segment')} that nobody uses: {human(held)} until removed (ipcrm, rm)"
        yield (Run(f"! {text}", "error"),), orphans[0]
    if sharing.segments:
        yield _heads(width), None
    for segment in sharing.segments:
        for row in _segment(segment, width):
            yield row, segment
    for what, why in sharing.unknown.items():
        for row in field_rows(f"{NOT_MEASURED} {what}", why, width, key_width=_KEY, role="text.dim"):
            yield row, None


def _mount(mount: TmpfsMount, width: int) -> Row:
    wide = width >= _WIDE
    room = width - 21 - (_BAR + 24 if wide else 0)
    runs = [Run(f"{shorten(safe(mount.point), room):<{room}} ", "map.label")]
    if mount.why and mount.used is None:
        return crop((*runs, Run(f"{NOT_MEASURED} {mount.why}", "text.dim")), width)
    if wide and mount.used is not None and mount.size:
        runs += bar(mount.used, mount.size, _BAR, "▒", "residence.shmem", empty="·")
    limit = "no limit" if mount.size is None else f"of {human(mount.size)}"
    runs += [Run(f" {human(mount.used):>7}", "value"), Run(f" {limit}", "text.dim")]
    if wide:
        files = "" if mount.files is None else f" · {plural(mount.files, 'inode')}"
        runs.append(Run(f"{files} · {mount.fs_type}", "text.dim"))
    return crop(runs, width)


def _cells(figures: Sequence[str], width: int) -> str:
    """Where room is short, what is in memory and who uses it."""
    shown = figures if width >= _WIDE else (figures[1], figures[3])
    return "".join(f"{figure:>{_COLUMN}}" for figure in shown)


def _heads(width: int) -> Row:
    return spread((Run("  kind  name", "oom.head"),), (Run(_cells(_HEADS, width), "oom.head"),), width)


def _segment(segment: Segment, width: int) -> Iterator[Row]:
    orphaned = bool(segment.orphaned)
    used = NOT_MEASURED if segment.attached is None else "nobody" if orphaned else count(segment.attached)
    figures = _cells((human(segment.size), human(segment.resident), human(segment.swapped), used), width)
    room = max(width - len(figures) - 9, 8)
    notes = [f"uid {segment.uid}"] if segment.uid is not None else []
    if segment.removed:
        notes.append("removed")
    name = safe(segment.name)
    if notes and len(name) + len(", ".join(notes)) + 3 <= room:
        name = f"{name} ({', '.join(notes)})"
    role = "error" if orphaned else "map.label"
    left = (Run(f"{'!' if orphaned else ' '} {_KINDS[segment.kind]:<5} ", role), Run(shorten(name, room), role))
    yield spread(left, (Run(figures, "value"),), width)
    if width < _WIDE and segment.swapped:
        yield crop((Run(f"        {human(segment.swapped)} of {human(segment.size)} on swap", "text.dim"),), width)
    if segment.why:
        yield crop((Run(f"        {NOT_MEASURED} {segment.why}", "text.dim"),), width)
