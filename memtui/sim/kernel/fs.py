"""Models struct inode and struct file (include/linux/fs.h), as far as mappings need them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memtui.model.address import PAGE_SIZE
from memtui.sim.kernel.page_set import CachedPages, PageSet

if TYPE_CHECKING:
    from memtui.sim.kernel.lru import LruRun
    from memtui.sim.kernel.memcontrol import MemoryCgroup
    from memtui.sim.kernel.swap_slots import SlotMap
    from memtui.sim.kernel.workingset import Shadow

SHMEM_DEV: Final = (0, 1)
"""The kernel's own tmpfs: shared anonymous memory, System V segments and memfds."""
THP_ALIGNING: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "erofs", "fuse", "fuseblk"})
"""File systems whose files use thp_get_unmapped_area()."""
DAX_TYPES: Final = frozenset({"ext4", "xfs"})
"""File systems that know MAP_SYNC, though only files on persistent memory can have it."""
MAX_LFS_FILESIZE: Final = (1 << 63) - 1
EXTENT_MAX_BYTES: Final = ((1 << 32) - 1) * PAGE_SIZE
"""s_maxbytes of ext4 with 4 KiB blocks: an extent numbers blocks with 32 bits."""
SHMEM_TYPES: Final = frozenset({"tmpfs", "devtmpfs"})
F_SEAL_SEAL: Final = 1
F_SEAL_SHRINK: Final = 2
F_SEAL_GROW: Final = 4
F_SEAL_WRITE: Final = 8
F_SEAL_FUTURE_WRITE: Final = 16


@dataclass(slots=True, eq=False)
class Inode:
    """One file, whoever has it open."""

    number: int
    dev: tuple[int, int]
    fs_type: str
    label: str
    """What maps prints, without " (deleted)"."""
    size: int = 0
    """Bytes."""
    nlink: int = 1
    """0: no name leads here any more."""
    is_dir: bool = False
    mappable: bool = True
    """Whether its file operations have mmap."""
    noexec: bool = False
    """It lies on a mount with the option noexec (path_noexec)."""
    regular: bool = True
    """A regular file: no device, no directory."""
    zero_device: bool = False
    """/dev/zero: a private mapping of it is anonymous memory."""
    shmem: bool = False
    """Its pages live in no file system on a disk: tmpfs, memfd, shared anonymous, System V."""
    huge_shift: int = 0
    """log2 of its pages' size on hugetlbfs; 0: the file lies elsewhere."""
    pages: CachedPages = field(default_factory=CachedPages)
    """The pages that are in memory."""
    fresh: PageSet = field(default_factory=PageSet)
    """Of these, pages that fallocate() made and nobody needed yet: not uptodate, so no fault maps them by the way."""
    clean: PageSet = field(default_factory=PageSet)
    """Of a shmem object's, pages that were read before anybody wrote them: reclaim drops them without swap."""
    dirty: PageSet = field(default_factory=PageSet)
    """Of a disk file's pages in memory, those that the disk does not have yet."""
    buffers: PageSet = field(default_factory=PageSet)
    """Of the pages of dirty folios, those whose own block was written to (BH_Dirty)."""
    writeback: PageSet = field(default_factory=PageSet)
    """Of them, those on their way to the disk: clean when the next step begins."""
    blocks: PageSet = field(default_factory=PageSet)
    """Pages of a disk's file that have a block with data, on the disk or to be given room there."""
    blocks_below: int = 0
    """Pages below this one had such a block before the simulation began."""
    shm_locked: bool = False
    """SHM_LOCK: nothing reclaims its pages (AS_UNEVICTABLE)."""
    mlocked: PageSet = field(default_factory=PageSet)
    """Pages that stay mlocked, so that nothing reclaims them, though no VMA locks them any more."""
    swapped: PageSet = field(default_factory=PageSet)
    """Pages of a shmem object that are out on swap: not in `pages`."""
    slots: "SlotMap | None" = None
    """Of those."""
    runs: "list[LruRun]" = field(default_factory=list)
    """Its pages on the LRU lists, by ascending page."""
    shadows: "list[Shadow]" = field(default_factory=list)
    """When pages were evicted: what the kernel keeps in their slots."""
    memcg: "MemoryCgroup | None" = None
    """The memory cgroup that its pages are charged to; None: the root."""
    charged_whole: int = 0
    """Pages that were charged when the object was made; the others are charged as they are allocated."""
    noreserve: bool = False
    """Charged page by page though made by mmap or shmget; of huge pages, mapped without a reservation."""
    seals: int = F_SEAL_SEAL
    users: int = 0
    """Open files that refer to it."""

    @property
    def unevictable(self) -> bool:
        """mapping_unevictable(): reclaim passes every page of it over."""
        return self.shm_locked or self.fs_type == "ramfs"

    @property
    def max_bytes(self) -> int:
        """s_maxbytes: the largest size that its file system allows, bytes."""
        return EXTENT_MAX_BYTES if self.fs_type == "ext4" else MAX_LFS_FILESIZE

    @property
    def size_pages(self) -> int:
        """Pages that have at least one byte before the end of the file."""
        return (self.size + PAGE_SIZE - 1) // PAGE_SIZE

    def free_blocks(self, first: int, count: int) -> None:
        """Pages become a hole of the file, or are behind its end."""
        self.blocks.discard(first, count)
        if first + count >= self.blocks_below:
            self.blocks_below = min(self.blocks_below, first)


@dataclass(slots=True, eq=False)
class OpenFile:
    """struct file: what open() makes, and what dup(), fork() and mappings share."""

    inode: Inode
    readable: bool = True
    writable: bool = True
    append: bool = False
    path_only: bool = False
    """O_PATH."""
    position: int = 0
    """Bytes."""
    prev_pos: int = -1
    """Where the last read() ended, bytes."""
    ra_start: int = 0
    ra_size: int = 0
    """The read-ahead window (struct file_ra_state), pages."""
    ra_async_size: int = 0
    """Of them, how many should be left when the next window is read."""
    ra_order: int = 0
    """log2 of the pages of the folios that are read."""
    mmap_miss: int = 0
    users: int = 0
    """Descriptors and VMAs that refer to it."""
    close_hook: bool = False
    """Its VMAs have vm_ops->close: System V segments."""
    odd_address_hook: bool = False
    """It has a get_unmapped_area that mremap does not trust for several VMAs at once."""
    pidfd: int = 0
    """The process that it refers to (pidfd_open); 0: none."""
    shmid: int = -1
    """The System V segment that it is an attach of."""

    @property
    def label(self) -> str:
        """d_path(): what maps prints for it."""
        return self.inode.label if self.inode.nlink else f"{self.inode.label} (deleted)"

    @property
    def aligns_thp(self) -> bool:
        """Whether its search for room goes through thp_get_unmapped_area()."""
        return self.inode.fs_type in THP_ALIGNING or self.inode.zero_device
