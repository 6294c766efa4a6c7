"""LiveSource over trees of plain files and over real processes."""

import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from memtui import elf_reader
from memtui.draw.maps_text import maps_text
from memtui.live import address_space
from memtui.live import procfs as proc_files
from memtui.live.elf_files import LiveElf
from memtui.live.pace import Pace
from memtui.live.procfs import Procfs
from memtui.live.source import LiveSource
from memtui.model.errors import Cancelled, NotSupported, ProcessGone, SourceError
from memtui.model.pages import Residence
from memtui.model.progress import unwatched
from memtui.model.request import Focus, Measure, Refresh, SetOomScoreAdj, ShowHeap, ShowOldRule, ShowSharing, Step
from memtui.model.vma import VmaKind

PF_KTHREAD = 0x200000
FIGURES = "Size:                 16 kB\nRss:                   4 kB\nVmFlags: rd ex mr \n"
PRESENT, FILE, EXCLUSIVE, SWAP = 1 << 63, 1 << 61, 1 << 56, 1 << 62


@pytest.fixture
def procfs(fake) -> Procfs:
    return Procfs(str(fake.root))


def pagemap(fake, pid: int, entries: dict[int, int]) -> None:
    """Entries by address; the file is read plainly, for it has no ioctl."""
    path = fake.root / f"{pid}/pagemap"
    with path.open("wb") as stream:
        for address, entry in entries.items():
            stream.seek(address // 4096 * 8)
            stream.write(entry.to_bytes(8, "little"))


def smaps_of(maps: str) -> str:
    return "".join(line + FIGURES for line in maps.splitlines(keepends=True))


def refused(source: LiveSource, request: Any = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.apply(request or Refresh())
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def process(fake, monkeypatch) -> Any:
    """Process 42 of four pages of text and two of heap, which is read anew at each look."""
    monkeypatch.setattr("memtui.live.pace.FREE", float("inf"))
    fake.add(42, "first")
    maps = (fake.root / "42/maps").read_text()
    fake.write("42/smaps", smaps_of(maps))
    pagemap(
        fake, 42, {0x400000: PRESENT | FILE, 0x401000: PRESENT | FILE, 0x600000: PRESENT | EXCLUSIVE, 0x601000: SWAP}
    )
    return fake


def test_a_process_of_a_tree(process, procfs):
    source = LiveSource(42, procfs=procfs)
    snapshot = source.apply(Refresh())
    mm = snapshot.mm
    assert mm is not None
    assert (snapshot.source, snapshot.title, mm.comm) == ("live", "42 first", "first")
    assert [task.pid for task in snapshot.tasks] == [42]
    assert snapshot.domain is not None
    assert (snapshot.domain.name, snapshot.domain.pages) == (None, 1100)
    assert [vma.kind for vma in mm.vmas] == [VmaKind.FILE, VmaKind.HEAP]
    assert maps_text(mm.vmas) == (process.root / "42/maps").read_text()
    text, heap = mm.vmas
    assert [(run.start, run.pages, run.residence) for run in text.runs] == [(0x400000, 2, Residence.PAGE_CACHE)]
    assert [run.residence for run in heap.runs] == [Residence.ANON, Residence.SWAPPED]
    assert text.smaps.rss == 4
    assert mm.counters.vm_size == 24
    assert (mm.start_brk, mm.start_stack, mm.brk) == (0x600000, 0x7FFC0000, None)
    assert mm.cmdline == ("/usr/bin/first", "-v")
    assert set(mm.unknown) == {"brk", "exe"}
    assert snapshot.cost_ms is not None


def test_what_did_not_change_is_the_same_object(process, procfs):
    source = LiveSource(42, procfs=procfs)
    before = source.apply(Refresh())
    after = source.apply(Refresh())
    for part in ("mm", "system", "tasks", "domain"):
        assert getattr(after, part) is getattr(before, part), part
    pagemap(process, 42, {0x400000: PRESENT | FILE, 0x600000: PRESENT | EXCLUSIVE, 0x601000: SWAP})
    changed = source.apply(Refresh())
    assert changed.mm is not before.mm
    assert changed.mm.vmas[0] is not before.mm.vmas[0]
    assert changed.mm.vmas[1] is before.mm.vmas[1]


def test_a_mapping_that_came_between_the_two_files_has_no_figures_and_a_reason(process, procfs):
    maps = (process.root / "42/maps").read_text()
    process.write("42/smaps", smaps_of(maps.replace("00602000", "00603000")))
    mm = LiveSource(42, procfs=procfs).apply(Refresh()).mm
    assert mm.vmas[0].smaps is not None
    assert (mm.vmas[1].smaps, mm.vmas[1].vm_flags) == (None, None)
    assert mm.unknown["smaps"] == "1 of 2 VMAs changed while they were read"
    assert mm.vmas[1].runs is not None


def test_the_first_look_at_very_many_vmas_may_be_at_the_beginning_only(process, procfs, monkeypatch):
    maps = "".join(f"{at:x}-{at + 4096:x} rw-p {at:x} fe:00 7        /bin/x\n" for at in range(1 << 22, 1 << 24, 4096))
    process.write("42/maps", maps)
    process.write("42/smaps", smaps_of(maps))
    monkeypatch.setattr(proc_files, "_CHUNK", 50)
    for name, value in (("_MANY", 100), ("_AT_FIRST", 4)):
        monkeypatch.setattr(address_space, name, value)
    source = LiveSource(42, procfs=procfs)
    first = source.apply(Refresh(whole=False)).mm
    assert [vma.start for vma in first.vmas] == [*range(1 << 22, first.read_to, 4096)]
    assert first.vmas[0].smaps is None
    assert first.vmas[0].runs is not None
    assert 0 < len(first.vmas) < 100
    whole = source.apply(Refresh(whole=False)).mm
    assert (len(whole.vmas), whole.read_to) == (3 << 10, None)
    assert whole.vmas[0] is first.vmas[0]
    assert whole.vmas[0].smaps is None
    assert source.apply(Refresh()).mm.vmas[-1].smaps is not None
    assert len(LiveSource(42, procfs=procfs).apply(Refresh()).mm.vmas) == 3 << 10


def test_figures_that_are_not_asked_for(process, procfs):
    mm = LiveSource(42, procfs=procfs, smaps=False).apply(Refresh()).mm
    assert mm.vmas[0].smaps is None
    assert mm.unknown["smaps"] == "not asked for"


def test_shared_memory_on_swap_is_noted(process, procfs):
    maps = "00400000-00404000 rw-s 00000000 00:01 7                                  /memfd:x (deleted)\n"
    process.write("42/maps", maps)
    process.write("42/smaps", smaps_of(maps).replace("VmFlags", "Swap:                  8 kB\nVmFlags"))
    mm = LiveSource(42, procfs=procfs).apply(Refresh()).mm
    assert mm.unknown["runs"] == "8 KiB of shared memory are on swap, which pagemap does not show"


def test_a_page_that_could_be_the_zero_page_is_unsure(process, procfs):
    pagemap(process, 42, {0x600000: PRESENT})
    mm = LiveSource(42, procfs=procfs).apply(Refresh()).mm
    assert [run.residence for run in mm.vmas[1].runs] == [Residence.UNKNOWN]
    assert "CAP_SYS_ADMIN" in mm.unknown["runs"]


def test_a_main_thread_that_exited_leaves_the_memory_to_the_others(process, procfs):
    maps = (process.root / "42/maps").read_text()
    process.add(42, "first", state="Z", threads=2, memory=False)
    process.status("42/task/42/status", memory=False)
    process.status("42/task/43/status")
    process.write("42/task/43/maps", maps)
    process.write("42/task/43/mountinfo", "")
    process.write("42/task/43/cmdline", "x\0")
    process.write("42/task/43/stat", (process.root / "42/stat").read_text())
    mm = LiveSource(42, procfs=procfs, smaps=False).apply(Refresh()).mm
    assert len(mm.vmas) == 2
    assert mm.counters.vm_size == 24
    assert mm.vmas[0].runs is None
    assert "this kernel has no" in mm.unknown["runs"]


def test_each_process_without_memory_has_its_line(fake, procfs):
    fake.add(2, "kthreadd", flags=PF_KTHREAD, memory=False)
    fake.add(3, "dead\nbeef", state="Z", memory=False)
    fake.add(4, "leaving", memory=False)
    lines = {pid: refused(LiveSource(pid, procfs=procfs)) for pid in (2, 3, 4, 5)}
    assert {pid: (type(error), str(error)) for pid, error in lines.items()} == {
        2: (NotSupported, "process 2 (kthreadd) is a kernel thread: it has no address space"),
        3: (ProcessGone, "process 3 (dead?beef) has exited: a zombie has no memory"),
        4: (ProcessGone, "process 4 (leaving) has exited"),
        5: (ProcessGone, "no process 5"),
    }


def test_another_process_with_the_same_number_is_not_taken_for_it(fake, procfs):
    fake.add(42, "first")
    source = LiveSource(42, procfs=procfs)
    source.apply(Refresh())
    fake.add(42, "second", start=101)
    error = refused(source)
    assert isinstance(error, ProcessGone)
    assert str(error) == "process 42 (first) has exited; second has its number now"


def test_without_a_process_the_machine_is_shown(fake, procfs):
    fake.add(42)
    source = LiveSource(None, procfs=procfs)
    snapshot = source.apply(Refresh())
    assert snapshot.mm is None
    assert snapshot.unknown["mm"] == "no process is chosen"
    assert snapshot.title == "all processes"
    assert source.apply(Focus(42)).mm.pid == 42
    assert source.apply(Refresh()).mm.pid == 42


def test_a_focus_that_fails_keeps_the_former_process(process, procfs):
    source = LiveSource(42, procfs=procfs)
    before = source.apply(Refresh())
    assert isinstance(refused(source, Focus(43)), ProcessGone)
    assert source.apply(Refresh()).mm is before.mm


def test_a_live_process_has_no_steps_and_a_closed_source_nothing(process, procfs):
    source = LiveSource(42, procfs=procfs)
    assert Step not in source.accepts
    assert isinstance(refused(source, Step()), NotSupported)
    source.close()
    assert "closed" in str(refused(source))


def test_the_first_picture_of_very_many_vmas_does_not_wait_for_smaps(process, procfs, monkeypatch):
    monkeypatch.setattr("memtui.live.address_space._MANY", 1)
    source = LiveSource(42, procfs=procfs)
    first = source.apply(Refresh()).mm
    assert all(vma.smaps is None for vma in first.vmas)
    assert all(vma.runs is not None for vma in first.vmas)
    assert "next look" in first.unknown["smaps"]
    second = source.apply(Refresh()).mm
    assert all(vma.smaps is not None for vma in second.vmas)
    assert "smaps" not in second.unknown
    assert all(vma.smaps is not None for vma in LiveSource(42, procfs=procfs).apply(Measure()).mm.vmas)


def test_a_reading_that_is_ended_leaves_the_source_as_it_was(process, procfs):
    source = LiveSource(42, procfs=procfs)
    before = source.apply(Refresh())
    read = []

    def stop(progress):
        read.append(progress.words)
        raise Cancelled("stopped")

    for request in (Measure(), ShowSharing(), ShowOldRule(), Refresh()):
        source.watch = stop
        with pytest.raises(Cancelled):
            source.apply(request)
        source.watch = unwatched
        again = source.apply(Refresh())
        # What was asked for is not read with the next look either.
        assert again.mm is before.mm
        assert again.sharing is None
        assert not again.legacy
    assert all(words.startswith(f"reading {procfs.root}/") for words in read)


def test_adj_is_written_and_shown(process, procfs):
    source = LiveSource(42, procfs=procfs)
    assert source.apply(SetOomScoreAdj(42, 300)).tasks[0].oom_score_adj == 300
    assert (process.root / "42/oom_score_adj").read_text().startswith("300")
    assert "-1000 to 1000" in str(refused(source, SetOomScoreAdj(42, 1001)))
    assert str(refused(source, SetOomScoreAdj(43, 1))) == "no process 43"


def test_dear_readings_are_spaced_and_cheap_ones_are_not():
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.due
    with pace.measured():
        now[0] += 0.0009
    assert pace.due
    with pace.measured():
        now[0] += 0.1
    assert not pace.due
    assert pace.why_old == ""
    now[0] += 9.9
    assert not pace.due
    assert pace.why_old == "over 5 s old: reading them takes 100 ms"
    now[0] += 0.2
    assert pace.due
    small = Pace(lambda: now[0], share=0.002)
    small.spent(0.01)
    now[0] += 4.9
    assert not small.due
    now[0] += 0.2
    assert small.due
    patient = Pace(lambda: now[0], longest=5.0)
    patient.spent(100.0)
    assert not patient.due
    now[0] += 5.1
    assert patient.due


def test_dear_figures_are_kept_with_their_age(process, procfs, monkeypatch):
    monkeypatch.setattr("memtui.live.pace.FREE", -1.0)
    monkeypatch.setattr("memtui.live.pace.SHARE", 1e-9)
    source = LiveSource(42, procfs=procfs)
    source.apply(Refresh())
    before = source.apply(Refresh())
    process.write("42/smaps", "")
    process.remove("42/pagemap")
    process.add(43)
    after = source.apply(Refresh())
    assert after.mm.vmas[0] is before.mm.vmas[0]
    assert after.mm is before.mm, "nothing was due"
    assert after.tasks is before.tasks
    monkeypatch.setattr("memtui.live.pace._AGES", (0,))
    told = source.apply(Refresh())
    assert set(told.mm.unknown) - set(before.mm.unknown) == {"maps"}
    assert "s old: reading them takes" in told.mm.unknown["maps"]
    assert "s old" in told.unknown["tasks"]


AS_NOBODY = """
import ctypes, os, pickle, sys
from memtui.live.source import LiveSource
from memtui.model.errors import SourceError
from memtui.model.request import Refresh, SetOomScoreAdj
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable again
pid = int(sys.argv[1]) or os.getpid()
requests = {"look": Refresh(), "protect": SetOomScoreAdj(pid, -500)}
try:
    answer = LiveSource(pid).apply(requests[sys.argv[2]])
    if answer.mm is not None:
        answer = (answer.mm.pid, [(vma.name, vma.smaps is None, vma.runs is None) for vma in answer.mm.vmas])
except SourceError as error:
    answer = (type(error).__name__, str(error))
sys.stdout.buffer.write(pickle.dumps(answer))
"""


def as_nobody(pid: int, what: str) -> Any:
    command = [sys.executable, "-c", AS_NOBODY, str(pid), what]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    return pickle.loads(done.stdout)


def test_a_process_of_another_user_is_denied_in_one_line(child):
    if os.geteuid() != 0:
        pytest.skip("needs root, to have a process that another user may not look at")
    kind, line = as_nobody(child.pid, "look")
    comm = Procfs().read(f"{child.pid}/comm").decode().strip()
    assert kind == "AccessDenied"
    assert line.startswith(f"process {child.pid} ({comm}): /proc/{child.pid}/maps is denied (")
    assert "CAP_SYS_PTRACE" in line


def test_without_rights_ones_own_process_is_complete():
    pid, vmas = as_nobody(0, "look")
    assert pid > 0
    assert len(vmas) > 10
    assert not [vma for vma in vmas if vma[1] or vma[2]]


def test_lowering_adj_needs_a_capability():
    kind, line = as_nobody(0, "protect")
    assert kind == "AccessDenied"
    assert "CAP_SYS_RESOURCE" in line


def test_a_process_that_dies_is_gone_and_stays_gone():
    command = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        source = LiveSource(child.pid)
        assert source.apply(Refresh()).mm.pid == child.pid
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = refused(source)
        child.communicate()
    assert isinstance(zombie, ProcessGone)
    assert "zombie" in str(zombie)
    gone = refused(source)
    assert isinstance(gone, ProcessGone)
    assert "has exited" in str(gone)


def test_a_kernel_thread_of_this_machine():
    if not os.path.exists("/proc/2") or b"kthreadd" not in Procfs().read("2/comm"):
        pytest.skip("pid 2 is no kernel thread here (a container)")
    error = refused(LiveSource(2))
    assert isinstance(error, NotSupported)
    assert "(kthreadd)" in str(error)


def test_the_live_child_is_shown_byte_for_byte(child):
    snapshot = LiveSource(child.pid).apply(Refresh())
    text = Procfs().read(f"{child.pid}/maps")
    assert maps_text(snapshot.mm.vmas).encode(errors="surrogateescape") == text
    assert snapshot.mm.exe == os.path.realpath(f"/proc/{child.pid}/exe")
    assert snapshot.mm.cmdline[1].endswith("memory_child.py")
    assert set(snapshot.mm.unknown) == {"brk"}
    assert not snapshot.unknown


ALONE = """
import ctypes, os, sys, threading
def go_on():
    while open(f"/proc/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z": pass
    os.write(1, b"x")
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=go_on).start()
ctypes.CDLL(None).syscall(60, 0)
"""


def test_what_other_threads_go_on_with_is_shown_whole():
    """Heap, files and symbols too: /proc of a main thread that exited has no memory, no descriptors and no root."""
    with subprocess.Popen([sys.executable, "-c", ALONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        source = LiveSource(process.pid)
        snapshot = source.apply(ShowHeap())
        while snapshot.mm is not None and snapshot.mm.heap is not None and snapshot.mm.heap.progress is not None:
            snapshot = source.apply(ShowHeap())
        mm = snapshot.mm
        assert mm is not None
        assert mm.heap is not None, mm.unknown.get("heap")
        assert mm.start_brk
        assert [file.path for file in mm.files]
        assert LiveElf(elf_reader).objects(mm).objects
        thread = max(map(int, os.listdir(f"/proc/{process.pid}/task")))
        maps = Path(f"/proc/{process.pid}/task/{thread}/maps").read_text()
        assert maps_text(mm.vmas).split() == maps.split()
        process.communicate(b"x")


def present(pid: int) -> int:
    """Pages that a process's page tables have, the kernel's own left out."""
    found = 0
    with open(f"/proc/{pid}/maps", "rb") as maps, open(f"/proc/{pid}/pagemap", "rb", buffering=0) as entries:
        for line in maps:
            start, end = (int(number, 16) >> 12 for number in line.split()[0].split(b"-"))
            if start < 1 << 35:
                table = os.pread(entries.fileno(), (end - start) * 8, start * 8)
                found += sum(byte >> 7 for byte in table[7::8])
    return found


@pytest.mark.parametrize("program", [["sleep", "100"], [sys.executable, "-c", "input()"], ["bash", "-c", "read x"]])
def test_looking_brings_no_page_into_the_process(program: list[str]):
    """Neither at its heap, whose libc has pages in .bss that nobody touched, nor at its threads and its ELF files."""
    with subprocess.Popen(program, stdin=subprocess.PIPE) as process:
        wchan = Path(f"/proc/{process.pid}/wchan")
        while not re.search("nanosleep|pipe_read", wchan.read_text()):
            time.sleep(0.001)
        before, source = present(process.pid), LiveSource(process.pid)
        snapshot = source.apply(ShowHeap())
        while snapshot.mm is not None and snapshot.mm.heap is not None and snapshot.mm.heap.progress is not None:
            snapshot = source.apply(ShowHeap())
        assert snapshot.mm is not None
        assert snapshot.mm.heap is not None, snapshot.mm.unknown.get("heap")
        assert LiveElf(elf_reader).objects(snapshot.mm).objects
        assert present(process.pid) == before
        process.kill()
