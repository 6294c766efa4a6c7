"""The tasks as the OOM killer sees them, and processes by name."""

import os
import sys

import pytest

from memtui.live.processes import NO_MEMORY, read_commands, read_tasks, resolve
from memtui.live.procfs import Procfs
from memtui.model.errors import ProcessGone, SourceError
from memtui.model.task import Task

PF_KTHREAD = 0x200000


@pytest.fixture
def procfs(fake) -> Procfs:
    return Procfs(str(fake.root))


def test_the_figures_of_a_process(fake, procfs):
    fake.add(42, "a) b", adj=300)
    (task,) = read_tasks(procfs)
    assert task == Task(
        pid=42,
        comm="a) b",
        ppid=1,
        uid=1000,
        nice=-5,
        state="S",
        start_time=100,
        total_vm=6,
        rss_pages=6,
        swap_pages=4,
        pgtable_pages=5,
        oom_score_adj=300,
        kernel_oom_score=666,
        never=None,
    )


def test_the_order_is_that_of_creation(fake, procfs):
    for pid, start in [(9, 50), (10, 40), (300, 40), (2, 60)]:
        fake.add(pid, start=start)
    assert [task.pid for task in read_tasks(procfs)] == [10, 300, 9, 2]
    assert [task.pid for task in read_tasks(procfs, [2, 9, 77, 10])] == [2, 9, 10]


def test_who_is_never_killed(fake, procfs):
    fake.add(1, "init")
    fake.add(2, "kthreadd", flags=PF_KTHREAD, memory=False)
    fake.add(3, "zombie", state="Z", memory=False)
    fake.add(4, "plain")
    tasks = {task.pid: task for task in read_tasks(procfs)}
    assert {pid: task.never for pid, task in tasks.items()} == {
        1: "global init",
        2: "kernel thread",
        3: NO_MEMORY,
        4: None,
    }
    assert tasks[2].rss_pages is None


def test_the_init_of_a_container_may_be_killed(fake, procfs):
    fake.add(1, "init")
    (fake.root / "self/ns").mkdir()
    (fake.root / "self/ns/pid").symlink_to("pid:[4026532300]")
    assert read_tasks(procfs)[0].never is None


def test_a_process_whose_main_thread_exited_has_the_figures_of_another(fake, procfs):
    fake.add(50, state="Z", threads=2, memory=False)
    fake.status("50/task/50/status", memory=False)
    fake.status("50/task/51/status")
    (task,) = read_tasks(procfs)
    assert (task.never, task.rss_pages, task.state) == (None, 6, "Z")


def test_what_did_not_change_is_the_same_object(fake, procfs):
    fake.add(5)
    fake.add(6)
    before = read_tasks(procfs)
    fake.add(6, adj=1)
    after = read_tasks(procfs, previous=before)
    assert after[0] is before[0]
    assert after[1].oom_score_adj == 1


def test_a_process_that_exits_while_it_is_read_is_left_out(fake, procfs):
    fake.add(5)
    fake.add(6)
    (fake.root / "7").symlink_to("gone")
    assert [task.pid for task in read_tasks(procfs)] == [5, 6]


def test_a_figure_that_this_kernel_does_not_have_is_unknown(fake, procfs):
    fake.add(5)
    fake.remove("5/oom_score")
    assert read_tasks(procfs)[0].kernel_oom_score is None


@pytest.mark.parametrize(("name", "pid"), [("postgres", 7), ("true", 8), ("123", 123), ("prog", 10)])
def test_a_process_by_number_comm_or_program(fake, procfs, name, pid):
    fake.add(7, "postgres")
    fake.add(8, "true")
    fake.add(10, "worker")
    fake.write("10/cmdline", "/opt/prog\0true\0")
    assert resolve(name, procfs) == pid


def test_a_name_of_nobody_and_one_of_many(fake, procfs):
    for pid in range(20, 35):
        fake.add(pid, "sh")
    with pytest.raises(ProcessGone, match="no process is called 'nobody'"):
        resolve("nobody", procfs)
    with pytest.raises(
        SourceError, match=r"15 processes are called 'sh': 20, 21, .*29, \.\.\. \(choose one by its pid\)"
    ):
        resolve("sh", procfs)
    fake.add(os.getpid(), "me")
    with pytest.raises(ProcessGone):
        resolve("me", procfs)


def test_command_lines():
    assert read_commands(Procfs(), [os.getpid(), 2**22 + 1]) == {
        os.getpid(): " ".join([sys.orig_argv[0].rpartition("/")[2], *sys.orig_argv[1:]])
    }
