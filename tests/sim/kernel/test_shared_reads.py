"""Shared memory that is read before anybody wrote it: many faults at once, with the figures of one after the other."""

import random

import pytest

from memtui.sim.kernel.memfd import sys_memfd_create
from memtui.sim.kernel.truncate import sys_ftruncate
from tests.sim.kernel.world import ANON, AT, PAGE, RW, SHARED, World

PAGES = 700


def _world(seed: str) -> World:
    """Shared memory of which something is there already, some of it mapped."""
    chance = random.Random(seed)
    world = World()
    if chance.random() < 0.5:
        fd = world.ok(sys_memfd_create, "m", 0)
        world.ok(sys_ftruncate, fd, chance.choice((PAGES, PAGES - 5, 300)) * PAGE)
        world.put(chance.randrange(40), PAGES, RW, SHARED, fd=fd)
    else:
        world.put(chance.randrange(40), PAGES, RW, SHARED | ANON)
    start = next(vma.start for vma in world.task.mm.tree if vma.start >= AT)
    for _ in range(chance.randrange(5)):
        world.touch(start + chance.randrange(280) * PAGE, chance.randrange(1, 20), write=chance.random() < 0.5)
    return world


def _figures(world: World) -> tuple[object, ...]:
    mm, kernel = world.task.mm, world.kernel
    leaves = [(index, bytes(leaf.state)) for index, leaf in sorted(mm.pages.leaves.items())]
    objects = [(inode.pages.count, inode.clean.count, inode.fresh.count) for inode in kernel.inodes]
    return world.task.min_flt, world.task.maj_flt, mm.rss_shmem, kernel.committed, leaves, objects


@pytest.mark.parametrize("seed", range(60))
def test_at_once_as_one_by_one(seed: int) -> None:
    at_once, one_by_one = _world(f"shared-{seed}"), _world(f"shared-{seed}")
    start = next(vma.start for vma in at_once.task.mm.tree if vma.start >= AT)
    first, count = seed % 7, (250 if seed % 2 else 290 - seed % 7)
    at_once.touch(start + first * PAGE, count, write=False)
    for page in range(first, first + count):
        one_by_one.touch(start + page * PAGE, 1, write=False)
    assert _figures(at_once) == _figures(one_by_one)
    assert at_once.task.mm.rss_shmem >= count
