"""Calls and results as strace 6.1 prints them."""

import pytest

from memtui.trace.line import Arg, Array, Call, Fd, Flags, Keyword, Number, Opaque, Result, Struct, Text, Variable
from memtui.trace.parser import parse_line
from memtui.trace.printer import arg_text, format_call, format_syscall, quote, reprint

ENOMEM = "-1 ENOMEM (Cannot allocate memory)"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("brk", (0,), 0x555555559000), "brk(NULL)                               = 0x555555559000"),
        (
            ("mmap", (0, 8192, 3, 0x22, -1, 0), 0x7FFFF7FC0000),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000",
        ),
        (
            ("mmap", (0x7FFFF7DFB000, 4096, 5, 0x812, 3, 0x26000), 0x7FFFF7DFB000),
            "mmap(0x7ffff7dfb000, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x26000)"
            " = 0x7ffff7dfb000",
        ),
        (("munmap", (0x7FFFF7FB7000, 34547), 0), "munmap(0x7ffff7fb7000, 34547)           = 0"),
        (("mprotect", (0x1000, 4096, 0), 0), "mprotect(0x1000, 4096, PROT_NONE)       = 0"),
        (
            ("mremap", (0x1000, 4096, 8192, 3, 0x9000), 0x9000),
            "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x9000) = 0x9000",
        ),
        (
            ("mremap", (0x1000, 4096, 8192, 1, 0), 0x9000),
            "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE) = 0x9000",
        ),
        (("openat", (-100, b"/etc/x", 0x80000, 0), 3), 'openat(AT_FDCWD, "/etc/x", O_RDONLY|O_CLOEXEC) = 3'),
        (("open", (b"/x", 0o101, 0o600), 3), 'open("/x", O_WRONLY|O_CREAT, 0600)      = 3'),
        (
            ("getrandom", (b"\x10\xff", 2, 1), 2),
            'getrandom("\\x10\\xff", 2, GRND_NONBLOCK) = 2',
        ),
        (("exit_group", (0,), None), "exit_group(0)                           = ?"),
        (("malloc", (100,), 0x5000), "malloc(100)                             = 0x5000"),
        (("malloc", (100,), 0), "malloc(100)                             = nil"),
        (("realloc", (0, 100), 0x5000), "realloc(nil, 100)                       = 0x5000"),
        (("free", (0x5000,), None), "free(0x5000)                            = <void>"),
        (("mallopt", (-3, 65536), 1), "mallopt(M_MMAP_THRESHOLD, 65536)        = 1"),
        (("touch", (0x7FFFF7D00000, 65536, 2), 0), "touch(0x7ffff7d00000, 65536, WRITE)     = 0"),
        (("touch", (0x7FFFF7D00000, 65536, 3), 0), "touch(0x7ffff7d00000, 65536, READ|WRITE) = 0"),
        (("unknown_call", (7, -1), 0), "unknown_call(7, -1)                     = 0"),
        (("wait4", (-1, "NULL", 0, 0), 10), "wait4(-1, NULL, 0, NULL)                = 10"),
    ],
)
def test_numbers(call: tuple[str, tuple[int | str | bytes, ...], int | None], text: str) -> None:
    assert format_syscall(*call) == text


def test_an_error_has_its_message() -> None:
    assert format_syscall("munmap", (1, 4096), -1, "EINVAL") == (
        "munmap(0x1, 4096)                       = -1 EINVAL (Invalid argument)"
    )
    assert format_syscall("pause", (), None, "ERESTARTNOHAND") == (
        "pause()                                 = ? ERESTARTNOHAND (To be restarted if no handler)"
    )


def test_without_a_result() -> None:
    assert format_call("machine", (Keyword("ram", Number(256 << 20, "256M")), Keyword("aslr", Number(7, "7")))) == (
        "machine(ram=256M, aslr=7)"
    )


@pytest.mark.parametrize(
    ("line", "result", "text"),
    [
        (
            "mmap(NULL, 4096, 0x3, MAP_PRIVATE|0x20, -1, 0) = 0x7000",
            Result(-1, "ENOMEM"),
            f"mmap(NULL, 4096, 0x3, MAP_PRIVATE|0x20, -1, 0) = {ENOMEM}",
        ),
        ("brk(NULL)        = 0x5000", Result(0x6000), "brk(NULL)        = 0x6000"),
        ("[pid 3] brk(NULL)        = 0x5000 <0.000012>", Result(0x6000), "brk(NULL)        = 0x6000"),
        ("brk(NULL)", Result(0x6000), "brk(NULL)                               = 0x6000"),
        ("brk(NULL) = 0x5000", None, "brk(NULL)"),
        ("p = malloc(100)", Result(0x5000), "malloc(100)                             = 0x5000"),
        ("p = malloc(1M) = 0x5000", Result(0x6000), "malloc(1048576)                         = 0x6000"),
        ("free(p)", Result(None), "free(0x5555555592a0)                    = <void>"),
        ("free(q)", Result(None), "free(q)                                 = <void>"),
        ("touch(p + 4K, 64K, WRITE)", Result(0), "touch(0x55555555a2a0, 65536, WRITE)     = 0"),
        (
            "mmap(NULL, 1M, PROT_READ, MAP_PRIVATE, fd, 64K)",
            Result(0x7000),
            "mmap(NULL, 1048576, PROT_READ, MAP_PRIVATE, 3, 0x10000) = 0x7000",
        ),
        ("machine(ram=256M, aslr=7)", None, "machine(ram=256M, aslr=7)"),
        ("echo 3 > /proc/sys/vm/drop_caches", None, "echo 3 > /proc/sys/vm/drop_caches"),
        ("+++ exited with 0 +++", Result(0), "+++ exited with 0 +++"),
        ("read(0,  <detached ...>", None, "read(0,  <detached ...>"),
        ("exit_group(0 <unfinished ...>", Result(None), "exit_group(0)                           = ?"),
    ],
)
def test_reprint(line: str, result: Result | None, text: str) -> None:
    assert reprint(parse_line(line), result, {"p": 0x5555555592A0, "fd": 3}) == text


def test_the_text_of_a_result_wins() -> None:
    statement = parse_line("fcntl(3, F_GETFL) = 0x8000 (flags O_RDONLY|O_LARGEFILE)")
    assert isinstance(statement.what, Call)
    assert reprint(statement, statement.what.result) == statement.raw


@pytest.mark.parametrize(
    ("data", "limit", "text"),
    [
        (b"hello\n", 32, '"hello\\n"'),
        (b'"\\\t\x01', 32, '"\\"\\\\\\t\\1"'),
        (b"\x001\x008\x009a", 32, '"\\0001\\08\\09a"'),
        (b"a" * 33, 32, '"' + "a" * 32 + '"...'),
        (b"a" * 33, None, '"' + "a" * 33 + '"'),
    ],
)
def test_quote(data: bytes, limit: int | None, text: str) -> None:
    assert quote(data, limit) == text


@pytest.mark.parametrize(
    ("arg", "text"),
    [
        (Fd(-100), "AT_FDCWD"),
        (Fd(3, "/a<b>"), r"3</a\74b\76>"),
        (Variable("p", -16), "p-16"),
        (Flags(("PROT_READ",), 0x1000), "PROT_READ|0x1000"),
        (Array((Text(b"a"), Opaque("..."))), '["a", ...]'),
        (Struct((("a", Number(1, "1")), ("", Opaque("...")), ("=>", Number(2, "2")))), "{a=1, ...} => 2"),
        (Text(b"abc", truncated=True), '"abc"...'),
    ],
)
def test_arg_text(arg: Arg, text: str) -> None:
    assert arg_text(arg) == text
