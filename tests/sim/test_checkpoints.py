"""A machine from a checkpoint is the machine that ran there from the start."""

import random

import pytest

from memtui.draw.maps_text import maps_text
from memtui.model.errors import Cancelled
from memtui.model.progress import Progress
from memtui.model.request import Inject, Seek
from memtui.model.snapshot import Snapshot
from memtui.scenarios.host import ScenarioHost
from memtui.sim import checkpoints, source
from memtui.sim.source import SimSource
from memtui.trace.parser import parse


def story(steps: int, seed: int = 1) -> str:
    """A trace of processes that map, write, unmap, allocate and fork."""
    chance = random.Random(seed)
    lines = ["machine(ram=1G)", 'execve("/demo/hello", ["hello"], 0)']
    for number in range(steps):
        size = chance.randrange(1, 40) * 4096
        lines.append(
            chance.choice(
                (
                    f"m{number} = mmap(NULL, {size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
                    f"touch(m{number}, 4096, WRITE)\n"
                    + (
                        f"munmap(m{number}, {size // 2})"
                        if size % 8192 == 0
                        else f"mprotect(m{number}, 4096, PROT_NONE)"
                    ),
                    f"p{number} = malloc({chance.randrange(1, 5000)})",
                    f"p{number} = malloc(100000)\nfree(p{number})",
                )
            )
        )
        if number % 200 == 100:
            lines.append("fork()")
    return "\n".join(lines) + "\n"


def plain(snapshot: Snapshot) -> object:
    assert snapshot.mm is not None
    assert snapshot.steps is not None
    done = snapshot.steps.steps[: snapshot.steps.cursor]
    return maps_text(snapshot.mm.vmas), snapshot.mm.counters, snapshot.system.meminfo, snapshot.tasks, done


def made(text: str) -> SimSource:
    return SimSource(parse(text, "story.trace"), ScenarioHost(), "story")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SPACING", 50)
    monkeypatch.setattr(source, "SPACING", 50)
    monkeypatch.setattr(checkpoints, "BYTES_A_STEP", 1 << 30)


def test_jumps_anywhere_give_what_a_fresh_run_gives():
    text = story(400)
    jumping, chance = made(text), random.Random(2)
    end = jumping.apply(Seek(1 << 62))
    assert end.steps is not None
    assert jumping._checkpoints.size > 0
    for place in chance.sample(range(2, len(end.steps.steps)), 12):
        snapshot = jumping.apply(Seek(place))
        jumping._machine.check()
        assert plain(snapshot) == plain(made(text).apply(Seek(place)))
    assert plain(jumping.apply(Seek(1 << 62))) == plain(end)


def test_a_jump_back_runs_few_steps():
    jumping = made(story(400))
    jumping.apply(Seek(1 << 62))
    reports: list[Progress] = []
    jumping.watch = reports.append
    before = jumping._machine
    jumping.apply(Seek(300))
    assert jumping._machine is not before
    assert jumping._checkpoints.nearest(300) > 240
    assert reports == []


def test_checkpoints_stay_within_their_bound(monkeypatch: pytest.MonkeyPatch):
    text = story(600)
    monkeypatch.setattr(checkpoints, "BUDGET", 400_000)
    bounded = made(text)
    bounded.apply(Seek(1 << 62))
    assert 0 < bounded._checkpoints.size <= 400_000
    assert plain(bounded.apply(Seek(333))) == plain(made(text).apply(Seek(333)))


def test_an_injected_step_forgets_what_lies_behind_it():
    changed = made(story(300))
    changed.apply(Seek(1 << 62))
    changed.apply(Seek(200))
    changed.apply(Inject("mmap(NULL, 123456, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"))
    assert changed._checkpoints.nearest(1 << 62) <= 200
    there = changed.apply(Seek(400))
    assert "mmap(NULL, 123456" in there.steps.steps[200].text
    assert plain(changed.apply(Seek(400))) == plain(there)


def test_whoever_watches_can_stop_a_long_run():
    stopped, reports = made(story(900)), []

    def watch(progress: Progress) -> None:
        reports.append(progress)
        raise Cancelled("stopped")

    stopped.watch = watch
    with pytest.raises(Cancelled):
        stopped.apply(Seek(1 << 62))
    assert [report.what for report in reports] == ["replaying"]
    stopped.watch = reports.append
    assert plain(stopped.apply(Seek(700))) == plain(made(story(900)).apply(Seek(700)))


def processes(count: int) -> str:
    """A log of processes that come and go, and of which one is named once more."""
    lines = ['100 execve("/demo/hello", ["hello"], 0) = 0']
    for pid in range(101, 101 + count):
        lines += [f"100 fork() = {pid}", f"{pid} mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"]
        lines += [f"{pid} exit_group(0) = ?", f"{pid} +++ exited with 0 +++"]
    lines += [f"{pid} mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)" for pid in (100, 99 + count)]
    lines += [f'100 readlink("/proc/{99 + count}/exe", 0, 99)', f"100 fork() = {100 + count}", "100 exit_group(0) = ?"]
    return "\n".join(lines) + "\n"


def test_of_processes_that_are_gone_a_checkpoint_has_little_and_the_rest_runs_the_same():
    sizes = []
    for count in (50, 150):
        text = processes(count)
        whole = made(text)
        end = whole.apply(Seek(1 << 62))
        assert end.steps is not None
        last = len(end.steps.steps)
        assert any("has ended" in step.why or "exited with status" in step.why for step in end.steps.steps[-5:])
        there = made(text)
        there.apply(Seek(last - 5))
        state = there._checkpoints.saved(there._machine)
        sizes.append(len(state))
        machine = there._checkpoints.loaded(state)
        assert [machine.step() for _ in range(5)] == list(end.steps.steps[last - 5 :])
        machine.check()
    assert (sizes[1] - sizes[0]) / 100 < 150, "bytes for each process that is gone"


def test_files_in_a_checkpoint_are_what_they_were():
    lines = ["machine(ram=64M)", 'execve("/demo/hello", ["hello"], 0)', 'fd = open("/tmp/a", O_RDWR|O_CREAT, 0600)']
    lines += ["write(fd, 0, 100000)", "p = mmap(NULL, 64K, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0)"]
    lines += ["touch(p, 64K, WRITE)", 'unlink("/tmp/a")', "ftruncate(fd, 20000)", "fsync(fd)", "touch(p, 1, READ)"]
    lines += ["lseek(fd, 0, SEEK_SET)", "read(fd, 0, 50000)", "munmap(p, 64K)", "close(fd)", "sync()"]
    end = made("\n".join(lines)).apply(Seek(1 << 62))
    assert end.steps is not None
    for position in range(len(end.steps.steps)):
        there = made("\n".join(lines))
        there.apply(Seek(position))
        machine = there._checkpoints.loaded(there._checkpoints.saved(there._machine))
        machine.check()
        assert [machine.step() for _ in end.steps.steps[position:]] == list(end.steps.steps[position:])
