"""Everything that is known of one VMA, of one page in it, or of a hole."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from memtui.draw.cells import runs_within
from memtui.draw.elf_rows import elf_facts
from memtui.draw.fit import crop, field_rows
from memtui.draw.glyphs import GLYPHS, NAMES, NOT_MEASURED, residence_role
from memtui.draw.labels import vma_label
from memtui.draw.run import Row, Run
from memtui.draw.search import is_writable_code
from memtui.draw.sizes import count, human, kib, plural
from memtui.draw.vm_flags import VM_FLAGS
from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, Range, page_down
from memtui.model.elf_knowledge import NOTHING_KNOWN, ElfKnowledge
from memtui.model.pages import Examined, PageRun, Residence
from memtui.model.vma import SMAPS_NAMES, Vma, VmaKind

NOTHING_UNKNOWN: Final[Mapping[str, str]] = MappingProxyType({})

_KEY: Final = 8
_USERS: Final = 8
"""Processes that are named."""
_NOT_KIB: Final = frozenset({"THPeligible", "ProtectionKey"})

KINDS: Final[Mapping[VmaKind, str]] = {
    VmaKind.HEAP: "heap: memory that brk gave",
    VmaKind.STACK: "stack of the first thread",
    VmaKind.ANON: "private anonymous memory: no file behind it",
    VmaKind.FILE: "a mapped file",
    VmaKind.SHMEM: "a file on tmpfs: shared memory",
    VmaKind.SHARED_ANON: "shared anonymous memory: shmem without a name",
    VmaKind.SYSV: "a System V shared memory segment",
    VmaKind.MEMFD: "a memfd: shmem without a name in the file system",
    VmaKind.HUGETLB: "huge pages of hugetlbfs",
    VmaKind.DEVICE: "memory of a device",
    VmaKind.SPECIAL: "put there by the kernel",
}
"""What each kind is, in words."""

_ATTRIBUTES: Final = {
    "dirty": ("dirty", "clean"),
    "shared": ("shared", "not shared"),
    "huge": ("huge", ""),
    "locked": ("locked", ""),
    "active": ("active", "inactive"),
    "referenced": ("referenced", ""),
}


def vma_rows(
    vma: Vma,
    width: int,
    *,
    address: int | None = None,
    unknown: Mapping[str, str] = NOTHING_UNKNOWN,
    elf: ElfKnowledge = NOTHING_KNOWN,
    examined: Examined | None = None,
    users: Sequence[str] = (),
) -> tuple[Row, ...]:
    """The VMA under the cursor.

    Args:
        vma: which.
        width: cells.
        address: the cursor, a byte inside; its page comes first.
        unknown: MmSnapshot.unknown, which tells why figures are missing.
        elf: what is known of the ELF files that are mapped.
        examined: pages that were looked at one by one.
        users: the processes that map the same file or segment, if that is known.
    """
    rows: list[Row] = [crop((Run(vma_label(vma), "title"),), width)]
    if address is not None:
        rows += _field("page", _page(vma, address, examined), width)
    for key, value in (*elf_facts(vma, address, elf), *_facts(vma)):
        rows += _field(key, value, width)
    if users:
        more = f", and {len(users) - _USERS:,} more" if len(users) > _USERS else ""
        rows += _field("users", f"{len(users):,} map it: {', '.join(users[:_USERS])}{more}", width)
    rows += _residences(vma, width, unknown)
    rows += _looked_at(vma, examined, width)
    rows += _flags(vma, width, unknown)
    rows += _smaps(vma, width, unknown)
    return tuple(rows)


def hole_rows(hole: Range, width: int) -> tuple[Row, ...]:
    """A hole under the cursor."""
    return (
        crop((Run("hole", "title"),), width),
        *_field("range", f"{hole.start:x}-{hole.end:x}", width),
        *_field("size", f"{human(hole.size)} · {plural(hole.pages, 'page')}", width),
        *_field("means", "no VMA: an access is SIGSEGV, unless a stack just above grows into it", width),
    )


def _field(key: str, value: str, width: int, role: str = "value") -> tuple[Row, ...]:
    return field_rows(key, value, width, key_width=_KEY, role=role)


def _facts(vma: Vma) -> Iterator[tuple[str, str]]:
    yield "range", f"{vma.start:x}-{vma.end:x}"
    yield "size", f"{human(vma.size)} · {plural(vma.pages, 'page')}"
    yield "kind", KINDS[vma.kind]
    warning = " · ! W+X: what is written can be run" if is_writable_code(vma) else ""
    yield "perms", f"{vma.perms} · {permissions(vma.perms)}{warning}"
    if vma.inode or vma.dev != (0, 0):
        yield "offset", f"{vma.offset:#x} · {human(vma.offset)} into the file"
        yield "file", f"{vma.dev[0]:02x}:{vma.dev[1]:02x} inode {vma.inode}"
    if vma.name.startswith("/"):
        yield "path", vma.name


def permissions(perms: str) -> str:
    """The four letters of maps spelled out: "rw-p" is "read, write, private (copied on write)"."""
    words = [word for letter, word in (("r", "read"), ("w", "write"), ("x", "execute")) if letter in perms]
    sharing = "shared" if perms.endswith("s") else "private (copied on write)"
    return ", ".join([*(words or ["no access"]), sharing])


def _page(vma: Vma, address: int, examined: Examined | None) -> str:
    """The page under the cursor: its address, what it is, and where in the file it comes from."""
    page = page_down(address)
    close = examined is not None and examined.start <= page < examined.end
    words = [f"{page:x}", _state(examined.runs if close and examined is not None else vma.runs, page)]
    if vma.inode:
        words.append(f"file offset {vma.offset + page - vma.start:#x}")
    return " · ".join(words)


def _state(runs: Sequence[PageRun] | None, page: int) -> str:
    if runs is None:
        return NOT_MEASURED
    run = next(iter(runs_within(runs, page, page + PAGE_SIZE)), None)
    return NAMES[Residence.ABSENT] if run is None else ", ".join([NAMES[run.residence], *_attributes(run)])


def _attributes(run: PageRun) -> Iterator[str]:
    for name, (yes, no) in _ATTRIBUTES.items():
        value = getattr(run, name)
        if value is not None and (yes if value else no):
            yield yes if value else no


def residence_counts(vma: Vma) -> dict[Residence, int] | None:
    """Pages of the VMA by residence, absent ones too; None: not measured. O(runs)."""
    if vma.runs is None:
        return None
    pages = dict.fromkeys(Residence, 0)
    for run in vma.runs:
        pages[run.residence] += run.pages
    pages[Residence.ABSENT] += vma.pages - sum(pages.values())
    return pages


def _residences(vma: Vma, width: int, unknown: Mapping[str, str]) -> Iterator[Row]:
    counts = residence_counts(vma)
    if counts is None:
        yield from _field("pages", _why(unknown, "runs"), width, "text.dim")
        return
    key = "pages"
    for residence, glyph in GLYPHS.items():
        if pages := counts[residence]:
            size = human(pages << PAGE_SHIFT)
            runs = (
                Run(f"{key:<{_KEY}} ", "key"),
                Run(f"{glyph} ", residence_role(residence)),
                Run(f"{NAMES[residence]:<10}", "text"),
                Run(f"{count(pages):>10} ", "value"),
                Run(f"{size:>9}", "text.dim"),
            )
            yield crop(runs, width)
            key = ""


def _looked_at(vma: Vma, examined: Examined | None, width: int) -> Iterator[Row]:
    """How many of the pages that were looked at one by one are dirty, shared, ..."""
    if examined is None or not vma.start <= examined.start < vma.end:
        return
    parts = []
    for name in ("dirty", "shared", "locked", "active", "referenced"):
        known = [run for run in examined.runs if getattr(run, name) is not None]
        if known:
            parts.append(f"{name} {sum(run.pages for run in known if getattr(run, name)):,}")
    pages = sum(run.pages for run in examined.runs)
    part = "" if examined.end - examined.start == vma.size else " around the cursor"
    if parts:
        yield from _field("of them", f"{' · '.join(parts)} (of {plural(pages, 'page')}{part}, one by one)", width)
    if examined.why:
        yield from _field("", f"{NOT_MEASURED} {examined.why}", width, "text.dim")


def _flags(vma: Vma, width: int, unknown: Mapping[str, str]) -> Iterator[Row]:
    if vma.vm_flags is None:
        if vma.smaps is not None or "vm_flags" in unknown:
            yield from _field("flags", _why(unknown, "vm_flags"), width, "text.dim")
        return
    yield from _field("flags", " ".join(vma.vm_flags) or "none", width)
    words = ", ".join(VM_FLAGS[flag] for flag in vma.vm_flags if flag in VM_FLAGS)
    if words:
        yield from _field("", words, width, "text.dim")


def _smaps(vma: Vma, width: int, unknown: Mapping[str, str]) -> Iterator[Row]:
    smaps = vma.smaps
    if smaps is None:
        without = "flags and figures" if vma.vm_flags is None and "vm_flags" not in unknown else "figures"
        yield from _field("smaps", f"{NOT_MEASURED} {without}: {unknown.get('smaps', 'not told')}", width, "text.dim")
        return
    texts = [
        (name, str(value) if name in _NOT_KIB else kib(value))
        for name, value in ((name, getattr(smaps, field)) for name, field in SMAPS_NAMES.items())
        if value is not None
    ]
    columns = max((width - _KEY) // 27, 1)
    height = -(-len(texts) // columns)
    for line in range(height):
        runs = [Run(f"{'smaps' if line == 0 else '':<{_KEY}} ", "key")]
        for name, text in texts[line::height]:
            nothing = text in ("0 B", "0")
            runs.append(Run(f"{name:<15} ", "text.dim" if nothing else "text"))
            runs.append(Run(f"{text:>8}   ", "text.dim" if nothing else "value"))
        yield crop(runs, width)
    if "smaps" in unknown:
        yield from _field("", unknown["smaps"], width, "text.dim")


def _why(unknown: Mapping[str, str], *keys: str) -> str:
    why = next((unknown[key] for key in keys if key in unknown), "not told")
    return f"{NOT_MEASURED} {why}"
