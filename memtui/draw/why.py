"""The why of a VMA: who put it there, why it is one of its own, what would free its pages."""

from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from memtui.draw.answer import Answer
from memtui.draw.labels import vma_label
from memtui.draw.sizes import pages_size, plural
from memtui.draw.vma_detail import residence_counts
from memtui.draw.why_page import page_fields
from memtui.model.address import Range, page_down
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.step import StepLog, StepRecord
from memtui.model.vma import Vma, VmaKind

_START: Final = itemgetter(0)
_PIE: Final = 0x5000_0000_0000
"""Where position-independent programs begin: ELF_ET_DYN_BASE, two thirds of the user address space."""
_MMAP_AREA: Final = 0x7000_0000_0000
"""Above this lies what top-down searches found, unless RLIMIT_STACK is unlimited."""

_PLACED: Final = {
    VmaKind.HEAP: "execve sets start_brk behind the program's bss (with randomize_va_space=2 up to 1 GiB "
    "further, 32 MiB before 6.9); brk moves the end. (mm/mmap.c, fs/binfmt_elf.c)",
    VmaKind.STACK: "execve puts it at the top of user space, up to 16 GiB lower with ASLR; it grows down by page "
    "faults, as far as RLIMIT_STACK and the gap of 256 pages above the next VMA allow. (fs/exec.c, mm/vma.c)",
    VmaKind.SYSV: "shmat: at the address that was asked for, else where mmap would put it. (ipc/shm.c)",
}
_SPECIAL: Final = {
    "[vdso]": "execve maps the kernel's own small library: clock_gettime and the like without a system call. "
    "(arch/x86/entry/vdso/vma.c)",
    "[vvar]": "the kernel's data that [vdso] reads: the clocks. (arch/x86/entry/vdso/vma.c)",
    "[vvar_vclock]": "the pages of a hypervisor's clock, which [vdso] reads. (arch/x86/entry/vdso/vma.c)",
    "[vsyscall]": "the same for every process, and no VMA of this address space: old programs call it at a fixed "
    "address. (arch/x86/entry/vsyscall)",
    "[uprobes]": "the kernel single-steps probed instructions here. (kernel/events/uprobes.c)",
}
_FREED: Final = {
    Residence.ANON: "no file behind them: only swap, MADV_DONTNEED, munmap or exit frees them",
    Residence.SHMEM: "page cache without a disk file: to swap, or freed with the object itself, not by munmap",
    Residence.SWAPPED: "already out; the swap slot is freed by munmap, exit, or soon after swap-in",
    Residence.ZERO: "the zero page that all share: nothing to free",
    Residence.GUARD: "markers, no memory",
    Residence.UNKNOWN: "present, but what they are cannot be told here",
}
_MAKERS: Final = (
    *("mmap", "brk", "shmat", "mremap", "execve", "execveat"),
    *("sbrk", "malloc", "calloc", "realloc", "memalign"),
)


def vma_answer(mm: MmSnapshot, vma: Vma, *, address: int | None = None, log: StepLog | None = None) -> Answer:
    """Every why of one VMA, and of one page in it.

    Args:
        mm: its address space.
        vma: which.
        address: a byte of the page; None: none is asked about.
        log: the steps of a simulation: which of them made it.
    """
    page = page_fields(vma, address, log) if address is not None else ()
    return Answer(f"{vma_label(vma)} {vma.start:x}", (*page, *_answers(mm, vma, log)))


def hole_answer(mm: MmSnapshot, hole: Range) -> Answer:
    """Why nothing is there, and what could come."""
    above = next((vma for vma in mm.vmas if vma.start >= hole.end), None)
    text = "no mmap, brk or stack has taken it: any access is SIGSEGV"
    if above is not None and above.kind is VmaKind.STACK:
        text += ", but the stack above grows into it by page faults, down to 256 pages above what lies below"
    elif hole.start >= _MMAP_AREA:
        text += "; a search from the top takes the highest hole that is large enough, at its upper end"
    return Answer("Hole", (("hole", text),))


def _answers(mm: MmSnapshot, vma: Vma, log: StepLog | None) -> Iterator[tuple[str, str]]:
    yield "here", _placed(mm, vma)
    maker = _maker(vma, log) if log is not None else None
    if maker is not None:
        yield "step", f"{maker.number}: {maker.told}" + (f": {maker.why}" if maker.why else "")
    behind = bisect_right(mm.vmas, vma.start, key=_START)
    if behind < len(mm.vmas) and mm.vmas[behind].start == vma.end:
        yield "above", f"not one VMA with {vma_label(mm.vmas[behind])}: {apart(vma, mm.vmas[behind])}"
    if behind > 1 and mm.vmas[behind - 2].end == vma.start:
        yield "below", f"not one VMA with {vma_label(mm.vmas[behind - 2])}: {apart(mm.vmas[behind - 2], vma)}"
    yield from _freed(vma)


def _placed(mm: MmSnapshot, vma: Vma) -> str:
    """Which rule gave it its address."""
    if vma.name in _SPECIAL:
        return _SPECIAL[vma.name]
    if vma.kind in _PLACED:
        return _PLACED[vma.kind]
    if mm.exe is not None and vma.path == mm.exe:
        if vma.start >= _PIE:
            return (
                "a segment of the program, a PIE: execve loads it at two thirds of the user address space, "
                "plus a random offset with ASLR; its segments keep their distances. (fs/binfmt_elf.c)"
            )
        return "a segment of the program, which was linked for this very address. (fs/binfmt_elf.c)"
    if vma.path is not None and vma.path.rpartition("/")[2].startswith("ld-linux"):
        return "the interpreter that the program's PT_INTERP names: execve maps it where mmap would. (fs/binfmt_elf.c)"
    if vma.start >= _MMAP_AREA:
        return (
            "mmap without an address takes the highest hole below mmap_base that is large enough; with a hint or "
            "MAP_FIXED the program chose. Which of them is not recorded. (mm/mmap.c)"
        )
    return (
        "below the area of mmap's searches: the program asked for this address, or it lies behind its own segments "
        "(bss). Which of them is not recorded."
    )


def _maker(vma: Vma, log: StepLog) -> StepRecord | None:
    """The last step so far whose result lies in the VMA, of those that make or move mappings."""
    for record in reversed(log.steps[: log.cursor]):
        name = record.text.partition("(")[0].rpartition("= ")[2].rpartition(" ")[2]
        if name not in _MAKERS:
            continue
        result = record.text.rpartition("= ")[2].split(" ")[0]
        if result.startswith("0x") and _is_inside(vma, result):
            return record
    return None


def _is_inside(vma: Vma, result: str) -> bool:
    try:
        address = int(result, 16)
    except ValueError:
        return False
    return vma.start <= page_down(address) <= vma.end - (0 if vma.kind is VmaKind.HEAP else 1)


def apart(below: Vma, above: Vma) -> str:
    """Why two VMAs that touch are two: what differs of what a merge compares (mm/vma.c)."""
    reasons = list(_differences(below, above))
    if reasons:
        return ", ".join(reasons)
    if below.vm_flags is None:
        return "flags that cannot be read here may differ"
    if below.kind is VmaKind.ANON or below.kind is VmaKind.HEAP:
        return "all that /proc shows is equal: their anon_vma differ, or they came to touch without being merged"
    return "all that /proc shows is equal: two opens of the file, or they came to touch without being merged"


def _differences(below: Vma, above: Vma) -> Iterator[str]:
    if below.perms != above.perms:
        yield f"{above.perms} above {below.perms}"
    if (below.dev, below.inode) != (above.dev, above.inode):
        yield "another file" if below.inode and above.inode else "one maps a file"
    elif below.inode and below.offset + below.size != above.offset:
        yield f"offset {above.offset:#x} does not follow {below.offset + below.size:#x}"
    elif below.name != above.name:
        yield "another name"
    if below.vm_flags is not None and above.vm_flags is not None:
        named = {"rd", "wr", "ex", "sh"}  # what perms says already
        other = sorted(set(below.vm_flags).symmetric_difference(above.vm_flags) - named)
        if other:
            yield f"only one is flagged {' '.join(other)}"


def _freed(vma: Vma) -> Iterator[tuple[str, str]]:
    """What would free each kind of page it has."""
    counts = residence_counts(vma)
    if counts is None:
        return
    locked = vma.vm_flags is not None and "lo" in vma.vm_flags
    for residence, text in _FREED.items():
        if counts[residence]:
            yield "frees", f"{_amount(residence, counts[residence])}: {text}"
    cache = counts[Residence.PAGE_CACHE]
    if cache:
        dirty = sum(run.pages for run in _cache_runs(vma) if run.dirty)
        yield "frees", f"{_amount(Residence.PAGE_CACHE, cache)}: {_cache_text(dirty, cache)}"
    if locked and sum(counts.values()) > counts[Residence.ABSENT]:
        yield "locked", "mlock: reclaim leaves them alone until munlock, munmap or exit"
    if counts[Residence.ABSENT] == vma.pages:
        yield "frees", "nothing: no page of it is in memory"


def _cache_runs(vma: Vma) -> list[PageRun]:
    return [run for run in vma.runs or () if run.residence is Residence.PAGE_CACHE]


def _cache_text(dirty: int, cache: int) -> str:
    if not dirty:
        return "reclaim drops clean ones at once; they can be read again from the file. munmap keeps them cached"
    written = "all are dirty" if dirty == cache else f"{dirty:,} are dirty"
    return f"reclaim drops clean ones at once; {written} and are written to the file first"


def _amount(residence: Residence, pages: int) -> str:
    return f"{residence.value.replace('_', ' ')}, {plural(pages, 'page')} ({pages_size(pages)})"
