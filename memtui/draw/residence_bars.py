"""Where the memory of the process and of the machine is: a ledger with bars, process and system side by side."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from memtui.draw.bar import bar
from memtui.draw.fit import crop, field_rows, safe
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.history import History, sparkline
from memtui.draw.ledger import Entry, process_attributes, process_counters, system_ledger
from memtui.draw.reclaim import reclaimable_sentence
from memtui.draw.run import Row, Run
from memtui.draw.sizes import kib, of
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot

_NAME: Final = 12
_FIGURE: Final = 9
_BAR_LEAST: Final = 3
_RANGE: Final = 22
"""Cells for the lowest and the highest figure of a trend."""
TREND: Final = "~ "
"""Before the name of a figure whose trend is drawn."""

MODES: Final[Mapping[int, str]] = {
    0: "heuristic: refuses one request above RAM + swap",
    1: "always: grants every request",
    2: "strict: refuses what goes over the limit",
}
"""vm.overcommit_memory in words (mm/util.c, __vm_enough_memory, 5.1 and later)."""


class _Halves(NamedTuple):
    """How wide the bar of either half is, 0 for none."""

    bar: int

    @classmethod
    def within(cls, width: int) -> "_Halves":
        room = (width - _NAME - 1) // 2 - _FIGURE - 1
        return cls(room if room >= _BAR_LEAST else 0)


def residence_rows(snapshot: Snapshot, width: int, history: History | None = None) -> tuple[Row, ...]:
    """About 16 rows: the ledger, what changed, what could go, swap, the LRU lists, the commit charge.

    First the residences, then the kernel's own, what is free, and the rest that makes the system's column add up to
    MemTotal. A bar of the process is a share of its RSS, one of the system a share of MemTotal.
    """
    halves = _Halves.within(width)
    rows = [_heads(halves), *_ledger(snapshot, halves), _swap(snapshot, halves)]
    return (
        *(crop(row, width) for row in rows),
        *_reclaimable(snapshot, width),
        *_group(snapshot, width),
        *_trends(history, width),
        *_lru(snapshot.system, width),
        *_commit(snapshot.system, width),
        *_attributes(snapshot, width),
        *_reasons(snapshot, width),
    )


def _heads(halves: _Halves) -> list[Run]:
    half = halves.bar + 1 + _FIGURE
    return [Run(f"{'':<{_NAME}}{'process':>{half}} {'system':>{half}}", "title")]


def _ledger(snapshot: Snapshot, halves: _Halves) -> Iterator[list[Run]]:
    counters = process_counters(snapshot.mm)
    total = snapshot.system.meminfo.get("MemTotal")
    rss = counters.vm_rss
    if rss is None and None not in (counters.rss_anon, counters.rss_file, counters.rss_shmem):
        rss = (counters.rss_anon or 0) + (counters.rss_file or 0) + (counters.rss_shmem or 0)
    for entry in system_ledger(snapshot.system, snapshot.mm):
        yield _entry_row(entry, rss, total, halves)
    yield _plain("total", kib(rss), kib(total), halves, role="text.strong")


def _entry_row(entry: Entry, process_whole: int | None, system_whole: int | None, halves: _Halves) -> list[Run]:
    mine = _half(entry.process, entry, process_whole, halves) if entry.has_process else [_blank_half(halves)]
    return [
        Run(f"{entry.name:<{_NAME}}", "key"),
        *mine,
        Run(" ", "text"),
        *_half(entry.system, entry, system_whole, halves),
    ]


def _half(figure: int | None, entry: Entry, whole: int | None, halves: _Halves) -> list[Run]:
    """The bar, then the figure."""
    runs: list[Run] = []
    if halves.bar:
        runs += bar(figure or 0, whole or 0, halves.bar, entry.glyph, entry.role)
    return [*runs, Run(f" {kib(figure):>{_FIGURE}}", "value" if figure else "text.dim")]


def _blank_half(halves: _Halves) -> Run:
    return Run(" " * (halves.bar + 1 + _FIGURE), "text")


def _plain(name: str, process: str, system: str, halves: _Halves, role: str = "value") -> list[Run]:
    half = halves.bar + 1 + _FIGURE
    return [Run(f"{name:<{_NAME}}", "key"), Run(f"{process:>{half}} {system:>{half}}", role)]


def _swap(snapshot: Snapshot, halves: _Halves) -> list[Run]:
    """Out on swap: not part of the total; both bars are shares of all swap."""
    meminfo = snapshot.system.meminfo
    total, free = meminfo.get("SwapTotal"), meminfo.get("SwapFree")
    used = None if total is None or free is None else total - free
    entry = Entry("swapped", "░", "residence.swapped", process_counters(snapshot.mm).vm_swap, used)
    return _entry_row(entry, total, total, halves)


def _reclaimable(snapshot: Snapshot, width: int) -> Iterator[Row]:
    """What of the process reclaim could take."""
    if snapshot.mm is not None:
        swap = snapshot.system.meminfo.get("SwapTotal")
        yield from _field("reclaimable", reclaimable_sentence(snapshot.mm, swap), width)


def _trends(history: History | None, width: int) -> Iterator[Row]:
    """A line of bars for each figure that changed, and the lowest and the highest that it shows."""
    if history is None:
        return
    for name, role, values in history.series():
        cells = max(width - _NAME - 1 - _RANGE, 1)
        shown = values[-cells:]
        low, high = min(shown), max(shown)
        text = f" {kib(low)} to {kib(high)}" if kib(low) != kib(high) else f" {kib(high)}, within {kib(high - low)}"
        yield crop(
            (
                Run(f"{TREND}{name:<{_NAME - len(TREND)}} ", "key"),
                Run(sparkline(shown, cells), role),
                Run(text, "text.dim"),
            ),
            width,
        )


def _lru(system: SystemSnapshot, width: int) -> Iterator[Row]:
    """The lists that the reclaim of mm/vmscan.c walks, and what waits for the disk."""
    meminfo = system.meminfo
    for name in ("Active", "Inactive"):
        anon, file = meminfo.get(f"{name}(anon)"), meminfo.get(f"{name}(file)")
        yield from _field(name.lower(), f"anon {kib(anon)} · file {kib(file)}", width)
    yield from _field(
        "to write", f"dirty {kib(meminfo.get('Dirty'))} · writeback {kib(meminfo.get('Writeback'))}", width
    )


def _group(snapshot: Snapshot, width: int) -> Iterator[Row]:
    """What the memory cgroup has taken that limits the process."""
    if snapshot.group is not None:
        yield _gauge("limit", snapshot.group.usage, snapshot.group.limit, width)
        yield from _field("", f"of cgroup {safe(snapshot.group.name)}, cache included", width, "text.dim")


def _commit(system: SystemSnapshot, width: int) -> Iterator[Row]:
    yield _gauge("commit", system.meminfo.get("Committed_AS"), system.meminfo.get("CommitLimit"), width)
    mode = system.sysctl.get("overcommit_memory")
    words = f"{NOT_MEASURED} not told" if mode is None else f"{mode} · {MODES.get(mode, 'unknown to memtui')}"
    yield from _field("mode", words, width, role="text.dim")


def _gauge(name: str, charge: int | None, limit: int | None, width: int) -> Row:
    """What is charged of a limit, KiB."""
    text = f" {of(charge, limit)} · {kib(charge)} of {kib(limit)}"
    cells = min(max(width - _NAME - len(text), 0), 24)
    runs = [Run(f"{name:<{_NAME}}", "key")]
    if charge is not None and limit is not None and cells >= _BAR_LEAST:
        role = "bar.commit.over" if charge > limit else "bar.commit"
        runs += bar(charge, limit, cells, "━", role, empty="─")
    else:
        text = text[1:]
    return crop((*runs, Run(text, "value")), width)


def _attributes(snapshot: Snapshot, width: int) -> Iterator[Row]:
    """What of the process's memory is dirty, shared, ...: the sums of smaps, where every VMA has its figures."""
    sums = None if snapshot.mm is None else process_attributes(snapshot.mm)
    if sums is not None:
        yield from _field("process", " · ".join(f"{name} {kib(size)}" for name, size in sums.items()), width)


def _reasons(snapshot: Snapshot, width: int) -> Iterator[Row]:
    """Why there are dashes above."""
    reasons = {key: why for key, why in snapshot.system.unknown.items() if key != "release"}
    if snapshot.mm is None:
        reasons["process"] = snapshot.unknown.get("mm", "no process in focus")
    elif any(entry.process is None for entry in system_ledger(snapshot.system, snapshot.mm) if entry.has_process):
        known = snapshot.mm.unknown
        reasons["process"] = known.get("status") or known.get("runs") or "not told"
    for key, why in reasons.items():
        yield from _field(f"{NOT_MEASURED} {key}", why, width, role="text.dim")


def _field(key: str, value: str, width: int, role: str = "value") -> tuple[Row, ...]:
    return field_rows(key, value, width, key_width=_NAME - 1, role=role)
