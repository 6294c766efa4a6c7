"""What each kind of line does to the simulated machine."""

import pytest

from memtui.model.errors import ParseError
from memtui.model.event import EventKind
from memtui.model.request import Inject, Seek, Step
from memtui.model.snapshot import Snapshot

START = 'execve("/demo/hello", ["hello"], 0)\n'
ENDING = 1 << 62


def last(snapshot: Snapshot):
    """The step that ran last."""
    assert snapshot.steps is not None
    return snapshot.steps.steps[snapshot.steps.cursor - 1]


def texts(snapshot: Snapshot) -> list[str]:
    assert snapshot.steps is not None
    return [step.text for step in snapshot.steps.steps]


@pytest.mark.parametrize(
    ("line", "figures"),
    [
        ("machine(ram=64M, swap=32M)", {"MemTotal": 65536, "SwapTotal": 32768, "CommitLimit": 65536}),
        ("machine(ram=1G)", {"MemTotal": 1 << 20, "SwapTotal": 65536}),
        ("machine(swap=0)", {"MemTotal": 256 << 10, "SwapTotal": 0}),
    ],
)
def test_machine_states_ram_and_swap(simulate, line: str, figures: dict[str, int]):
    meminfo = simulate(line).apply(Step()).system.meminfo
    assert {name: meminfo[name] for name in figures} == figures


def test_what_the_kernel_derives_from_ram_follows_the_stated_one(simulate):
    """1/32 of 64 MiB for root and for each user; isqrt(16 * 65536 KiB), and huge pages raise it to 1/20."""
    sysctl = simulate("machine(ram=64M)").apply(Step()).system.sysctl
    assert (sysctl["user_reserve_kbytes"], sysctl["admin_reserve_kbytes"]) == (2048, 2048)
    assert 1024 <= sysctl["min_free_kbytes"] < 65536 // 16


def test_a_machine_that_has_no_room_for_a_stack_says_so(simulate):
    with pytest.raises(ParseError, match="no room for the stack of a program"):
        simulate("machine(ram=64K)\nbrk(0)\n").apply(Seek(2))


def test_machine_states_the_kernel_and_the_stack(end):
    snapshot = end('machine(kernel="6.1", stack=256M)\n' + START)
    assert snapshot.system.release == "6.1"
    assert max(vma.end for vma in snapshot.mm.vmas if vma.name.endswith("so.2")) == 0x7FFFEFEFF000
    unlimited = end('machine(stack="unlimited")\n' + START)
    assert max(vma.end for vma in unlimited.mm.vmas if vma.name.endswith("so.2")) == 0x155555556000


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("machine(rum=64M)", "rum: expected one of ram, swap, kernel, allocator, glibc, aslr"),
        ("machine(64M)", "expected one of ram"),
        ('machine(ram="much")', "ram: expected a number"),
        ("machine(ram=100)", "at least one page"),
        ('machine(kernel="new")', "kernel: expected a release"),
        ("machine(kernel=6)", "kernel: expected a release"),
        ('machine(allocator="hoard")', "allocator: expected one of ptmalloc"),
    ],
)
def test_a_wrong_machine_is_refused_with_its_place(simulate, line: str, words: str):
    with pytest.raises(ParseError, match=words) as caught:
        simulate(line + "\n" + START)
    assert str(caught.value).startswith("test.trace:1")


def test_aslr_is_random_by_its_seed(end):
    one, again, other = (end(f"machine(aslr={seed})\n{START}p = malloc(1)\n") for seed in (1, 1, 2))
    plain = end(START + "p = malloc(1)\n")
    assert one.mm.vmas == again.mm.vmas
    starts = [{vma.start for vma in snapshot.mm.vmas} - {0xFFFFFFFFFF600000} for snapshot in (one, other, plain)]
    assert not starts[0] & starts[1]
    assert not starts[0] & starts[2]
    for snapshot in (one, other):
        by_name = {vma.name: vma for vma in snapshot.mm.vmas}
        assert 0x555555554000 <= by_name["/demo/hello"].start < 0x555555554000 + (1 << 40)
        assert by_name["[stack]"].end <= 0x7FFFFFFFF000
        assert by_name["/demo/hello"].end < by_name["[heap]"].start < by_name["/demo/hello"].end + (1 << 30) + 4096
        assert [vma.size for vma in snapshot.mm.vmas if vma.name != "[stack]"] == [
            vma.size for vma in plain.mm.vmas if vma.name != "[stack]"
        ]


def test_without_machine_it_is_the_host(end):
    assert end(START).system.meminfo["MemTotal"] == 256 << 10


def test_a_trace_without_execve_has_a_stack_and_a_break(end):
    snapshot = end("p = malloc(100)\nm = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n")
    assert [vma.name for vma in snapshot.mm.vmas] == ["[heap]", "", "[stack]", "[vsyscall]"]
    assert snapshot.mm.vmas[0].start == 0x555555555000


def test_names_bind_results_and_take_offsets(end):
    snapshot = end(
        "m = mmap(NULL, 1M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        "munmap(m+4096, 4K)\nmunmap(m+1M-8192, 4096)\n"
    )
    assert texts(snapshot)[1:] == [
        "munmap(0x7ffff7f00000, 4096)            = 0",
        "munmap(0x7ffff7ffd000, 4096)            = 0",
    ]


def test_a_call_in_a_log_with_an_unknown_name_is_refused_with_its_place(simulate):
    with pytest.raises(ParseError, match=r"test\.trace:2.*nothing"):
        simulate("brk(NULL) = 0x1000\nmunmap(nothing, 4096)\n").apply(Seek(ENDING))


def test_too_few_arguments_are_refused_with_their_place(simulate):
    sim = simulate("brk(NULL)\nmmap(NULL, 4096)\n")
    with pytest.raises(ParseError, match=r"^test\.trace:2: mmap: expected 6 arguments, not 2"):
        sim.apply(Seek(ENDING))
    assert sim.apply(Seek(1)).steps.cursor == 1


def test_unknown_calls_are_kept_and_counted(end):
    snapshot = end("getpid() = 7\nfutex(0x1000, FUTEX_WAIT, 1, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n")
    assert texts(snapshot) == [
        "getpid() = 7",
        "futex(0x1000, FUTEX_WAIT, 1, NULL) = -1 EAGAIN (Resource temporarily unavailable)",
    ]
    assert snapshot.steps.without_effect == 2
    assert last(snapshot).events[0].kind is EventKind.NO_EFFECT


def test_failures_are_events_and_print_as_strace_does(end):
    snapshot = end("mmap(NULL, 4097, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE, -1, 1)\n")
    assert last(snapshot).text.endswith("= -1 EINVAL (Invalid argument)")
    assert last(snapshot).events[0].kind is EventKind.FAILURE
    assert "page size" in last(snapshot).why


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("touch(0x1000, 1, READ)", "SIGSEGV SEGV_MAPERR"),
        ("touch(m, 1, WRITE)", "SIGSEGV SEGV_ACCERR"),
        ("touch(f+4096, 1, READ)", "SIGBUS BUS_ADRERR"),
        ("free(m+16)", "SIGABRT"),
    ],
)
def test_a_signal_ends_the_process(end, line: str, words: str):
    snapshot = end(
        f"{START}m = mmap(NULL, 4K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        'fd = memfd_create("x", 0)\nftruncate(fd, 4096)\n'
        f"f = mmap(NULL, 8K, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0)\n{line}\n"
    )
    event = last(snapshot).events[0]
    assert event.kind is EventKind.SIGNAL
    assert words.split()[0] in event.text
    assert words in last(snapshot).why or words in event.text
    assert snapshot.mm is None
    assert "was killed by " + words.split()[0] in snapshot.unknown["mm"]
    assert snapshot.tasks == ()
    assert snapshot.system.meminfo["AnonPages"] == 0
    assert snapshot.system.meminfo["Committed_AS"] == 0


def test_lines_of_an_ended_process_have_no_effect(end):
    snapshot = end(f"{START}exit_group(3)\nbrk(NULL)\n")
    assert last(snapshot).events[0].text == "process 1000 exited with status 3"
    assert snapshot.steps.without_effect == 1


def test_fork_copies_the_allocator_too(end):
    snapshot = end(
        f"{START}p = malloc(100)\nc = fork()\n"
        "[pid 1001] q = malloc(200000)\nr = malloc(200)\n[pid 1001] s = malloc(200)\n"
        "[pid 1001] free(p)\nt = malloc(100)\n"
    )
    assert [text.partition("= ")[2] for text in texts(snapshot)[1:]] == [
        "0x5555555592a0",
        "1001",
        "0x7ffff7f91010",
        "0x555555559310",
        "0x555555559310",
        "<void>",
        "0x5555555593e0",
    ]
    assert [(task.pid, task.ppid, task.rss_pages) for task in snapshot.tasks] == [(1000, 1, 4), (1001, 1000, 5)]
    assert snapshot.system.meminfo["AnonPages"] == 4 * (4 + 2)


def test_vfork_shares_and_execve_parts(end):
    shared = end(f"{START}vfork()\n")
    assert [task.never for task in shared.tasks] == [None, "in vfork"]
    parted = end(f'{START}vfork()\n[pid 1001] execve("/demo/hello", ["hi"], 0)\n')
    assert [task.never for task in parted.tasks] == [None, None]
    assert parted.system.meminfo["AnonPages"] == 24


def test_threads_live_in_one_address_space(end):
    flags = "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
    threads = (
        f"{START}clone3({{flags={flags}, child_tid=0x1000, exit_signal=0, stack=0x2000, stack_size=0x1000}}, 88)\n"
        "[pid 1001] m = mmap(NULL, 64K, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n[pid 1001] exit(0)\n"
    )
    snapshot = end(threads + "touch(m, 4K, READ)\n")
    assert [task.pid for task in snapshot.tasks] == [1000]
    assert last(snapshot).text.endswith("= 0")
    assert end(threads + "exit_group(0)\n").tasks == ()


def test_execve_closes_what_it_should(end):
    snapshot = end(
        'openat(AT_FDCWD, "/demo/hello", O_RDONLY|O_CLOEXEC)\nopenat(AT_FDCWD, "/demo/hello", O_RDONLY)\n'
        f'{START}openat(AT_FDCWD, "/demo/hello", O_RDONLY)\nclose(4)\nclose(5)\n'
    )
    assert [text.split()[-1] for text in texts(snapshot)[:2]] == ["3", "4"]
    assert [text.partition("= ")[2] for text in texts(snapshot)[3:]] == ["3", "0", "-1 EBADF (Bad file descriptor)"]


def test_a_program_that_does_not_exist(end):
    snapshot = end(START + 'execve("/nowhere", ["nowhere"], 0)\n')
    assert last(snapshot).text.endswith("= -1 ENOENT (No such file or directory)")
    assert snapshot.mm.exe == "/demo/hello"
    recorded = end(START + 'execve("/nowhere", ["nowhere"], 0x7ffd /* 3 vars */) = 0\n')
    assert recorded.steps.divergences == 0
    assert "its mappings are unknown" in last(recorded).events[0].text


def test_an_environment_that_is_not_told_is_noted(end):
    assert last(end(START)).events == ()
    noted = end('execve("/demo/hello", ["hello"], 0x7ffd /* 3 vars */) = 0\n')
    assert last(noted).events[0].kind is EventKind.NOTE


def test_limits_are_set(end):
    snapshot = end(
        START + "setrlimit(RLIMIT_AS, {rlim_cur=4096*1024, rlim_max=RLIM64_INFINITY})\n"
        "mmap(NULL, 64M, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        "prlimit64(0, RLIMIT_AS, {rlim_cur=RLIM64_INFINITY, rlim_max=RLIM64_INFINITY}, NULL)\n"
        "mmap(NULL, 64M, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
    )
    assert [text.partition(" = ")[2].split(" (")[0] for text in texts(snapshot)[1:]] == [
        "0",
        "-1 ENOMEM",
        "0",
        "0x7ffff3e00000",
    ]


def test_shared_memory_by_every_name(end):
    snapshot = end(
        f"{START}id = shmget(IPC_PRIVATE, 64K, IPC_CREAT|0600)\na = shmat(id, NULL, 0)\ntouch(a, 8K, WRITE)\n"
        'fd = shm_open("/box", O_RDWR|O_CREAT, 0600)\nftruncate(fd, 8192)\n'
        "b = mmap(NULL, 8K, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0)\ntouch(b, 4K, WRITE)\n"
        "c = mmap(NULL, 8K, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0)\ntouch(c, 8K, READ)\n"
        'shm_unlink("/box")\nshmctl(id, IPC_RMID, NULL)\nclose(fd)\n'
    )
    kinds = {vma.name: str(vma.kind) for vma in snapshot.mm.vmas if "deleted" in vma.name}
    assert kinds == {
        "/SYSV00000000 (deleted)": "sysv",
        "/dev/shm/box (deleted)": "shmem",
        "/dev/zero (deleted)": "shared_anon",
    }
    assert snapshot.system.meminfo["Shmem"] == snapshot.mm.counters.rss_shmem == 20


def test_the_standard_descriptors_are_terminals(end):
    snapshot = end('write(1, "hello\\n", 6)\nread(0, "", 100)\nclose(2)\n')
    assert [text.split()[-1] for text in texts(snapshot)] == ["6", "?", "0"]


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("echo 500 > /proc/self/oom_score_adj", 500),
        ("echo -1000 > /proc/1000/oom_score_adj", -1000),
        ("echo 15 > /proc/1000/oom_adj", 1000),
        ("echo 14 > /proc/1000/oom_adj", 823),
        ("echo -16 > /proc/1000/oom_adj", -941),
        ("echo -17 > /proc/1000/oom_adj", -1000),
        ("echo 1001 > /proc/self/oom_score_adj", 0),
        ("echo 16 > /proc/self/oom_adj", 0),
    ],
)
def test_oom_score_adj_is_written(end, line: str, result: int):
    assert end(START + line + "\n").tasks[0].oom_score_adj == result


def test_sysctls_are_written_and_heeded(end):
    snapshot = end(
        f"machine(ram=64M, swap=0)\n{START}mmap(NULL, 256M, PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        "echo 1 > /proc/sys/vm/overcommit_memory\nmmap(NULL, 256M, PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        "echo 2 > /proc/sys/vm/overcommit_memory\nmmap(NULL, 4K, PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
        "echo 3 > /proc/sys/vm/overcommit_memory\necho 4096000 > /proc/sys/vm/overcommit_kbytes\n"
        "mmap(NULL, 4K, PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n"
    )
    results = [text.partition(" = ")[2].split(" (")[0] for text in texts(snapshot) if text.startswith("mmap")]
    assert results == ["-1 ENOMEM", "0x7fffe7e00000", "-1 ENOMEM", "0x7ffff7fc1000"]
    assert snapshot.system.sysctl["overcommit_memory"] == 2
    assert snapshot.system.sysctl["overcommit_ratio"] == 0
    assert snapshot.system.meminfo["CommitLimit"] == 4096000


def test_what_echo_cannot_do_is_said(end):
    snapshot = end(f"{START}echo 1 > /proc/sys/vm/no_such_file\n")
    assert last(snapshot).events[0].kind is EventKind.NO_EFFECT
    missing = end(f"{START}echo 1 > /proc/4711/oom_score_adj\n")
    assert "there is no process 4711" in last(missing).events[0].text


def test_the_allocators_whole_family(end):
    snapshot = end(
        f"{START}a = calloc(10, 10)\na = realloc(a, 1000)\nb = memalign(4096, 100)\nc = aligned_alloc(64, 100)\n"
        "d = posix_memalign(0x1000, 64, 100)\nposix_memalign(0x1000, 7, 100)\nmallopt(M_MMAP_THRESHOLD, 65536)\n"
        "e = malloc(200000)\nfree(d)\nfree(c)\nfree(b)\nmalloc_trim(0)\nmalloc(0x8000000000000000)\n"
    )
    results = [text.partition(" = ")[2] for text in texts(snapshot)[1:]]
    assert results[4:7] == ["0", "22", "1"]
    assert all(int(result, 16) for result in results[:4])
    assert int(results[2], 16) % 4096 == 0
    assert int(results[3], 16) % 64 == 0
    assert results[7].startswith("0x7ffff7f")
    assert results[12] == "nil"
    assert last(snapshot).events[0].kind is EventKind.FAILURE


def test_lines_of_a_process_that_the_trace_has_no_origin_for(end):
    snapshot = end("[pid 70] brk(NULL)\n[pid 71] mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n")
    assert [task.pid for task in snapshot.tasks] == [70, 71]
    assert snapshot.mm.pid == 71


def test_personality_decides_how_the_next_program_is_laid_out(end):
    page = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    before = f"{START}personality(PER_LINUX|ADDR_COMPAT_LAYOUT|READ_IMPLIES_EXEC|MMAP_PAGE_ZERO) = 0 (PER_LINUX)\n"
    snapshot = end(f"{before}p = {page}\n")
    placed = int(last(snapshot).text.rpartition("= ")[2], 16)
    assert next(vma.perms for vma in snapshot.mm.vmas if vma.start == placed) == "r-xp"
    assert placed >> 40 == 0x7F
    snapshot = end(f"{before}personality(0xffffffff)\n{START}q = {page}\n")
    placed = int(last(snapshot).text.rpartition("= ")[2], 16)
    assert next(vma.perms for vma in snapshot.mm.vmas if vma.start == placed) == "r--p", "until the next execve"
    assert placed >> 40 == 0x2A
    assert snapshot.mm.vmas[0][:3] == (0, 4096, "r-xp")


def test_process_madvise_takes_its_ranges_from_the_line(end):
    snapshot = end(
        f"{START}p = mmap(NULL, 16K, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\ntouch(p, 16K, WRITE)\n"
        "q = pidfd_open(1000, 0)\n"
        "process_madvise(q, [{iov_base=p, iov_len=8K}, {iov_base=0x1000, iov_len=4096}], 2, MADV_DONTNEED, 0)\n"
        "process_madvise(q, [{iov_base=p, iov_len=4096}], 1, MADV_DONTNEED, 1)\n"
        "process_madvise(77, [{iov_base=p, iov_len=4096}], 1, MADV_COLD, 0)\n"
        "pidfd_open(999, 0)\n"
    )
    results = [text.rpartition("= ")[2] for text in texts(snapshot)[-4:]]
    assert [result.split(" (")[0] for result in results] == ["8192", "-1 EINVAL", "-1 EBADF", "-1 ESRCH"]
    assert "{iov_base=0x7ffff7" in texts(snapshot)[-4]
    assert "iov_len=8192}" in texts(snapshot)[-4]


def test_process_madvise_looks_at_empty_ranges_only_before_the_first_bytes(end):
    """Linux 6.18 told these results."""
    vectors = ("[1]", "[1, P]", "[P, 1]", "[P, 1, P]", "[0, 1, P]", "[P, 1P]")
    ranges = {"1": "{iov_base=p+1, iov_len=0}", "0": "{iov_base=p, iov_len=0}", "P": "{iov_base=p, iov_len=4096}"}
    ranges["1P"] = "{iov_base=p+1, iov_len=4096}"
    lines = [f"{START}p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)", "q = pidfd_open(1000, 0)"]
    for vector in vectors:
        parts = vector[1:-1].split(", ")
        lines.append(f"process_madvise(q, [{', '.join(ranges[part] for part in parts)}], {len(parts)}, MADV_COLD, 0)")
    told = [text.rpartition("= ")[2].split(" (")[0] for text in texts(end("\n".join(lines) + "\n"))[-len(vectors) :]]
    assert told == ["0", "-1 EINVAL", "4096", "8192", "4096", "4096"]


def test_a_name_for_anonymous_memory_is_a_string(end):
    line = 'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4096, "glibc: malloc")\n'
    snapshot = end(f"{START}p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)\n{line}")
    assert last(snapshot).text.endswith("= -1 EINVAL (Invalid argument)")


def test_a_line_that_cannot_run_starts_no_process(simulate):
    source = simulate(f"{START}")
    before = source.apply(Seek(ENDING))
    with pytest.raises(ParseError):
        source.apply(Inject("[pid 77] munmap(nobody, 4096)"))
    after = source.apply(Inject("sync()"))
    assert [task.pid for task in after.tasks] == [task.pid for task in before.tasks]
    assert after.mm is not None
    assert before.mm is not None
    assert after.mm.pid == before.mm.pid


def test_the_other_threads_of_a_program_end_with_its_execve(end):
    thread = "clone(child_stack=NULL, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) = 1001\n"
    again = '[pid 1001] execve("/demo/hello", ["hello"], 0)\n[pid 1000] execve("/demo/hello", ["hello"], 0)\n'
    snapshot = end(f"[pid 1000] {START}[pid 1000] {thread}{again}")
    (event,) = last(snapshot).events
    assert event.kind is EventKind.NO_EFFECT
    assert event.text.startswith("process 1000 went when thread 1001 called execve")
