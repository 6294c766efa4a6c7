"""What one line of a trace is, parsed: a statement with its arguments as values."""

from typing import NamedTuple


class Number(NamedTuple):
    """A number: 4096, 0x1000, -1, 64K, NULL (0), or a lone flag's value is a `Flags` instead."""

    value: int
    text: str
    """As written."""


class Flags(NamedTuple):
    """Symbolic bits, "PROT_READ|0x1000|MAP_FIXED": names in order with the bits that had no name."""

    names: tuple[str, ...]
    bits: int = 0


class Text(NamedTuple):
    """A C string."""

    value: bytes
    truncated: bool = False
    """strace cut it (`"..."...`)."""


class Fd(NamedTuple):
    """A descriptor with the path that -y prints: `3</etc/passwd>`; AT_FDCWD is -100."""

    number: int
    path: str = ""


class Variable(NamedTuple):
    """A bound name with an offset in bytes: `p`, `p+4096`, `p-1M`."""

    name: str
    offset: int = 0


class Array(NamedTuple):
    """`["cat", "-n"]`."""

    items: "tuple[Arg, ...]"


class Struct(NamedTuple):
    """`{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}`: named fields in order; a nameless one has name ""."""

    fields: "tuple[tuple[str, Arg], ...]"


class Keyword(NamedTuple):
    """`flags=CLONE_VM` in clone's arguments, `ram=256M` in machine's."""

    name: str
    value: "Arg"


class Opaque(NamedTuple):
    """Anything else, kept as written."""

    text: str


Arg = Number | Flags | Text | Fd | Variable | Array | Struct | Keyword | Opaque


class Result(NamedTuple):
    """What stands behind ` = `."""

    value: int | None
    """The number, -1 on an error; None for `?`."""
    errno: str = ""
    """ "ENOMEM", or ""."""
    text: str = ""
    """As written, without the time that -T appends."""


class Call(NamedTuple):
    """`x = name(args) = result`."""

    name: str
    args: tuple[Arg, ...]
    result: Result | None = None
    bind: str = ""
    """The name before the first `=`, or ""."""
    unfinished: bool = False
    """The log ends inside the call."""
    child: int | None = None
    """Of fork and its like: the pid under which the log goes on with the child. Without a recorded result it is
    known from the order in which the log names its processes."""


class Echo(NamedTuple):
    """`echo 3 > /proc/sys/vm/drop_caches`."""

    value: str
    path: str


class Signal(NamedTuple):
    """`--- SIGSEGV {...} ---`."""

    name: str
    text: str


class Exited(NamedTuple):
    """`+++ exited with 0 +++`, `+++ killed by SIGKILL +++`, `+++ superseded by execve in pid 5 +++`."""

    text: str
    status: int | None = None
    signal: str = ""


class Mode(NamedTuple):
    """`[ Process PID=7 runs in 32 bit mode. ]`: from here on its calls are those of another architecture, or not."""

    bits: int
    pid: int


class NotUnderstood(NamedTuple):
    """A line of a log that is none of the forms: damaged, cut off, or the program's own output."""

    why: str


class Statement(NamedTuple):
    """One step of a trace, with its narration and place."""

    what: Call | Echo | Signal | Exited | Mode | NotUnderstood
    raw: str
    """The line as written, without prefix and time."""
    line: int = 0
    """In the file, from 1; of the resumed half for a call that was interrupted."""
    pid: int | None = None
    """As the log names it; None: the only process."""
    narration: str = ""
    """The `#` lines before it, joined by newlines."""
    chapter: str = ""
    """The `##` title before it."""
    opened: int = 0
    """Line in the file where a call began that was interrupted and resumed; 0: where it stands."""
    made: bool = False
    """Made by the simulator, as the trace does not tell it: what the dynamic linker does."""
    inside: str = ""
    """The allocator's function that made this system call, of ltrace -S; "" for all others."""
    ahead: bool = False
    """It took effect before calls that the log ends earlier; the results tell so."""
