"""The heap in the pictures of a simulation: there when it is asked for, and the allocator's own."""

import random

from memtui.model.heap import ChunkState, HeapView, Owner
from memtui.model.request import Back, Inject, Refresh, Seek, ShowHeap, Step
from memtui.model.snapshot import Snapshot
from tests.sim.conftest import ENDING, Simulate

STORY = """\
machine(ram=64M)
execve("/demo/hello", ["hello"], 0)
a = malloc(1000)
b = calloc(10, 30)
touch(a, 100, WRITE)
c = memalign(64, 5000)
b = realloc(b, 4000)
free(a)
d = malloc(300000)
"""


def heap_of(snapshot: Snapshot) -> HeapView:
    assert snapshot.mm is not None
    assert snapshot.mm.heap is not None
    return snapshot.mm.heap


def test_it_is_there_only_when_it_is_asked_for(simulate: Simulate):
    source = simulate(STORY)
    last = source.apply(Seek(ENDING)).mm
    assert last is not None
    assert last.heap is None
    heap = heap_of(source.apply(ShowHeap()))
    assert heap_of(source.apply(Refresh())) is heap
    assert heap_of(source.apply(Back(2))) is not heap
    hidden = source.apply(ShowHeap(False)).mm
    assert hidden is not None
    assert hidden.heap is None


def test_a_step_that_does_not_allocate_leaves_the_same_heap(simulate: Simulate):
    source = simulate(STORY)
    source.apply(ShowHeap())
    before = heap_of(source.apply(Seek(4)))
    assert heap_of(source.apply(Step())) is before
    assert heap_of(source.apply(Step())) is not before


def test_every_block_knows_its_step(simulate: Simulate):
    source = simulate(STORY)
    source.apply(ShowHeap())
    heap = heap_of(source.apply(Seek(ENDING)))
    assert sorted(heap.owners.values()) == [Owner(6, 5000), Owner(7, 4000), Owner(9, 300000)]
    used = {chunk.user for arena in heap.arenas for chunk in arena.chunks if chunk.state is ChunkState.USED}
    assert set(heap.owners) == used | {chunk.user for chunk in heap.mmapped}
    # Stepping back brings the owners of then back.
    assert sorted(heap_of(source.apply(Seek(4))).owners.values()) == [Owner(3, 1000), Owner(4, 300)]


def test_an_injected_allocation_has_an_owner_and_a_child_has_its_parents(simulate: Simulate):
    source = simulate(STORY)
    source.apply(ShowHeap())
    source.apply(Seek(ENDING))
    heap = heap_of(source.apply(Inject("e = malloc(77)")))
    assert Owner(10, 77) in heap.owners.values()


def test_random_stories_always_add_up(simulate: Simulate):
    rng = random.Random(3)
    lines = ["machine(ram=256M)", 'execve("/demo/hello", ["hello"], 0)']
    held: list[str] = []
    for number in range(300):
        if held and rng.random() < 0.45:
            lines.append(f"free({held.pop(rng.randrange(len(held)))})")
        else:
            held.append(f"v{number}")
            lines.append(f"v{number} = malloc({rng.choice((24, 100, 1500, 9000, 200000))})")
    source = simulate("\n".join(lines) + "\n")
    source.apply(ShowHeap())
    for step in range(2, len(lines) + 1, 7):
        heap = heap_of(source.apply(Seek(step)))
        used = {chunk.user for arena in heap.arenas for chunk in arena.chunks if chunk.state is ChunkState.USED}
        assert set(heap.owners) == used | {chunk.user for chunk in heap.mmapped}
        for arena in heap.arenas:
            assert sum(chunk.size for chunk in arena.chunks) == arena.system_mem
