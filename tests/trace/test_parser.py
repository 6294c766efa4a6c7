"""What each form of a line means."""

import pytest

from memtui.model.errors import ParseError
from memtui.trace.constants import value_of
from memtui.trace.line import (
    Arg,
    Array,
    Call,
    Echo,
    Exited,
    Fd,
    Flags,
    Keyword,
    Mode,
    NotUnderstood,
    Number,
    Opaque,
    Result,
    Signal,
    Struct,
    Text,
    Variable,
)
from memtui.trace.parser import parse, parse_line


def call(line: str) -> Call:
    what = parse_line(line).what
    assert isinstance(what, Call)
    return what


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4096", Number(4096, "4096")),
        ("0x1000", Number(4096, "0x1000")),
        ("-1", Number(-1, "-1")),
        ("0755", Number(0o755, "0755")),
        ("NULL", Number(0, "NULL")),
        ("nil", Number(0, "nil")),
        ("64K", Number(65536, "64K")),
        ("1M", Number(1 << 20, "1M")),
        ("2G", Number(2 << 30, "2G")),
        ("8192*1024", Number(8 << 20, "8192*1024")),
        ("0x3 /* PROT_READ|PROT_WRITE */", Number(3, "0x3 /* PROT_READ|PROT_WRITE */")),
        ("0x63 /* MADV_??? */", Number(0x63, "0x63 /* MADV_??? */")),
        ("0x7ffdd58b0220 /* 35 vars */", Number(0x7FFDD58B0220, "0x7ffdd58b0220 /* 35 vars */")),
        ("PROT_NONE", Flags(("PROT_NONE",))),
        ("PROT_READ|0x1000|MAP_FIXED", Flags(("PROT_READ", "MAP_FIXED"), 0x1000)),
        ("PROT_READ | PROT_WRITE", Flags(("PROT_READ", "PROT_WRITE"))),
        ("S_IFREG|0755", Flags(("S_IFREG",), 0o755)),
        ("MAP_HUGETLB|30<<MAP_HUGE_SHIFT", Flags(("MAP_HUGETLB",), 30 << 26)),
        ("0x40 /* MFD_??? */|16<<MFD_HUGE_SHIFT", Flags((), 0x40 | 16 << 26)),
        ("3</etc/passwd>", Fd(3, "/etc/passwd")),
        ("AT_FDCWD", Fd(-100)),
        ("AT_FDCWD</usr>", Fd(-100, "/usr")),
        (r"4</tmp/a\76b\74c\"d e>", Fd(4, '/tmp/a>b<c"d e')),
        ("4</memfd:x>(deleted)", Fd(4, "/memfd:x")),
        ("0</dev/pts/0<char 136:0>>", Fd(0, "/dev/pts/0")),
        (
            "3<TCP:[127.0.0.1:80->127.0.0.1:99]>",
            Fd(3, "TCP:[127.0.0.1:80->127.0.0.1:99]"),
        ),
        ('"cat\\n\\0\\177\\x41"', Text(b"cat\n\0\x7fA")),
        ('"abc"...', Text(b"abc", truncated=True)),
        ('"a, \\"b)"', Text(b'a, "b)')),
        ('["cat", "-n"]', Array((Text(b"cat"), Text(b"-n")))),
        ("[CHLD USR1]", Array((Flags(("CHLD",)), Flags(("USR1",))))),
        ("[0 1]", Array((Number(0, "0"), Number(1, "1")))),
        ("[]", Array(())),
        ("~[RTMIN RT_1]", Opaque("~[RTMIN RT_1]")),
        (
            "{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}",
            Struct((("rlim_cur", Number(8 << 20, "8192*1024")), ("rlim_max", Flags(("RLIM64_INFINITY",))))),
        ),
        (
            "{flags=CLONE_VM} => {parent_tid=[7]}",
            Struct(
                (
                    ("flags", Flags(("CLONE_VM",))),
                    ("=>", Struct((("parent_tid", Array((Number(7, "7"),))),))),
                )
            ),
        ),
        ("{st_mode=S_IFREG|0755, ...}", Struct((("st_mode", Flags(("S_IFREG",), 0o755)), ("", Opaque("..."))))),
        ("makedev(0x8, 0x1)", Opaque("makedev(0x8, 0x1)")),
        ('inet_addr("127.0.0.1")', Opaque('inet_addr("127.0.0.1")')),
        (
            "[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]",
            Array((Struct((("", Opaque("WIFEXITED(s) && WEXITSTATUS(s) == 0")),)),)),
        ),
        ("flags=CLONE_VM|SIGCHLD", Keyword("flags", Flags(("CLONE_VM", "SIGCHLD")))),
        ("ram=256M", Keyword("ram", Number(256 << 20, "256M"))),
        ("p", Variable("p")),
        ("p+4096", Variable("p", 4096)),
        ("p - 1M", Variable("p", -(1 << 20))),
        ("big+8M-16", Variable("big", (8 << 20) - 16)),
        ("P+0x10", Variable("P", 16)),
        ("'a'", Opaque("'a'")),
    ],
)
def test_argument(text: str, value: Arg) -> None:
    assert call(f"f({text})").args == (value,)
    assert call(f"f({text}, 1) = 0").args == (value, Number(1, "1"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("0", Result(0, "", "0")),
        ("0x7ffff7fc0000", Result(0x7FFFF7FC0000, "", "0x7ffff7fc0000")),
        ("-1 ENOMEM (Cannot allocate memory)", Result(-1, "ENOMEM", "-1 ENOMEM (Cannot allocate memory)")),
        (
            "-1 ENOMEM (Cannot allocate memory) (INJECTED)",
            Result(-1, "ENOMEM", "-1 ENOMEM (Cannot allocate memory) (INJECTED)"),
        ),
        ("3 (DELAYED)", Result(3, "", "3 (DELAYED)")),
        ("3</etc/passwd>", Result(3, "", "3</etc/passwd>")),
        ("4</memfd:x>(deleted)", Result(4, "", "4</memfd:x>(deleted)")),
        ("?", Result(None, "", "?")),
        ("? ERESTARTSYS (To be restarted)", Result(None, "ERESTARTSYS", "? ERESTARTSYS (To be restarted)")),
        ("0x8002 (flags O_RDWR|O_LARGEFILE)", Result(0x8002, "", "0x8002 (flags O_RDWR|O_LARGEFILE)")),
        ("022", Result(0o22, "", "022")),
        ("1 ([{fd=3, revents=POLLIN}])", Result(1, "", "1 ([{fd=3, revents=POLLIN}])")),
        ("<void>", Result(None, "", "<void>")),
        ("nil", Result(0, "", "nil")),
        ('"/root"', Result(None, "", '"/root"')),
    ],
)
def test_result(text: str, result: Result) -> None:
    assert call(f"f(1)         = {text}").result == result
    assert call(f"f(1) = {text} <0.000021>").result == result
    assert call("f(1)").result is None


@pytest.mark.parametrize(
    ("prefix", "pid"),
    [
        ("", None),
        ("[pid  4242] ", 4242),
        ("[pid 4242<bash>] ", 4242),
        ("4242  ", 4242),
        ("4242<bash> ", 4242),
        ("     0.000123 ", None),
        ("12:34:56 ", None),
        ("12:34:56.123456 ", None),
        ("1700000000.123456 ", None),
        ("1700000000 ", None),
        ("12:34:56 (+     0.000123) ", None),
        ("[00007f1234567890] ", None),
        ("[????????????????] ", None),
        ("[ 231] ", None),
        ("4242       0.000123 [  12] [00007f1234567890] ", 4242),
        ("[pid 4242] 12:34:56.1 ", 4242),
        ("10247   0.000161 [0x7f434f47ad07] ", 10247),
    ],
)
def test_prefix(prefix: str, pid: int | None) -> None:
    statement = parse_line(f"{prefix}brk(NULL) = 0x5000")
    assert (statement.pid, statement.raw) == (pid, "brk(NULL) = 0x5000")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("exe->malloc(100) = 0x5000", "malloc"),
        ("libc.so.6->malloc(100) = 0x5000", "malloc"),
        ("malloc@libc.so.6(100) = 0x5000", "malloc"),
        ("SYS_brk(0) = 0x5000", "brk"),
        ("brk@SYS(nil) = 0x5000", "brk"),
        ("SYS_pread(3, 0x5000, 784, 64) = 784", "pread64"),
        ("SYS_334(1) = 0", "SYS_334"),
        ("syscall_0x1ce(0, 0, 0) = 0", "syscall_0x1ce"),
        ("???()                 = ?", "???"),
    ],
)
def test_name(line: str, name: str) -> None:
    assert call(line).name == name


def test_a_raw_error_of_ltrace() -> None:
    assert call('SYS_access("/etc/ld.so.preload", 04) = -2').result == Result(-1, "ENOENT", "-2")
    assert call("mallopt(1, -2) = -2").result == Result(-2, "", "-2")


def test_bind_and_result() -> None:
    bound = call("p = malloc(100) = 0x5000")
    assert (bound.bind, bound.name, bound.result) == ("p", "malloc", Result(0x5000, "", "0x5000"))
    assert call("malloc(100) = 0x5000").bind == ""


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("echo 3 > /proc/sys/vm/drop_caches", Echo("3", "/proc/sys/vm/drop_caches")),
        ('echo "50 60">/proc/sys/vm/x', Echo("50 60", "/proc/sys/vm/x")),
        ("echo -17 > /proc/42/oom_adj", Echo("-17", "/proc/42/oom_adj")),
        ("--- SIGCHLD {si_signo=SIGCHLD, si_pid=3} ---", Signal("SIGCHLD", "{si_signo=SIGCHLD, si_pid=3}")),
        ("--- stopped by SIGSTOP ---", Signal("SIGSTOP", "")),
        ("--- SIGSEGV (Segmentation fault) ---", Signal("SIGSEGV", "(Segmentation fault)")),
        ("--- Called exec() ---", Signal("", "Called exec()")),
        ("+++ exited with 3 +++", Exited("exited with 3", 3)),
        ("+++ exited (status 0) +++", Exited("exited (status 0)", 0)),
        ("+++ killed by SIGSEGV (core dumped) +++", Exited("killed by SIGSEGV (core dumped)", None, "SIGSEGV")),
        ("+++ superseded by execve in pid 5 +++", Exited("superseded by execve in pid 5")),
    ],
)
def test_other_lines(line: str, what: Echo | Signal | Exited) -> None:
    assert parse_line(line).what == what


def test_unfinished_and_resumed() -> None:
    log = """\
10  mmap(NULL, 8388608, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>
11  brk(NULL)                       = 0x5000
11  wait4(-1,  <unfinished ...>
10  <... mmap resumed>)             = 0x7ffff0000000
10  +++ exited with 0 +++
11  <... wait4 resumed>NULL, 0, NULL) = 10
"""
    statements = parse(log).statements
    assert [(one.pid, one.line) for one in statements] == [(11, 2), (10, 4), (10, 5), (11, 6)]
    assert statements[1].raw == ("mmap(NULL, 8388608, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff0000000")
    assert statements[3].raw == "wait4(-1, NULL, 0, NULL)                = 10"


def test_a_call_inside_a_call_of_the_same_process() -> None:
    log = """\
qsort(0x5000, 2 <unfinished ...>
malloc(5 <unfinished ...>
<... malloc resumed> ) = 0x6000
<... qsort resumed> ) = <void>
"""
    assert [one.raw.split("(")[0] for one in parse(log).statements] == ["malloc", "qsort"]


def test_calls_that_never_end() -> None:
    log = """\
10  exit_group(3 <unfinished ...>
11  futex(0x5000, FUTEX_WAIT, 2,  <unfinished ...>
10  +++ exited with 3 +++
12  read(0,  <detached ...>
"""
    first, end, detached, last = parse(log).statements
    assert first.what == Call("exit_group", (Number(3, "3"),), unfinished=True)
    assert isinstance(end.what, Exited)
    assert detached.what == Call("read", (Number(0, "0"),), unfinished=True)
    assert last.what == Call(
        "futex", (Number(0x5000, "0x5000"), Flags(("FUTEX_WAIT",)), Number(2, "2")), unfinished=True
    )
    assert last.raw == "futex(0x5000, FUTEX_WAIT, 2,  <unfinished ...>"


def test_killed_inside_a_call() -> None:
    (one,) = parse("read(0,  <unfinished ...>) = ?\n").statements
    assert isinstance(one.what, Call)
    assert one.what.result == Result(None, "", "?")


@pytest.mark.parametrize("open_end", ["unfinished", "pid changed to 4"])
def test_exec_in_a_thread(open_end: str) -> None:
    log = f"""\
4  futex(0x5000, FUTEX_WAIT, 2 <unfinished ...>
5  execve("/bin/true", ["true"], 0x7ffe0000 /* 3 vars */ <{open_end} ...>
4  +++ superseded by execve in pid 5 +++
4  <... execve resumed>)             = 0
"""
    futex, gone, execve = parse(log).statements
    assert isinstance(futex.what, Call)
    assert futex.what.unfinished
    assert isinstance(gone.what, Exited)
    assert execve.pid == 4
    assert execve.raw == 'execve("/bin/true", ["true"], 0x7ffe0000 /* 3 vars */) = 0'


def test_exec_in_a_thread_of_a_terminal() -> None:
    log = """\
clone3({flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND, stack_size=0x7fff80} => {parent_tid=[5]}, 88) = 5
[pid     5] execve("/bin/true", ["true"], 0x7ffe0000 /* 3 vars */ <unfinished ...>
[pid     4] pause( <unfinished ...>
+++ superseded by execve in pid 5 +++
<... execve resumed>)                   = 0
brk(NULL)                               = 0x5000
"""
    statements = parse(log).statements
    assert [one.pid for one in statements if "execve(" in one.raw or "brk" in one.raw] == [4, 4]


def test_a_log_that_begins_inside_a_call() -> None:
    (one,) = parse('10  <... read resumed>"x", 1) = 1\n').statements
    assert isinstance(one.what, Call)
    assert one.what.args == (Opaque("..."), Text(b"x"), Number(1, "1"))


def test_restart_syscall() -> None:
    (one,) = parse("restart_syscall(<... resuming interrupted read ...>) = 0\n").statements
    assert isinstance(one.what, Call)
    assert one.what.args == (Opaque("<... resuming interrupted read ...>"),)


def test_chatter_is_dropped() -> None:
    log = """\
strace: Process 77 attached
[pid    77] vfork(strace: Process 78 attached
 <unfinished ...>
[pid    78] brk(NULL) = 0x5000
 > /usr/lib/libc.so.6(brk+0x7) [0x1fc47]
[pid    77] <... vfork resumed>) = 78
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
100.00    0.000000           0         2           total
"""
    assert [one.raw for one in parse(log).statements] == [
        "brk(NULL) = 0x5000",
        "vfork()                                 = 78",
    ]


def test_first_process_without_a_pid() -> None:
    log = """\
brk(NULL)                               = 0x5000
vfork( <unfinished ...>
[pid 8] exit(0)                         = ?
[pid 8] +++ exited with 0 +++
[pid 7] <... vfork resumed>)            = 8
brk(0x6000)                             = 0x6000
"""
    assert [one.pid for one in parse(log).statements] == [7, 8, 8, 7, 7]


def test_hand_written_pids_stay_as_they_are() -> None:
    assert [one.pid for one in parse("fork()\n[pid 8] exit(0)\n").statements] == [None, 8]


def test_narration_and_chapters() -> None:
    trace = parse("## One\n# first\n# second\n\n#\n# third\nbrk(NULL)\nbrk(NULL)\n##Two\nbrk(NULL)\n")
    assert [(one.chapter, one.narration) for one in trace.statements] == [
        ("One", "first\nsecond\n\nthird"),
        ("", ""),
        ("Two", ""),
    ]
    assert [one.line for one in trace.statements] == [7, 8, 10]
    assert trace.warnings == ()


def test_narration_without_a_step_is_a_warning() -> None:
    assert parse("brk(NULL)\n# that was it\n").warnings == ("the last comment is not shown: no step follows it",)


def test_a_name_in_capitals_is_a_variable_once_bound() -> None:
    statements = parse("P = malloc(100)\nfree(P)\n").statements
    assert isinstance(statements[1].what, Call)
    assert statements[1].what.args == (Variable("P"),)


def test_machine() -> None:
    text = 'machine(ram=256M, swap=64M, kernel="6.18", allocator="ptmalloc", aslr=7)'
    args = call(text).args
    assert [arg.name for arg in args if isinstance(arg, Keyword)] == ["ram", "swap", "kernel", "allocator", "aslr"]
    assert value_of(args[0], {}) == 256 << 20


def test_results_cut_off() -> None:
    statements = parse("brk(NULL)\nmmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0)\n").statements
    assert [isinstance(one.what, Call) and one.what.result for one in statements] == [None, None]


LOG = "brk(NULL)                               = 0x5000\nclose(3)                                = 0\n"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("mmap(NULL, 8192, PROT_RE", "expected ')' or ','"),
        ('openat(AT_FDCWD, "/etc', "expected a closing '\"'"),
        ("close(3", "expected ')' or ','"),
        ("close(3)   ", "it has no result"),
        ("close(3)      =", "expected a result: a number, NULL, '?' or an error such as -1 ENOMEM"),
        ("close(3)                                = -1 EBA", "its error is not complete"),
        ("clo", "expected '('"),
        ("+++ exi", "expected '+++ exited with N +++' or '+++ killed by SIGNAL +++'"),
    ],
)
def test_a_log_cut_off_in_its_last_line(rest: str, why: str) -> None:
    *whole, last = parse(LOG + rest).statements
    assert [one.raw for one in whole] == LOG.splitlines()
    assert isinstance(last.what, NotUnderstood)
    assert last.what.why.removeprefix("cut off: ") == why
    assert last.line == 3


def test_lines_that_are_not_understood_stay_in_their_place() -> None:
    first, garbage, last = parse("brk(NULL)        = 0x5000\nhello\nbrk(NULL)        = 0x5000\n").statements
    assert garbage.what == NotUnderstood("expected '('")
    assert (garbage.raw, garbage.line) == ("hello", 2)
    assert first.what == last.what


def test_a_file_of_which_little_is_understood_is_no_log() -> None:
    with pytest.raises(ParseError, match=r"^x:1:6: expected"):
        parse("hello\nworld\n10 brk(NULL) = 0x5000\n", "x")


def test_the_mode_of_a_process() -> None:
    text = "[ Process PID=78 runs in 32 bit mode. ]"
    log = (
        f'78 execve("/bin/true", ["true"], NULL) = 0\nstrace: {text}\n78 mmap2(NULL, 4096, 3, 34, -1, 0) = 0xf7f00000\n'
    )
    _, mode, _ = parse(log).statements
    assert (mode.what, mode.pid) == (Mode(32, 78), 78)


def test_a_child_of_another_mode_that_strace_did_not_tell_of() -> None:
    log = """\
77 fork() = 78
78 execve("/bin/true", ["true"], NULL) = 0
78 brk(NULL) = 0x56000000
78 mmap2(NULL, 4096, 3, 34, -1, 0) = 0xf7f00000
77 exit_group(0) = ?
"""
    assert [one.what for one in parse(log).statements if isinstance(one.what, Mode)] == [Mode(32, 78)]
    assert isinstance(parse(log).statements[2].what, Mode)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("mmap2(NULL, 4096, 3, 34, -1, 0) = 0xf7f00000", "x86-64 has no mmap2"),
        ("brk(NULL) = 0xaaaae0b3b000", "no program of x86-64 has memory at 0xaaaae0b3b000"),
    ],
)
def test_logs_of_other_architectures(line: str, why: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse(f'77 execve("/bin/true", ["true"], NULL) = 0\n77 {line}\n', "x.log")
    assert str(refused.value) == f"x.log:2: a log of another architecture: {why} (only x86-64 is simulated)"


def test_line_ends_of_windows() -> None:
    assert [one.raw for one in parse("brk(NULL) = 0x5000\r\n\r\nbrk(NULL)\r\n").statements] == [
        "brk(NULL) = 0x5000",
        "brk(NULL)",
    ]


def children(text: str) -> dict[int, int | None]:
    """Line -> child, of each fork."""
    statements = parse(text).statements
    return {one.line: one.what.child for one in statements if isinstance(one.what, Call) and one.what.name != "exit"}


def test_a_recorded_result_names_the_child():
    assert children("10 fork() = 12\n12 exit(0) = ?\n10 exit(0) = ?\n") == {1: 12}


def test_without_results_the_order_of_the_log_names_the_children():
    log = "10 fork()\n10 fork()\n12 exit(0)\n11 exit(0)\n10 exit(0)\n"
    assert children(log) == {1: 11, 2: 12}


def test_nobody_is_born_before_the_fork_began():
    log = "10 fork( <unfinished ...>\n11 fork()\n10 <... fork resumed>)\n12 exit(0)\n11 exit(0)\n10 exit(0)\n"
    assert children(log) == {2: 12, 3: 11}


def test_pids_begin_anew_behind_the_largest():
    log = "4194302 fork()\n4194302 fork()\n300 exit(0)\n4194303 exit(0)\n4194302 exit(0)\n"
    assert children(log) == {1: 4194303, 2: 300}


def test_the_other_half_without_pid_that_strace_z_writes() -> None:
    trace = parse(
        "10 close(1 <unfinished ...>\n)                 = 0\n"
        "11 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n)   = 0x7ffff7fc0000\n"
        '12 read(3 <unfinished ...>\n, "ab", 2)   = 2\n'
        "11 brk(NULL <unfinished ...>\n10 close(2)   = 0\n11 <... brk resumed>)   = 0x555555555000\n",
        "test.log",
    )
    calls = [(one.pid, one.what.name, one.what.result.value) for one in trace.statements if isinstance(one.what, Call)]
    assert calls == [
        *((10, "close", 0), (11, "mmap", 0x7FFFF7FC0000), (12, "read", 2), (10, "close", 0)),
        (11, "brk", 0x555555555000),
    ]


def test_the_working_directory_that_strace_prints_as_a_number_too() -> None:
    assert call('openat(-100 /* AT_FDCWD */</tmp, a>, "x", O_RDONLY) = 3').args[0] == Fd(-100, "/tmp, a")


def test_a_name_of_which_strace_knows_two() -> None:
    assert call("ioctl(4, BTRFS_IOC_CLONE or FICLONE, 3)").args[1] == Opaque("BTRFS_IOC_CLONE or FICLONE")
