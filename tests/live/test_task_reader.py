"""Processes that are read again only when they moved."""

import os
import signal
import subprocess
import time
from pathlib import Path

from memtui.live.procfs import Procfs
from memtui.live.task_reader import TaskReader


def task_of(reader: TaskReader, pid: int):
    return next((task for task in reader.read() if task.pid == pid), None)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_moves_is_seen_and_what_does_not_is_the_same_object() -> None:
    reader = TaskReader(Procfs())
    with subprocess.Popen(["sleep", "60"]) as child:
        time.sleep(0.2)
        first = task_of(reader, child.pid)
        assert first is not None
        assert first.oom_score_adj == 0
        assert task_of(reader, child.pid) is task_of(reader, child.pid) is first
        Path(f"/proc/{child.pid}/oom_score_adj").write_text("300")
        moved = task_of(reader, child.pid)
        assert moved is not None
        assert (moved.oom_score_adj, moved.pid) == (300, child.pid)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert task_of(reader, child.pid) is None
    reader.close()


def test_files_are_kept_open_from_the_second_look_on_and_let_go() -> None:
    before = descriptors()
    reader = TaskReader(Procfs())
    reader.read()
    assert descriptors() == before
    reader.read()
    assert descriptors() > before
    reader.close()
    assert descriptors() == before
    reader.read()
    reader.read()
    del reader
    assert descriptors() == before


def test_another_process_of_the_same_number_is_read_anew(fake) -> None:
    fake.add(42, "first")
    (fake.root / "42/statm").write_text("1 1 1 1 0 1 0\n")
    reader = TaskReader(Procfs(str(fake.root)))
    for _ in range(3):
        assert task_of(reader, 42).comm == "first"
    fake.add(42, "second", start=999)
    # Its files are other ones; those of the first would say ESRCH.
    reader.close()
    assert task_of(reader, 42).comm == "second"


def test_few_descriptors_are_enough(monkeypatch) -> None:
    reader = TaskReader(Procfs())
    reader._room = 3
    for _ in range(3):
        pids = [task.pid for task in reader.read()]
    assert os.getpid() in pids
    assert sum(bool(known.fds) for known in reader._known.values()) == 3
    reader.close()
