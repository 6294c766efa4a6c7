"""Models struct mm_struct (include/linux/mm_types.h, 6.18): one address space."""

from dataclasses import dataclass, field

from memtui.sim.kernel.page_leaf import ANON, FILE, FILE_DIRTY, LAZY, SHMEM, SWAP, VDSO
from memtui.sim.kernel.page_table import PageTable
from memtui.sim.kernel.swap_state import VmaReadahead
from memtui.sim.kernel.vm_flags import is_data_mapping, is_exec_mapping, is_stack_mapping
from memtui.sim.kernel.vma import Vma
from memtui.sim.kernel.vma_tree import VmaTree


@dataclass(slots=True, eq=False)
class Mm:
    """An address space. Addresses are bytes, sizes of counters pages."""

    tree: VmaTree = field(default_factory=VmaTree)
    pages: PageTable = field(default_factory=PageTable)
    mmap_base: int = 0
    """First byte above the highest mapping without a hint; with `bottom_up` the lowest one."""
    bottom_up: bool = False
    """The legacy layout (ADDR_COMPAT_LAYOUT)."""
    free_area_cache: int | None = None
    """Where the search for room starts, before 3.8 only; None: at mmap_base."""
    cached_hole_size: int = 0
    """The largest hole above it that was passed over, bytes."""
    start_brk: int = 0
    brk: int = 0
    start_stack: int = 0
    start_code: int = 0
    end_code: int = 0
    start_data: int = 0
    end_data: int = 0
    def_flags: int = 0
    """VM_* bits of every new mapping: VM_LOCKED after mlockall(MCL_FUTURE)."""
    pkey_allocation_map: int = 0
    """One bit a protection key that is taken; 0 where the CPU has none."""
    execute_only_pkey: int = 0
    """The key of memory that may only be executed; -1: none yet."""
    thp_disable: int = 0
    """PR_SET_THP_DISABLE: 0, THP_DISABLED, or with THP_EXCEPT_ADVISED."""
    mdwe: int = 0
    """PR_SET_MDWE: MDWE_* bits."""
    merge_any: bool = False
    """PR_SET_MEMORY_MERGE."""
    total_vm: int = 0
    exec_vm: int = 0
    stack_vm: int = 0
    data_vm: int = 0
    locked_vm: int = 0
    hiwater_vm: int = 0
    hiwater_rss: int = 0
    users: int = 1
    """Tasks that run in it (mm_users)."""
    entry: int = 0
    """AT_ENTRY: the first instruction of the program itself."""
    base: int = 0
    """AT_BASE: load bias of the interpreter; 0 without one."""
    exe: str = ""
    vsyscall: bool = True
    """Whether maps ends with [vsyscall], which is no VMA of the tree."""
    swap_readahead: dict[int, VmaReadahead] = field(default_factory=dict)
    """By start of the VMA, of those that had pages come back from swap."""
    why: list[str] = field(default_factory=list)
    """The rules that decided the call under way."""

    @property
    def map_count(self) -> int:
        """Number of VMAs."""
        return len(self.tree)

    @property
    def rss_anon(self) -> int:
        """MM_ANONPAGES."""
        return self.pages.counts[ANON] + self.pages.counts[LAZY]

    @property
    def rss_file(self) -> int:
        """MM_FILEPAGES."""
        return self.pages.counts[FILE] + self.pages.counts[FILE_DIRTY] + self.pages.counts[VDSO]

    @property
    def rss_shmem(self) -> int:
        """MM_SHMEMPAGES."""
        return self.pages.counts[SHMEM]

    @property
    def swap_pages(self) -> int:
        """MM_SWAPENTS."""
        return self.pages.counts[SWAP]

    @property
    def rss(self) -> int:
        """What VmRSS counts."""
        return self.rss_anon + self.rss_file + self.rss_shmem

    def note(self, why: str) -> None:
        """Remember a rule that decided."""
        if why and why not in self.why:
            self.why.append(why)

    def account(self, flags: int, pages: int) -> None:
        """vm_stat_account(): pages of such a mapping come (or go, when negative)."""
        self.total_vm += pages
        if is_data_mapping(flags):
            self.data_vm += pages
        elif is_exec_mapping(flags):
            self.exec_vm += pages
        elif is_stack_mapping(flags):
            self.stack_vm += pages

    def note_peaks(self) -> None:
        """update_hiwater_vm() and update_hiwater_rss(): called before something shrinks."""
        self.hiwater_vm = max(self.hiwater_vm, self.total_vm)
        self.hiwater_rss = max(self.hiwater_rss, self.rss)

    def link(self, vma: Vma) -> None:
        """Put a VMA into the tree; it holds its file."""
        self.tree.insert(vma)
        if vma.file is not None:
            vma.file.users += 1

    def update(self, old: Vma, new: Vma) -> Vma:
        """Change a VMA of the tree; gives `new`."""
        if old is not new:
            self.tree.replace(old, new)
        return new
