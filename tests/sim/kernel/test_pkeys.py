"""Protection keys: a machine whose CPU has them, one whose CPU has not, and kernels from before them."""

import pytest

from memtui.model.host import DEFAULT_CPU_FLAGS
from memtui.sim.kernel import exec_mm, fault, madvise, mlock, mmap, mprotect, pkeys
from memtui.sim.kernel.mman import MADV_POPULATE_READ, MAP_FIXED_NOREPLACE, PROT_SEM
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.vm_flags import pkey
from tests.sim.kernel.world import ANON_PRIVATE, AT, PAGE, RW, R, W, World, X, space

DENY, DENY_WRITE = pkeys.PKEY_DISABLE_ACCESS, pkeys.PKEY_DISABLE_WRITE


def machine(*, has: bool = True, release: str = "6.18.44") -> World:
    """A machine with or without protection keys."""
    return World(release, cpu_flags=DEFAULT_CPU_FLAGS | ({"pku", "ospke"} if has else set()))


def keys(world: World, task: Task | None = None) -> list[int]:
    """The key of each VMA of the ruler."""
    return [pkey(vma.flags) for vma in (task or world.task).mm.tree.span(AT, AT + (1 << 20))]


def touch(world: World, page: int, *, write: bool, task: Task | None = None) -> Outcome:
    return fault.access(world.kernel, task or world.task, AT + page * PAGE, 1, write)


def test_execute_only_memory_cannot_be_read() -> None:
    world = machine()
    world.put(0, 1, X)
    assert keys(world) == [1]
    assert touch(world, 0, write=False).signal == "SIGSEGV SEGV_PKUERR"
    assert touch(world, 0, write=True).signal == "SIGSEGV SEGV_PKUERR", "before the missing right to write is noticed"
    assert fault.access(world.kernel, world.task, AT, 1, write=False, exec=True).signal == ""
    assert "forbids access" in touch(world, 0, write=False).why


@pytest.mark.parametrize(("has", "release"), [(False, "6.18.44"), (True, "4.8")])
def test_without_keys_it_can_be_read(has: bool, release: str) -> None:
    world = machine(has=has, release=release)
    world.put(0, 1, X)
    world.protect(0, 1, R)
    world.protect(0, 1, X)
    assert keys(world) == [0]
    assert touch(world, 0, write=False).signal == ""
    assert touch(world, 0, write=True).signal == "SIGSEGV SEGV_ACCERR"
    world.lock(0, 1)
    answers = [world.call(pkeys.sys_pkey_alloc, 0, 0).errno for _ in range(3)]
    assert answers == ["EINVAL", "ENOSPC", "ENOSPC"], "key 0 is taken by the first and not given back"
    assert world.call(pkeys.sys_pkey_free, 0).errno == "EINVAL"
    assert world.call(mprotect.sys_pkey_mprotect, AT, PAGE, RW, 0).errno == "EINVAL"
    assert world.call(mprotect.sys_pkey_mprotect, AT, PAGE, RW, -1).errno == ""
    assert world.call(pkeys.pkey_set, 1, 0).signal.startswith("SIGILL")


def test_only_exactly_prot_exec_is_execute_only() -> None:
    world = machine()
    for page, prot in enumerate((X | PROT_SEM, X | R, 0, RW)):
        world.put(2 * page, 1, prot)
    assert keys(world) == [0, 0, 0, 0]
    assert world.task.mm.execute_only_pkey == -1


def test_a_failing_mmap_takes_the_key_all_the_same() -> None:
    world = space("w", machine())
    failed = world.call(mmap.sys_mmap, AT, PAGE, X, ANON_PRIVATE | MAP_FIXED_NOREPLACE, -1, 0)
    assert failed.errno == "EEXIST"
    assert world.ok(pkeys.sys_pkey_alloc, 0, 0) == 2


def test_keys_keep_vmas_apart_and_leave_with_execute_only() -> None:
    world = space("xxx", machine())
    world.protect(1, 1, X)
    assert keys(world) == [0, 1, 0]
    world.protect(1, 1, R | X)
    assert keys(world) == [0], "back to key 0, so the three are one again"
    key = world.ok(pkeys.sys_pkey_alloc, 0, 0)
    world.ok(mprotect.sys_pkey_mprotect, AT, PAGE, R | X, key)
    assert keys(world) == [key, 0]
    world.protect(0, 3, RW)
    assert keys(world) == [key, 0], "plain mprotect keeps a key of the program's own"


def test_rights_are_a_threads_own() -> None:
    world = space("ww", machine())
    key = world.ok(pkeys.sys_pkey_alloc, 0, DENY_WRITE)
    world.ok(mprotect.sys_pkey_mprotect, AT, 2 * PAGE, RW, key)
    child = world.fork()
    assert touch(world, 0, write=False).signal == ""
    assert touch(world, 0, write=True).signal == "SIGSEGV SEGV_PKUERR"
    world.ok(pkeys.pkey_set, key, 0)
    world.write(0)
    assert touch(world, 0, write=True, task=child).signal == "SIGSEGV SEGV_PKUERR"
    assert world.call(mlock.sys_mlock, AT, PAGE, task=child).errno == "ENOMEM"
    world.lock(0, 2)
    world.ok(pkeys.pkey_set, key, DENY)
    assert world.call(madvise.sys_madvise, AT, PAGE, MADV_POPULATE_READ).errno == "EINVAL"
    assert not fault.hits(world.task, AT)


def test_keys_are_given_out_from_below_and_come_to_an_end() -> None:
    world = machine()
    assert [world.ok(pkeys.sys_pkey_alloc, 0, 0) for _ in range(15)] == list(range(1, 16))
    assert world.call(pkeys.sys_pkey_alloc, 0, 0).errno == "ENOSPC"
    world.put(0, 1, X)
    assert keys(world) == [0], "no key is left for execute-only memory"
    world.ok(pkeys.sys_pkey_free, 7)
    world.protect(0, 1, X)
    assert keys(world) == [7], "the same access, but a key is free now"
    assert world.call(pkeys.sys_pkey_free, 7).errno == "EINVAL", "it is the kernel's own now"
    assert world.call(mprotect.sys_pkey_mprotect, AT, PAGE, RW, 7).errno == "EINVAL"
    assert world.call(pkeys.sys_pkey_alloc, 1, 0).errno == "EINVAL"
    assert world.call(pkeys.sys_pkey_alloc, 0, 4).errno == "EINVAL"


def test_fork_copies_and_exec_resets() -> None:
    world = machine()
    world.put(0, 1, X)
    own = world.ok(pkeys.sys_pkey_alloc, 0, 0)
    child = world.fork()
    assert (child.mm.pkey_allocation_map, child.mm.execute_only_pkey, child.pkru) == (0b111, 1, world.task.pkru)
    assert keys(world, child) == [1]
    world.ok(pkeys.sys_pkey_free, own, task=child)
    assert world.ok(pkeys.sys_pkey_alloc, 0, 0) == 3, "the maps are each process's own"
    exec_mm.exec_mmap(world.kernel, child)
    assert (child.mm.pkey_allocation_map, child.mm.execute_only_pkey, child.pkru) == (1, -1, pkeys.INIT_PKRU)


def test_key_0_can_be_denied_as_well() -> None:
    world = space("w", machine())
    world.ok(pkeys.sys_pkey_free, 0)
    assert world.ok(pkeys.sys_pkey_alloc, 0, DENY_WRITE) == 0
    assert touch(world, 0, write=False).signal == ""
    assert touch(world, 0, write=True).signal == "SIGSEGV SEGV_PKUERR"
    assert world.call(mprotect.sys_pkey_mprotect, AT, PAGE, W, 0).errno == ""
