"""The machine's memory as reclaim sees it: lists, zones, what could be dropped, what was promised, who waits."""

from collections.abc import Iterator, Mapping
from typing import Final

from memtui.draw.bar import bar
from memtui.draw.fit import crop, field_rows
from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.run import Row, Run
from memtui.draw.sizes import count, kib, of, pages_size, plural
from memtui.model import overcommit
from memtui.model.address import PAGE_SIZE
from memtui.model.mm import MmSnapshot
from memtui.model.release import at_least
from memtui.model.snapshot import Snapshot
from memtui.model.system import SystemSnapshot, Zone

_KEY: Final = 11
_BAR, _BAR_NARROW, _NARROW = 16, 6, 70
"""Cells of a bar; of one where there are fewer cells than the last figure."""
_EMPTY: Final = "─"
"""Of a bar: no glyph of a residence."""
_LISTS: Final = (
    ("anon", "Active(anon)", "Inactive(anon)", "residence.anon"),
    ("file", "Active(file)", "Inactive(file)", "residence.page_cache"),
)
_REASON: Final = {
    "zones": "zones",
    "vmstat": "reclaim",
    "swaps": "swap",
    "pressure": "pressure",
}
"""What may be unknown -> under which heading that is said."""


def machine_rows(
    snapshot: Snapshot, width: int, *, before: Mapping[str, int] | None = None, size: int | None = None
) -> tuple[Row, ...]:
    """Everything, a heading each.

    Args:
        snapshot: of the machine.
        width: cells.
        before: the events of the picture before; what came since is told besides.
        size: bytes that somebody may ask for: what each mode of overcommit would answer; None: nobody does.
    """
    system = snapshot.system
    rows = [
        *_heading("lists of pages (LRU)", width),
        *_lists(system, width),
        *_heading("zones: pages free, watermarks", width),
        *_zones(system, width),
        *_heading("reclaim since boot", width),
        *_reclaim(system, width, before or {}),
        *_heading("page cache", width),
        *_cache(system, width),
        *_heading("promises (overcommit)", width),
        *_promises(system, snapshot.mm, width, size),
        *_heading("swap and pressure", width),
        *_swap(system, width),
    ]
    for what, why in system.approximate.items():
        rows += field_rows("approximate", f"{what}: {why}", width, key_width=_KEY, role="text.dim")
    return tuple(rows)


def _heading(text: str, width: int) -> Iterator[Row]:
    yield crop((Run(text, "title"),), width)


def _field(key: str, value: str, width: int, role: str = "value") -> tuple[Row, ...]:
    return field_rows(key, value, width, key_width=_KEY, role=role)


def _unknown(system: SystemSnapshot, key: str, width: int) -> tuple[Row, ...]:
    why = system.unknown.get(key, "not told here")
    return _field(_REASON[key], f"{NOT_MEASURED} {why}", width, "text.dim")


def _lists(system: SystemSnapshot, width: int) -> Iterator[Row]:
    for name, active, inactive, role in _LISTS:
        first, second = system.meminfo.get(active), system.meminfo.get(inactive)
        words = f" active {kib(first)} · inactive {kib(second)}"
        cells = max(min(_bar_cells(width), width - _KEY - 1 - len(words)), 0)
        runs = [Run(f"{name:<{_KEY}} ", "key")]
        if first is not None and second is not None and cells:
            runs += bar(first, first + second, cells, "█", role, empty=_EMPTY)
        yield crop((*runs, Run(words, "value")), width)
    swappiness = system.sysctl.get("swappiness")
    meaning = "" if swappiness is None else f" · swappiness {swappiness}: {_balance(swappiness)}"
    yield from _field("unevictable", f"{kib(system.meminfo.get('Unevictable'))}{meaning}", width)


def _balance(swappiness: int) -> str:
    """What it does (get_scan_count, mm/vmscan.c): anon is scanned with this weight, file with 200 minus it."""
    if swappiness == 0:
        return "anon is left alone while there is page cache"
    return f"anon and file are scanned {swappiness} to {200 - swappiness}, where they cost the same"


def _zones(system: SystemSnapshot, width: int) -> Iterator[Row]:
    if not system.zones:
        yield from _unknown(system, "zones", width)
    for zone in system.zones:
        runs = [
            Run(f"{zone.name:<{_KEY}} ", "key"),
            *bar(zone.managed - zone.free, zone.managed, _bar_cells(width), "█", "bar.kernel", empty=_EMPTY),
            Run(f" {pages_size(zone.free)} free", "value"),
            Run(f" of {pages_size(zone.managed)}", "text.dim"),
        ]
        yield crop(runs, width)
        yield from _field("", _marks(zone), width, "text.dim")
    apart = _apart(system)
    if apart:
        yield from _field("not in them", apart, width, "text.dim")


def _apart(system: SystemSnapshot) -> str:
    """What the zones leave of MemTotal, which is their sum unless a machine's memory comes and goes (a balloon)."""
    total, free = system.meminfo.get("MemTotal"), system.meminfo.get("MemFree")
    managed = sum(zone.managed for zone in system.zones)
    if not managed or total is None or managed == total >> 2:
        return ""
    words = f"{pages_size(managed)} in the zones, MemTotal is {kib(total)}: memory that no zone manages now"
    if managed > total >> 2:
        words = f"{pages_size(managed)} in the zones, MemTotal is only {kib(total)}"
    if free is not None:
        words += f"; MemFree {kib(free)} counts it, the zones have {pages_size(sum(z.free for z in system.zones))} free"
    return f"{pages_size(abs((total >> 2) - managed))}: {words}"


def _bar_cells(width: int) -> int:
    return _BAR if width >= _NARROW else _BAR_NARROW


def _marks(zone: Zone) -> str:
    marks = f"min {pages_size(zone.min)}, low {pages_size(zone.low)}, high {pages_size(zone.high)}"
    if zone.free < zone.min:
        return f"{marks}: below min, who allocates reclaims"
    if zone.free < zone.low:
        return f"{marks}: below low, kswapd works"
    return marks


def _reclaim(system: SystemSnapshot, width: int, before: Mapping[str, int]) -> Iterator[Row]:
    events = system.vmstat
    if not events and "vmstat" in system.unknown:
        yield from _unknown(system, "vmstat", width)
        return
    for who in ("kswapd", "direct"):
        scanned, taken = events.get(f"pgscan_{who}"), events.get(f"pgsteal_{who}")
        text = f"scanned {count(scanned)} · taken {count(taken)} pages ({of(taken, scanned)})"
        yield from _field(who, text + _now(system, who, before), width)
    file, anon = (events.get(f"workingset_refault_{kind}") for kind in ("file", "anon"))
    text = f"{count(file)} file pages, {count(anon)} anon pages came back after they were taken"
    yield from _field("refaults", text + _since(events, before, "workingset_refault_file"), width)
    yield from _field("OOM kills", count(events.get("oom_kill")) + _since(events, before, "oom_kill"), width)


def _now(system: SystemSnapshot, who: str, before: Mapping[str, int]) -> str:
    """What kswapd, or the processes that allocate, do at present."""
    scan, steal = system.rates.get(f"pgscan_{who}"), system.rates.get(f"pgsteal_{who}")
    if scan is None or steal is None:
        return _since(system.vmstat, before, f"pgsteal_{who}")
    return f" · now {scan:,.0f} and {steal:,.0f} a second" if scan or steal else " · now none"


def _since(events: Mapping[str, int], before: Mapping[str, int], name: str) -> str:
    if name not in events or name not in before or events[name] == before[name]:
        return ""
    return f" · +{events[name] - before[name]:,} since the last look"


def _cache(system: SystemSnapshot, width: int) -> Iterator[Row]:
    info = system.meminfo
    parts = (("dirty", "Dirty"), ("writeback", "Writeback"), ("shmem", "Shmem"))
    text = " · ".join(f"{word} {kib(info.get(name))}" for word, name in parts)
    yield from _field("page cache", f"{kib(system.page_cache)} of files · {text}, which has no file", width)
    yield from _field("mapped", _mapped(system), width)
    yield from _field("drop_caches", _droppable(info), width)


def _mapped(system: SystemSnapshot) -> str:
    """Mapped counts the shmem that is mapped too, and no counter tells that apart: hence from, to."""
    cache, shmem, mapped = system.page_cache, system.shmem, system.meminfo.get("Mapped")
    if cache is None or shmem is None or mapped is None:
        return f"{NOT_MEASURED} not told"
    least, most = max(cache - mapped, 0), cache - max(mapped - shmem, 0)
    return f"{kib(mapped)}, some of it shmem · of the files' {_between(least, most)} are not mapped"


def _between(least: int, most: int) -> str:
    return kib(least) if kib(least) == kib(most) else f"{kib(least)} to {kib(most)}"


def _droppable(info: Mapping[str, int]) -> str:
    """What writing 3 would free: an estimate, because only the kernel knows which slab objects are in use.

    Of Mapped some part may be shmem, which is no page cache of a file: hence from, to.
    """
    names = ("Cached", "Buffers", "Shmem", "Mapped", "Dirty", "Writeback", "SReclaimable")
    figures = [info.get(name) for name in names]
    if None in figures[:-1]:
        return f"{NOT_MEASURED} the kernel does not tell all that it takes"
    cached, buffers, shmem, mapped, dirty, writeback = (figure or 0 for figure in figures[:-1])
    cache = cached + buffers - shmem - dirty - writeback
    least, most = max(cache - mapped, 0), max(cache - max(mapped - shmem, 0), 0)
    slab = figures[-1]
    also = "" if slab is None else f", and up to {kib(slab)} of reclaimable slab (2)"
    return f"{_between(least, most)} of clean, unmapped page cache (1){also}; dirty pages stay until sync"


def _promises(system: SystemSnapshot, mm: MmSnapshot | None, width: int, size: int | None) -> Iterator[Row]:
    info, sysctl = system.meminfo, system.sysctl
    yield from _field("promised", f"{kib(info.get('Committed_AS'))}, limit {kib(info.get('CommitLimit'))}", width)
    mode = sysctl.get("overcommit_memory")
    for number, text in ((0, _guess(system)), (1, "any size"), (2, _strict(system, mm))):
        here = " ← the mode here" if number == mode else ""
        yield from _field(f"mode {number}", f"grants now {text}{here}", width, "value" if here else "text.dim")
        if size is not None:
            yield from _field("", _answer(system, mm, number, size), width, "text.strong" if here else "text.dim")


def _answer(system: SystemSnapshot, mm: MmSnapshot | None, mode: int, size: int) -> str:
    """To a request for `size` bytes (__vm_enough_memory, mm/util.c)."""
    pages = -(-size // PAGE_SIZE)
    most = {0: _guess_pages(system), 1: pages, 2: _strict_pages(system, mm)}[mode]
    if most is None:
        return f"{NOT_MEASURED} to {pages_size(pages)}"
    if pages <= most:
        return f"→ {pages_size(pages)}: yes"
    return f"→ {pages_size(pages)}: ENOMEM, {plural(pages - most, 'page')} too many"


def _guess(system: SystemSnapshot) -> str:
    pages = _guess_pages(system)
    if pages is None:
        return f"{NOT_MEASURED} before 5.1 a guess from what was free" if system.totalpages else NOT_MEASURED
    return f"up to {pages_size(pages)} at once: RAM + swap"


def _guess_pages(system: SystemSnapshot) -> int | None:
    """The most that mode 0 grants at once; None: not told, or a kernel before 5.1."""
    return system.totalpages if at_least(system.release, 5, 1) else None


def _strict(system: SystemSnapshot, mm: MmSnapshot | None) -> str:
    left = _strict_pages(system, mm)
    if left is None:
        return NOT_MEASURED
    known = mm is not None and mm.counters.vm_size is not None
    whom = "this process, without CAP_SYS_ADMIN" if known else "a process without CAP_SYS_ADMIN"
    return f"up to {pages_size(left)} more to {whom}"


def _strict_pages(system: SystemSnapshot, mm: MmSnapshot | None) -> int | None:
    """The most that mode 2 grants, with what is promised now; None: not told."""
    limit, promised = system.meminfo.get("CommitLimit"), system.meminfo.get("Committed_AS")
    admin, user = (system.sysctl.get(f"{who}_reserve_kbytes") for who in ("admin", "user"))
    if limit is None or promised is None or admin is None or user is None:
        return None
    size = mm.counters.vm_size if mm is not None else None
    allowed = overcommit.strict_limit(
        limit >> 2,
        privileged=False,
        total_vm=None if size is None else size >> 2,
        admin_reserve_kbytes=admin,
        user_reserve_kbytes=user,
    )
    return max(allowed - (promised >> 2) - 1, 0)


def _swap(system: SystemSnapshot, width: int) -> Iterator[Row]:
    for device in system.swaps:
        text = f"{kib(device.used)} of {kib(device.size)} used · {device.kind}, priority {device.priority}"
        yield from _field("swap", f"{device.name}: {text}", width)
        if device.taken:
            runs = [f"{first:,}" if first == last else f"{first:,} to {last:,}" for first, last in device.taken]
            yield from _field("slots", f"~ taken: {', '.join(runs)}", width)
    cached = system.meminfo.get("SwapCached")
    if system.swaps and cached is not None:
        yield from _field("swap cache", f"{kib(cached)} in memory that still have, or got, a slot", width)
    if not system.swaps:
        total, free = system.meminfo.get("SwapTotal"), system.meminfo.get("SwapFree")
        used = None if total is None or free is None else total - free
        yield from _field("swap", "none" if total == 0 else f"{kib(used)} of {kib(total)} used", width)
    if system.pressure:
        text = ", ".join(f"{kind} {share:.1f} %" for kind, share in system.pressure.items())
        yield from _field("pressure", f"waited for memory in the last 10 s: {text}", width)
    elif "pressure" in system.unknown:
        yield from _unknown(system, "pressure", width)
