"""A write that needs no fault: only where the page table holds a page of the task's own."""

from memtui.model.host import MachineFacts
from memtui.sim.kernel import exec_mm, fork, mmap, mprotect
from memtui.sim.kernel.fault import access, hits
from memtui.sim.kernel.kernel import Kernel
from memtui.sim.kernel.profile import profile_for

PAGE = 4096
RW_PRIVATE = (3, 0x22)


def test_only_a_page_of_ones_own_is_hit():
    kernel = Kernel(MachineFacts(), profile_for("6.18"))
    task = exec_mm.first_task(kernel)
    start = mmap.sys_mmap(kernel, task, 0, 4 * PAGE, *RW_PRIVATE, -1, 0).value
    assert not hits(task, start)
    access(kernel, task, start, 1, write=False)
    assert not hits(task, start)
    access(kernel, task, start, 1, write=True)
    assert hits(task, start + PAGE - 1)
    assert not hits(task, start + PAGE)
    faults = task.min_flt
    access(kernel, task, start, 1, write=True)
    assert task.min_flt == faults


def test_a_page_shared_by_fork_is_not_hit():
    kernel = Kernel(MachineFacts(), profile_for("6.18"))
    task = exec_mm.first_task(kernel)
    start = mmap.sys_mmap(kernel, task, 0, 4 * PAGE, *RW_PRIVATE, -1, 0).value
    access(kernel, task, start, 2 * PAGE, write=True)
    fork.sys_fork(kernel, task)
    assert not hits(task, start)
    access(kernel, task, start, 1, write=True)
    assert hits(task, start)
    assert not hits(task, start + PAGE)


def test_a_page_that_may_not_be_written_is_not_hit():
    kernel = Kernel(MachineFacts(), profile_for("6.18"))
    task = exec_mm.first_task(kernel)
    start = mmap.sys_mmap(kernel, task, 0, PAGE, *RW_PRIVATE, -1, 0).value
    access(kernel, task, start, 1, write=True)
    mprotect.sys_mprotect(kernel, task, start, PAGE, 1)
    assert not hits(task, start)
