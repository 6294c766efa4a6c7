"""Files, memfds, System V segments and what maps prints for them; check() itself."""

from memtui.model.vma import VmaKind
from memtui.sim.kernel import memfd, mincore, read_write, shm, task_mmu
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exit import sys_exit_group
from memtui.sim.kernel.fallocate import sys_fallocate
from memtui.sim.kernel.file import sys_close, sys_dup2, sys_open, sys_unlink
from memtui.sim.kernel.fork import clone
from memtui.sim.kernel.mman import CLONE_FILES, CLONE_VM
from memtui.sim.kernel.page_set import PageSet
from memtui.sim.kernel.truncate import sys_ftruncate
from memtui.sim.kernel.vma import Vma
from tests.sim.kernel.world import ANON, AT, PAGE, PRIVATE, RW, SHARED, R, World

CREATE = 0o102


def labels(world: World) -> list[tuple[str, VmaKind]]:
    mm = world.task.mm
    return [(task_mmu.label(mm, vma), task_mmu.kind(mm, vma)) for vma in mm.tree.span(AT, AT + 100 * PAGE)]


def test_labels_and_kinds() -> None:
    world = World()
    disk = world.ok(sys_open, "/disk/big", 0)
    tmp = world.ok(sys_open, "/dev/shm/x", CREATE)
    world.ok(sys_ftruncate, tmp, PAGE)
    zero = world.ok(sys_open, "/dev/zero", 2)
    world.put(0, 1, R, PRIVATE, fd=disk)
    world.put(1, 1, R, SHARED, fd=tmp)
    world.put(2, 1, R, PRIVATE, fd=zero)
    world.put(3, 1, RW, SHARED, fd=zero)
    world.put(4, 1, RW, ANON | PRIVATE)
    shmid = world.ok(shm.sys_shmget, 0x1234, PAGE, 0o1600)
    world.ok(shm.sys_shmat, shmid, AT + 5 * PAGE, 0)
    assert labels(world) == [
        ("/disk/big", VmaKind.FILE),
        ("/dev/shm/x", VmaKind.SHMEM),
        ("/dev/zero", VmaKind.DEVICE),
        ("/dev/zero (deleted)", VmaKind.SHARED_ANON),
        ("", VmaKind.ANON),
        ("/SYSV00001234 (deleted)", VmaKind.SYSV),
    ]
    world.ok(sys_unlink, "/dev/shm/x")
    assert labels(world)[1][0] == "/dev/shm/x (deleted)"
    segment = world.task.mm.tree.at(AT + 5 * PAGE)
    assert segment is not None
    assert (task_mmu.inode_number(segment), task_mmu.device(segment)) == (shmid, (0, 1))


def test_heap_and_stack_by_position() -> None:
    world = World()
    world.brk(0x6C0000)
    mm = world.task.mm
    names = [task_mmu.label(mm, vma) for vma in mm.tree]
    assert names == ["[heap]", "[vvar]", "[vdso]", "[stack]"]
    world.brk(0x6BE000)
    assert "[heap]" not in [task_mmu.label(mm, vma) for vma in mm.tree]


def test_descriptors() -> None:
    world = World()
    assert [world.ok(sys_open, "/disk/big", 0), world.ok(sys_open, "/disk/small", 0)] == [3, 4]
    world.ok(sys_close, 3)
    assert world.ok(sys_open, "/disk/big", 0) == 3
    assert world.ok(sys_dup2, 3, 9) == 9
    assert world.task.files.get(9) is world.task.files.get(3)
    thread = world.kernel.tasks[clone(world.kernel, world.task, CLONE_VM | CLONE_FILES)]
    world.ok(sys_close, 9, task=thread)
    assert 9 not in world.task.files.open
    sys_exit_group(world.kernel, thread)
    assert check(world.kernel) == []


def test_reading_and_writing_move_the_position_and_fill_the_cache() -> None:
    world = World()
    fd = world.ok(sys_open, "/disk/new", CREATE)
    assert world.ok(read_write.sys_write, fd, 3 * PAGE + 5) == 3 * PAGE + 5
    assert world.ok(read_write.sys_lseek, fd, -5, 2) == 3 * PAGE
    assert world.ok(read_write.sys_read, fd, 100) == 5
    assert world.ok(read_write.sys_pread64, fd, 100, 1 << 30) == 0
    assert world.ok(read_write.sys_pwrite64, fd, 1, 9 * PAGE) == 1
    inode = world.task.files.get(fd).inode
    assert (inode.size, inode.pages.count) == (9 * PAGE + 1, 5)
    world.put(0, 10, R, SHARED, fd=fd)
    assert mincore.residency(world.task, AT, 10 * PAGE) == bytes([1, 1, 1, 1, 0, 0, 0, 0, 0, 1])


def test_a_hole_frees_pages_of_the_object() -> None:
    world = World()
    fd = world.ok(memfd.sys_memfd_create, "m", 0)
    before = world.kernel.committed
    world.ok(sys_fallocate, fd, 0, 0, 4 * PAGE)
    assert world.kernel.committed == before + 4
    world.put(0, 4, RW, SHARED, fd=fd)
    world.write(0, 4)
    world.ok(sys_fallocate, fd, 3, PAGE, 2 * PAGE)
    assert world.kernel.committed == before + 2
    assert mincore.residency(world.task, AT, 4 * PAGE) == bytes([1, 0, 0, 1])
    world.ok(sys_close, fd)
    world.unmap(0, 4)
    assert world.kernel.committed == before


def test_seals() -> None:
    world = World()
    fd = world.ok(memfd.sys_memfd_create, "m", 2)
    world.ok(sys_ftruncate, fd, 4 * PAGE)
    world.ok(memfd.sys_memfd_add_seals, fd, 2 | 4)
    assert world.call(sys_ftruncate, fd, 8 * PAGE).errno == "EPERM"
    assert world.call(sys_ftruncate, fd, 0).errno == "EPERM"
    world.ok(memfd.sys_memfd_add_seals, fd, 1)
    assert world.call(memfd.sys_memfd_add_seals, fd, 8).errno == "EPERM"


def test_system_v_segments_live_until_the_last_detach() -> None:
    world = World()
    shmid = world.ok(shm.sys_shmget, 7, 2 * PAGE + 1, 0o1600)
    assert world.ok(shm.sys_shmget, 7, PAGE, 0) == shmid
    assert world.call(shm.sys_shmget, 7, 9 * PAGE, 0).errno == "EINVAL"
    assert world.call(shm.sys_shmget, 7, PAGE, 0o3600).errno == "EEXIST"
    assert world.ok(shm.sys_shmat, shmid, AT + 100, 0o20000) == AT
    assert world.call(shm.sys_shmat, shmid, AT, 0).errno == "EINVAL"
    assert world.call(shm.sys_shmat, shmid, AT + 100, 0).errno == "EINVAL"
    child = world.fork()
    assert world.kernel.shm_segments[shmid].nattch == 2
    world.ok(shm.sys_shmctl, shmid, 0)
    assert world.call(shm.sys_shmget, 7, PAGE, 0).errno == "ENOENT"
    world.ok(shm.sys_shmdt, AT)
    assert shmid in world.kernel.shm_segments
    sys_exit_group(world.kernel, child)
    assert shmid not in world.kernel.shm_segments
    assert world.call(shm.sys_shmdt, AT).errno == "EINVAL"
    assert check(world.kernel) == []


def test_page_sets() -> None:
    pages = PageSet()
    assert pages.add(500, 30) == 30
    assert pages.add(510, 30) == 10
    assert (pages.count, pages.missing(490, 60), 539 in pages, 540 in pages) == (40, 20, True, False)
    assert pages.mask(538, 4) == bytes([1, 1, 0, 0])
    assert pages.discard(0, 1 << 50) == 40
    assert pages.count == 0


def test_check_finds_what_is_wrong() -> None:
    world = World()
    world.put(0, 4)
    world.write(0, 4)
    mm = world.task.mm
    mm.total_vm += 1
    world.kernel.committed -= 1
    mm.pages.counts[2] += 1
    found = check(world.kernel)
    wrong = ("total_vm", "counted", "Committed_AS", "anonymous pages, but", "on the lists")
    assert [name for name in wrong if any(name in line for line in found)] == list(wrong)
    assert len(found) == len(wrong)


def test_check_finds_bad_vmas() -> None:
    world = World()
    world.task.mm.link(Vma(AT + 1, AT + PAGE, 0, -1))
    assert any("not page aligned" in line for line in check(world.kernel))
    assert any("negative offset" in line for line in check(world.kernel))
