"""Loads the address space of a live process into the simulated kernel, so that a simulation can go on from there.

What a snapshot does not tell is taken as the plainest that fits it: a VMA with anonymous pages has an anon_vma of its
own, the segments of one path come from one open file, private anonymous memory was mapped where it lies, and the
protection keys in use are those that VMAs have, of which that of execute-only memory is the kernel's own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SHIFT, PMD_SIZE, Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import PageRun, Residence
from memtui.model.vma import Vma as Shown
from memtui.model.vma import VmaKind
from memtui.sim.kernel import page_leaf, page_table
from memtui.sim.kernel.file_table import open_inode
from memtui.sim.kernel.fs import SHMEM_DEV, Inode, OpenFile
from memtui.sim.kernel.mm import Mm
from memtui.sim.kernel.pagemap import warm
from memtui.sim.kernel.pkeys import init_new_context, pkey_bits
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.vm_flags import (
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_FLAG_CODES,
    VM_LOCKED,
    VM_MAYSHARE,
    VM_SHARED,
)
from memtui.sim.kernel.vma import Vma

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel

_BITS: Final[Mapping[str, int]] = {code: bit for bit, code in VM_FLAG_CODES}
_STATES: Final[Mapping[Residence, int]] = {
    Residence.ZERO: page_leaf.ZERO,
    Residence.ANON: page_leaf.ANON,
    Residence.PAGE_CACHE: page_leaf.FILE,
    Residence.SHMEM: page_leaf.SHMEM,
    Residence.SWAPPED: page_leaf.SWAP,
    Residence.GUARD: page_leaf.GUARD,
    Residence.UNKNOWN: page_leaf.DEVICE,
}
_SHMEM_KINDS: Final = frozenset({VmaKind.SHMEM, VmaKind.SHARED_ANON, VmaKind.SYSV, VmaKind.MEMFD})
_VSYSCALL: Final = "[vsyscall]"
_NOWHERE: Final = Range(0, 0)


def load(
    kernel: "Kernel",
    snapshot: MmSnapshot,
    mmap_base: int,
    code: Range = _NOWHERE,
    data: Range = _NOWHERE,
) -> Task:
    """Make a task whose address space is that of the snapshot.

    Args:
        kernel: gets the task, its open files and its charge.
        snapshot: needs VmFlags and runs of each VMA; start_brk and start_stack if known.
        mmap_base: where the search for room starts, bytes: no snapshot tells it.
        code: start_code and end_code of /proc/PID/stat, bytes.
        data: start_data and end_data of /proc/PID/stat, bytes.

    Returns:
        The task, which is in `kernel.tasks`; its pid is the snapshot's if that is free.
    """
    mm = _load_mm(snapshot, mmap_base, code, data)
    pid = kernel.new_pid(snapshot.pid)
    task = Task(
        pid=pid,
        tgid=pid,
        mm=mm,
        comm=snapshot.comm,
        rlimits=kernel.default_rlimits(),
        caps=kernel.default_caps(),
        cmdline=snapshot.cmdline,
    )
    init_new_context(kernel, task, mm)
    files: dict[str, OpenFile] = {}
    for shown in snapshot.vmas:
        if shown.name != _VSYSCALL:
            _load_vma(kernel, mm, shown, files)
    kernel.tasks[pid] = task
    return task


def _load_mm(snapshot: MmSnapshot, mmap_base: int, code: Range, data: Range) -> Mm:
    """All but the VMAs."""
    mm = Mm(mmap_base=mmap_base, exe=snapshot.exe or "")
    mm.start_code, mm.end_code = code
    mm.start_data, mm.end_data = data
    mm.start_brk = snapshot.start_brk or 0
    mm.brk = _brk(snapshot)
    mm.start_stack = snapshot.start_stack or 0
    mm.vsyscall = any(vma.name == _VSYSCALL for vma in snapshot.vmas)
    mm.hiwater_vm = (snapshot.counters.vm_peak or 0) // 4
    mm.hiwater_rss = (snapshot.counters.vm_hwm or 0) // 4
    return mm


def _brk(snapshot: MmSnapshot) -> int:
    if snapshot.brk is not None:
        return snapshot.brk
    heaps = [vma.end for vma in snapshot.vmas if vma.kind is VmaKind.HEAP]
    return max(heaps, default=snapshot.start_brk or 0)


def _load_vma(kernel: "Kernel", mm: Mm, shown: Shown, files: dict[str, OpenFile]) -> None:
    flags = sum(_BITS.get(letters, 0) for letters in shown.vm_flags or ())
    key = shown.smaps.protection_key if shown.smaps is not None else None
    if key:
        flags |= pkey_bits(key)
        mm.pkey_allocation_map |= 1 << key
        if flags & VM_ACCESS_FLAGS == VM_EXEC:
            mm.execute_only_pkey = key
    runs = shown.runs or ()
    special = shown.kind is VmaKind.SPECIAL
    file = None if special else _file(kernel, shown, files)
    anonymous = not special and file is None
    pgoff = shown.start >> PAGE_SHIFT if anonymous else shown.offset >> PAGE_SHIFT
    touched = not flags & (VM_SHARED | VM_MAYSHARE) and any(
        run.residence in (Residence.ANON, Residence.SWAPPED) for run in runs
    )
    anon_vma = kernel.new_anon_vma() if touched else 0
    name = shown.name if special else ""
    mm.link(Vma(shown.start, shown.end, flags, pgoff, file, anon_vma, 1 if touched else 0, name))
    mm.account(flags, shown.pages)
    if flags & VM_LOCKED:
        mm.locked_vm += shown.pages
    if flags & VM_ACCOUNT:
        kernel.committed += shown.pages
    for run in runs:
        _load_run(kernel, mm, run, page_leaf.VDSO if name == "[vdso]" else _STATES[run.residence])
        if file is not None and run.residence in (Residence.PAGE_CACHE, Residence.SHMEM):
            file.inode.pages.add(pgoff + ((run.start - shown.start) >> PAGE_SHIFT), run.pages)


def _file(kernel: "Kernel", shown: Shown, files: dict[str, OpenFile]) -> OpenFile | None:
    path = shown.path
    if path is None:
        return None
    own = shown.kind in (VmaKind.SHARED_ANON, VmaKind.SYSV)
    key = f"{path} {shown.start}" if own else path
    if key not in files:
        files[key] = _open(kernel, shown, path)
    file = files[key]
    file.inode.size = max(file.inode.size, shown.offset + shown.size)
    return file


def _open(kernel: "Kernel", shown: Shown, path: str) -> OpenFile:
    """The open file behind a VMA: what is known of it from the machine, or what the VMA itself tells."""
    facts = kernel.host_file(path) if not shown.deleted else None
    shmem = shown.kind in _SHMEM_KINDS
    fs_type = "tmpfs" if shmem else facts.fs_type if facts is not None else kernel.facts.root_fs
    inode = Inode(shown.inode, shown.dev, fs_type, path, shmem=shmem, nlink=0 if shown.deleted else 1)
    inode.size = facts.size if facts is not None else 0
    if not shown.deleted and shown.dev != SHMEM_DEV:
        inode = kernel.paths.setdefault(path, inode)
    kernel.add_inode(inode)
    warm(kernel, inode)
    file = open_inode(inode, writable="mw" in (shown.vm_flags or ()))
    file.close_hook = shown.kind is VmaKind.SYSV
    return file


def _load_run(kernel: "Kernel", mm: Mm, run: PageRun, state: int) -> None:
    start = run.start
    while start < run.end:
        index = start // PMD_SIZE
        leaf = mm.pages.alloc(index)
        low, high = page_table.entry_range(index, start, run.end)
        if run.huge:
            leaf.huge = True
        mm.pages.put(index, low, bytes([state]) * (high - low))
        if state == page_leaf.SWAP:
            for slot, count in kernel.swap.alloc(high - low):
                mm.pages.own(index).add_slots(kernel.swap, low, low + count, slot)
                low += count
        start = (index + 1) * PMD_SIZE
