"""Real programs replayed from their logs: each process's map before its exit_group is the kernel's.

Two things no log tells, and they are left out of the comparison: how far page faults have grown the stack down
(what is predicted must not be more), and the inode numbers of files that the program made itself. A third is the order
of calls of several threads that overlap: it follows from the results, and where they are cut off and the replay says
that the order is open, nothing is certain and nothing compared.
"""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from memtui.draw.maps_text import maps_text
from memtui.elf_reader import read_elf
from memtui.live.host import LiveHost
from memtui.model.event import EventKind
from memtui.model.request import Focus, Seek
from memtui.model.snapshot import Snapshot
from memtui.sim.source import SimSource
from memtui.trace.parser import parse
from tests.oracle.replay_real import Recording, needs, record, without_results

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not platform.release().startswith("6.18"), reason="predicted exactly is Linux 6.18"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(shutil.which("setarch") is None, reason="setarch is not installed"),
]
IMPORTS = "json, re, os, collections, decimal, ctypes, sqlite3, asyncio, email, unittest, xml.dom.minidom"
THREADS_AND_FORK = """
import os, subprocess, threading
subprocess.run(["ls", "/"])
threads = [threading.Thread(target=lambda: [bytearray(100000) for _ in range(50)]) for _ in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
child = os.fork()
blocks = [bytes(size) for size in range(10000)]
if child: os.wait()
"""
PROGRAMS = {
    "sh": ["sh", "-c", "ls / | cat; for i in 1 2; do /bin/true; done; x=$(cat /etc/hostname)"],
    "dash": ["dash", "-c", "exec 3</etc/passwd; while read x <&3; do y=$y$x; done; (cd /etc; cat hostname) | sort"],
    "bash": ["bash", "-c", "for f in $(ls /usr/bin | head -50); do y=$y$f; done; echo ${#y}; cat /etc/hostname | sort"],
    "python3": ["/usr/bin/python3", "-c", f"import {IMPORTS}; x = [bytes(5000 * i) for i in range(100)]"],
    "python3 with threads and children": ["/usr/bin/python3", "-c", THREADS_AND_FORK],
    "node": ["node", "-e", "let a = []; for (let i = 0; i < 1e5; i++) a.push({i}); console.log(a.length)"],
    "perl": ["perl", "-MPOSIX", "-MData::Dumper", "-e", "my @a = map {$_ x 100} 1..20000; print scalar @a"],
    "java": ["java", "-version"],
    "awk": ["awk", "BEGIN { for (i = 0; i < 20000; i++) a[i] = i; print length(a) }"],
    "find": ["find", "/etc", "-maxdepth", "2"],
    "sort": ["sort", "-R", "/etc/services"],
}
WITH_THREADS = {"python3 with threads and children", "node", "java"}
THREADED = r"""
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static void *work(void *unused) {
    char *block[200];
    for (int i = 0; i < 200; i++) memset(block[i] = malloc(100 + i * 37), 1, 100);
    for (int i = 0; i < 200; i += 2) free(block[i]);
    char *big = malloc(300000);
    memset(big, 1, 300000);
    free(big);
    return NULL;
}
int main(void) {
    pthread_t thread[6];
    for (int i = 0; i < 6; i++) pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < 6; i++) pthread_join(thread[i], NULL);
}
"""
IN_TURNS = r"""
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
static sem_t worked, go_on[6];
static void *work(void *which) {
    char *block[200];
    for (int i = 0; i < 200; i++) memset(block[i] = malloc(100 + i * 37), 1, 100);
    for (int i = 0; i < 200; i += 2) free(block[i]);
    free(memset(malloc(300000), 1, 300000));
    sem_post(&worked);
    sem_wait(&go_on[(intptr_t)which]);
    free(memset(malloc(500000), 1, 500000));
    return NULL;
}
int main(void) {
    pthread_t thread[6];
    sem_init(&worked, 0, 0);
    for (intptr_t i = 0; i < 6; i++) {
        sem_init(&go_on[i], 0, 0);
        pthread_create(&thread[i], NULL, work, (void *)i);
        sem_wait(&worked);
    }
    for (int i = 0; i < 6; i++) {
        sem_post(&go_on[i]);
        pthread_join(thread[i], NULL);
    }
}
"""
"""Six threads with arenas of their own, of which never two change the map at once."""
FORKING = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
static void grow(void) {
    for (int i = 0; i < 300; i++) memset(malloc(1000 + i), 1, 900);
    for (int i = 0; i < 3; i++) *(char *)mmap(NULL, 1 << (15 + i), 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
}
int main(void) {
    grow();
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            grow();
            if (i & 1 && !fork()) { grow(); _exit(0); }
            while (wait(NULL) > 0) ;
            _exit(0);
        }
    while (wait(NULL) > 0) ;
    if (!vfork()) execlp("true", "true", (char *)NULL);
    execlp("cat", "cat", "/etc/hostname", (char *)NULL);
}
"""


def check(recording: Recording, *, alone: bool = True) -> None:
    """Replay with the results and without them; every map must be the kernel's, and no memory call may differ.

    Args:
        recording: of a program and its children.
        alone: whether no two of its threads change the map at once, so that nothing is left open.
    """
    for log in (recording.log, without_results(recording.log)):
        trace = parse(log, "log")
        source = SimSource(trace, LiveHost(read_elf), "log")
        whole = source.apply(Seek(1 << 62))
        source._machine.check()
        assert divergences(whole) == []
        assert recording.maps
        if log is not recording.log and left_open(whole):
            assert not alone
            continue
        for pid, real in recording.maps.items():
            assert whole.steps is not None
            end = max(step.number for step in whole.steps.steps if step.pid == pid and "exit_group(" in step.text)
            held = next(one.opened or one.line for one in reversed(trace.statements) if one.line == line_of(whole, end))
            compare(source, pid, real, end, held)


def line_of(snapshot: Snapshot, number: int) -> int:
    assert snapshot.steps is not None
    return snapshot.steps.steps[number - 1].line


def compare(source: SimSource, pid: int, real: str, end: int, held: int) -> None:
    """The map was read while strace held step `end`, from line `held` of the log on: other threads may have gone on."""
    for last in range(end - 1, 0, -1):
        source.apply(Seek(last))
        snapshot = source.apply(Focus(pid))
        assert snapshot.mm is not None, snapshot.unknown
        predicted = maps_text(snapshot.mm.vmas)
        assert lowest_stack(predicted) >= lowest_stack(real)
        if comparable(predicted) == comparable(real):
            return
        if line_of(snapshot, last) < held:
            assert comparable(predicted) == comparable(real)


def left_open(snapshot: Snapshot) -> list[str]:
    """The calls of which the replay says that another may have taken effect first."""
    assert snapshot.steps is not None
    return [event.text for step in snapshot.steps.steps for event in step.events if "leaves open whether" in event.text]


def divergences(snapshot: Snapshot) -> list[str]:
    assert snapshot.steps is not None
    return [
        f"{step.number} {step.text}: {event.text}"
        for step in snapshot.steps.steps
        for event in step.events
        if event.kind is EventKind.DIVERGENCE
    ]


def lowest_stack(maps: str) -> int:
    return next(int(line.split("-")[0], 16) for line in maps.splitlines() if line.endswith("[stack]"))


def comparable(maps: str) -> list[str]:
    """The lines without what no log tells."""
    lines = []
    for line in maps.splitlines():
        if line.endswith("[stack]"):
            line = line.partition("-")[2]
        elif line.endswith(" (deleted)") and not line.endswith("/dev/zero (deleted)"):
            line = re.sub(r"^((?:\S+ ){4})\d+ +", r"\1", line)
        lines.append(line)
    return lines


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_final_map_of_a_program(tmp_path: Path, name: str):
    needs(PROGRAMS[name][0])
    check(record(PROGRAMS[name], tmp_path, "-s", "300"), alone=name not in WITH_THREADS)


@pytest.mark.parametrize("source", [THREADED, IN_TURNS, FORKING], ids=["threads", "threads in turns", "forks"])
def test_the_final_map_of_a_compiled_program(tmp_path: Path, source: str):
    needs("gcc")
    (tmp_path / "program.c").write_text(source)
    subprocess.run(["gcc", "-O1", "-pthread", "program.c", "-o", "program"], cwd=tmp_path, check=True)
    check(record([str(tmp_path / "program")], tmp_path), alone=source is not THREADED)


def test_the_compiler_and_its_children(tmp_path: Path):
    needs("gcc")
    (tmp_path / "program.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); }\n')
    recording = record(["gcc", "-O2", "program.c", "-o", "program"], tmp_path, "-s", "300", cwd=tmp_path)
    check(recording)
    assert len(recording.maps) > 2


def test_git_which_maps_its_packs(tmp_path: Path):
    needs("git")
    repository = tmp_path / "repository"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for number in range(3):
        (repository / f"file{number}").write_text("x" * 10000 * number)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", str(number)], check=True)
    subprocess.run([*git, "gc", "-q"], check=True)
    check(record(["git", "-C", str(repository), "log", "--stat"], tmp_path, "-s", "300"))
