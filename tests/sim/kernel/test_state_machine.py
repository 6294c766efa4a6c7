"""Random calls against a flat dictionary of pages: page number -> (permissions, shared, locked, advised)."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from memtui.sim.kernel import fault, fork, madvise, mlock, mmap, mprotect, mremap, munmap
from memtui.sim.kernel.check import check
from memtui.sim.kernel.exit import sys_exit_group
from memtui.sim.kernel.mman import MADV_DONTNEED, MADV_NORMAL, MADV_RANDOM
from memtui.sim.kernel.task import Task
from memtui.sim.kernel.vm_flags import VM_LOCKED, VM_RAND_READ, VM_SHARED
from tests.sim.kernel.world import ANON, AT, FIXED, PAGE, PRIVATE, RW, SHARED, R, World, X

ROOM = 24
pages = st.integers(0, ROOM - 1)
lengths = st.integers(1, 8)
prots = st.sampled_from((0, R, RW, R | X, RW | X))


class Page:
    """What one mapped page must be."""

    def __init__(self, prot: int, shared: bool, locked: bool = False, random: bool = False) -> None:
        self.prot, self.shared, self.locked, self.random = prot, shared, locked, random

    def copy(self) -> "Page":
        return Page(self.prot, self.shared, self.locked, self.random)

    @property
    def facts(self) -> tuple[int, bool, bool, bool]:
        return self.prot, self.shared, self.locked, self.random


class Calls(RuleBasedStateMachine):
    """Every call on the kernel, and the same on the dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.kernel = self.world.kernel
        self.tasks: list[tuple[Task, dict[int, Page]]] = [(self.world.task, {})]

    def pick(self, who: int) -> tuple[Task, dict[int, Page]]:
        return self.tasks[who % len(self.tasks)]

    @rule(who=pages, at=pages, count=lengths, prot=prots, shared=st.booleans())
    def mmap(self, who: int, at: int, count: int, prot: int, shared: bool) -> None:
        task, flat = self.pick(who)
        flags = ANON | FIXED | (SHARED if shared else PRIVATE)
        outcome = mmap.sys_mmap(self.kernel, task, AT + at * PAGE, count * PAGE, prot, flags, -1, 0)
        assert outcome.value == AT + at * PAGE
        flat.update({page: Page(prot, shared) for page in range(at, at + count)})

    @rule(who=pages, at=pages, count=lengths)
    def munmap(self, who: int, at: int, count: int) -> None:
        task, flat = self.pick(who)
        assert munmap.sys_munmap(self.kernel, task, AT + at * PAGE, count * PAGE).value == 0
        for page in range(at, at + count):
            flat.pop(page, None)

    @rule(who=pages, at=pages, count=lengths, prot=prots)
    def mprotect(self, who: int, at: int, count: int, prot: int) -> None:
        task, flat = self.pick(who)
        outcome = mprotect.sys_mprotect(self.kernel, task, AT + at * PAGE, count * PAGE, prot)
        for page in range(at, at + count):
            if page not in flat:
                assert outcome.errno == "ENOMEM"
                return
            flat[page].prot = prot
        assert outcome.value == 0

    @rule(who=pages, at=pages, count=lengths, random=st.booleans())
    def advise(self, who: int, at: int, count: int, random: bool) -> None:
        task, flat = self.pick(who)
        advice = MADV_RANDOM if random else MADV_NORMAL
        outcome = madvise.sys_madvise(self.kernel, task, AT + at * PAGE, count * PAGE, advice)
        touched = [page for page in range(at, at + count) if page in flat]
        assert outcome.errno == ("" if len(touched) == count else "ENOMEM")
        for page in touched:
            flat[page].random = random

    @rule(who=pages, at=pages, count=lengths)
    def dontneed(self, who: int, at: int, count: int) -> None:
        task, _ = self.pick(who)
        madvise.sys_madvise(self.kernel, task, AT + at * PAGE, count * PAGE, MADV_DONTNEED)

    @rule(who=pages, at=pages, count=lengths, on=st.booleans())
    def lock(self, who: int, at: int, count: int, on: bool) -> None:
        task, flat = self.pick(who)
        call = mlock.sys_mlock if on else mlock.sys_munlock
        outcome = call(self.kernel, task, AT + at * PAGE, count * PAGE)
        inaccessible = False
        for page in range(at, at + count):
            if page not in flat:
                assert outcome.errno == "ENOMEM"
                return
            flat[page].locked = on
            inaccessible = inaccessible or flat[page].prot == 0
        assert outcome.errno == ("ENOMEM" if on and inaccessible else "")

    @rule(who=pages, at=pages, count=lengths, to=st.integers(ROOM + 8, 2 * ROOM))
    def move_there_and_back(self, who: int, at: int, count: int, to: int) -> None:
        task, flat = self.pick(who)
        if any(page not in flat for page in range(at, at + count)):
            return
        size = count * PAGE
        for source, target in ((at, to), (to, at)):
            outcome = mremap.sys_mremap(self.kernel, task, AT + source * PAGE, size, size, 3, AT + target * PAGE)
            assert outcome.value == AT + target * PAGE

    @rule(who=pages, at=pages, count=lengths, write=st.booleans())
    def touch(self, who: int, at: int, count: int, write: bool) -> None:
        task, flat = self.pick(who)
        outcome = fault.access(self.kernel, task, AT + at * PAGE, count * PAGE, write)
        for done, page in enumerate(range(at, at + count)):
            if page not in flat:
                assert (outcome.value, outcome.signal) == (done, "SIGSEGV SEGV_MAPERR")
                return
            if not flat[page].prot & (2 if write else 7):
                assert (outcome.value, outcome.signal) == (done, "SIGSEGV SEGV_ACCERR")
                return
        assert (outcome.value, outcome.signal) == (count, "")

    @rule(who=pages)
    def fork(self, who: int) -> None:
        task, flat = self.pick(who)
        if len(self.tasks) < 4:
            child = self.kernel.tasks[fork.sys_fork(self.kernel, task).value]
            copies = {page: one.copy() for page, one in flat.items()}
            for one in copies.values():
                one.locked = False
            self.tasks.append((child, copies))

    @rule(who=pages)
    def exit(self, who: int) -> None:
        if len(self.tasks) > 1:
            task, _ = self.tasks.pop(who % len(self.tasks))
            sys_exit_group(self.kernel, task)

    @invariant()
    def every_invariant_holds(self) -> None:
        assert check(self.kernel) == []

    @invariant()
    def same_as_the_dictionary(self) -> None:
        for task, flat in self.tasks:
            seen = {}
            for vma in task.mm.tree.span(AT, AT + 4 * ROOM * PAGE):
                facts = (
                    vma.flags & 7,
                    bool(vma.flags & VM_SHARED),
                    bool(vma.flags & VM_LOCKED),
                    bool(vma.flags & VM_RAND_READ),
                )
                seen |= dict.fromkeys(range((vma.start - AT) // PAGE, (vma.end - AT) // PAGE), facts)
            assert seen == {page: one.facts for page, one in flat.items()}

    def teardown(self) -> None:
        for task, _ in self.tasks:
            sys_exit_group(self.kernel, task)
        assert self.kernel.committed == 0


Calls.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCalls = Calls.TestCase
