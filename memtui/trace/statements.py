"""One line without its prefix to a statement."""

import re
from functools import lru_cache
from typing import Final

from memtui.trace.constants import CONSTANTS, MAP, errno_name
from memtui.trace.lexer import Span, Wrong, arguments
from memtui.trace.line import Arg, Call, Echo, Exited, Mode, Number, Result, Signal
from memtui.trace.signatures import SIGNATURES
from memtui.trace.values import check, number, value

CALL: Final = re.compile(
    r"(?:(?P<bind>[A-Za-z_]\w*)\s*=\s*(?=[A-Za-z_]))?"
    r"(?:[\w.+-]+->)?"  # ltrace: the library that calls, or the one that is called
    r"(?P<sys>SYS_(?=[a-z]))?"  # ltrace -S: SYS_brk(nil), or brk@SYS(nil)
    r"(?P<name>[A-Za-z_?~][\w.:?~]*)"
    r"(?P<at>@[\w.+-]+)?"  # ltrace -x: malloc@libc.so.6(100)
    r"\s*\("
)
_PLAIN: Final = re.compile(r"""([^"'()\[\]{}<>/]*)\)""")
_SIMPLE: Final = re.compile(r"""([a-z_]\w*)\(([^"'()\[\]{}<>/]*)\)\s+= (0x[0-9a-f]{1,24}|[1-9]\d{0,23}|0)""")
"""What most lines of a log are: numbers and names, and a number comes back."""
_RESULT: Final = re.compile(r"\s*=\s?(?P<text>.*?)\s*", re.DOTALL)
_VALUE: Final = re.compile(
    r"(?P<number>-?(?:0x[0-9a-f]{1,24}|\d{1,24}))(?:<.*>(?:\(deleted\))?)?(?=$|\s)(?:\s(?P<errno>E[A-Z0-9_]+)(?=$|\s))?|"
    r"\?(?:\s(?P<restart>E[A-Z0-9_]+))?(?=$|\s)|"
    r"(?P<null>NULL|nil)$|"
    r"<void>$|<no return|[\"'{\[]|-?\d+\.\d+|[A-Z][A-Z0-9_|]+"  # ltrace
)
_TOOK: Final = re.compile(r" <\d+\.\d+>$")
_SIGNAL: Final = re.compile(r"--- (?:stopped by )?(?P<name>SIG[A-Z0-9_]+)?(?P<text>.*?) ---$", re.DOTALL)
_EXITED: Final = re.compile(r"\+\+\+ (?P<text>.+?) \+\+\+$")
_MODE: Final = re.compile(r"(?:strace: )?\[ Process PID=(\d{1,10}) runs in (?:(\d{1,3}) bit|x32) mode\. \]$")
_STATUS: Final = re.compile(r"exited (?:with |\(status )(\d{1,10})")
_KILLED: Final = re.compile(r"killed by (\w+)")
_ECHO: Final = re.compile(r"echo\s+(?P<value>[^>]*?)\s*>\s*(?P<path>\S*)$")
_OPEN_END: Final = re.compile(r"\s*<(?:unfinished|no return|detached) \.\.\.>$")
_LIBRARY_CALL: Final = re.compile(r"(?P<args>.*)\)\s+=\s", re.DOTALL)
_MMAP_OF_LTRACE: Final = ("addr", "length", "prot", "flags")
"""What ltrace prints of a function that it does not know: four arguments."""
_LTRACE_NAMES: Final = {"pread": "pread64", "pwrite": "pwrite64"}
PARSED: Final = 16384
"""Lines that are kept parsed: a log says most things more than once, and equal calls then are one object."""
_FORMS: Final = "expected a call such as brk(NULL), 'echo VALUE > /proc/PATH' or '# text'"


def without_time(text: str) -> str:
    """The text without the blanks and the duration that -T puts at its end."""
    text = text.rstrip()
    return _TOOK.sub("", text).rstrip() if text.endswith(">") else text


@lru_cache(maxsize=PARSED)
def statement(text: str, *, unfinished: bool = False) -> Call | Echo | Signal | Exited | Mode:
    """Parse one line without prefix, time and comment.

    Args:
        text: the line.
        unfinished: the log ends inside the call.

    Raises:
        Wrong: it is none of the forms.
    """
    if text.startswith("---"):
        return _signal(text)
    if text.startswith("+++"):
        return _exited(text)
    if re.match(r"echo\s", text):
        return _echo(text)
    if mode := _MODE.match(text):
        return Mode(int(mode[2] or 32), int(mode[1]))
    try:
        return _unfinished(text) if unfinished or _OPEN_END.search(text) else _call(text)
    except RecursionError:
        raise Wrong("expected fewer brackets inside one another", len(text)) from None


def locate(text: str) -> tuple[re.Match[str], tuple[Span, ...], int]:
    """The name, the arguments and the position behind the closing bracket of a call.

    Raises:
        Wrong: there is no call, or a bracket or a string in it is not closed.
    """
    head = CALL.match(text)
    if head is None:
        raise _no_call(text)
    plain = _PLAIN.match(text, head.end())
    if plain is None:
        try:
            return head, *arguments(text, head.end())
        except Wrong:
            if (free := _free_form(head)) is None:
                raise
            return head, (free,), free.end + 1
    spans, start = [], head.end()
    if plain[1].strip():
        for part in plain[1].split(","):
            blank = len(part) - len(part.lstrip())
            spans.append(Span(start + blank, start + max(blank, len(part.rstrip()))))
            start += len(part) + 1
    return head, tuple(spans), plain.end()


def _call(text: str) -> Call:
    if simple := _SIMPLE.fullmatch(text):
        name, between, amount = simple.groups()
        parts = [value(part.strip()) for part in between.split(",")] if between.strip() else []
        return Call(name, _all_six(name, parts), Result(int(amount, 0), "", amount))
    head, spans, end = locate(text)
    result = _result(text, end)
    if result is not None and _is_raw(head):
        result = _raw_error(result)
    args = []
    for span in spans:
        part = text[span.start : span.end]
        args.append(value(part))
        if result is None:
            check(part, args[-1], span.start)
    bind = head["bind"] or ""
    if bind in CONSTANTS or bind in {"NULL", "nil"}:
        raise Wrong(f"expected a new name before '=': {bind} is a constant", head.start("bind"))
    name = _plain_name(head)
    return Call(name, _all_six(name, args), result, bind)


def _all_six(name: str, args: list[Arg]) -> tuple[Arg, ...]:
    """The arguments; an mmap of ltrace with descriptor and offset, if they do not matter: of anonymous memory."""
    if name == "mmap" and len(args) == len(_MMAP_OF_LTRACE):
        flags = args[-1]
        if isinstance(flags, Number) and flags.value & MAP["MAP_ANONYMOUS"]:
            return (*args, Number(-1, "-1"), Number(0, "0"))
    return tuple(args)


def _unfinished(text: str) -> Call:
    open_text = _OPEN_END.sub("", text)
    head = CALL.match(open_text)
    if head is None:
        raise _no_call(text)
    spans, _ = arguments(open_text, head.end(), "")
    parts = [open_text[span.start : span.end] for span in spans]
    if parts and not parts[-1]:
        parts.pop()
    return Call(_plain_name(head), tuple(value(part) for part in parts), unfinished=True)


def _is_raw(head: re.Match[str]) -> bool:
    return head["sys"] is not None or head["at"] == "@SYS"


def _raw_error(result: Result) -> Result:
    """What the kernel returned, as ltrace -S prints it: -2 for ENOENT."""
    if result.value is None or not -4096 < result.value < 0:
        return result
    return Result(-1, errno_name(result.value), result.text)


def _free_form(head: re.Match[str]) -> Span | None:
    """All arguments as one, of a recorded call whose strings ltrace did not quote properly."""
    match = _LIBRARY_CALL.match(head.string, head.end())
    if match is None or (head["name"] in SIGNATURES and not _is_raw(head)):
        return None
    return Span(match.start(), match.end("args"))


def _plain_name(head: re.Match[str]) -> str:
    name = head["name"]
    return _LTRACE_NAMES.get(name, name) if _is_raw(head) else name


def _no_call(text: str) -> Wrong:
    word = re.match(r"[A-Za-z_]\w*\s*", text)
    if word is None:
        return Wrong(_FORMS, 0)
    rest = text[word.end() :]
    if rest.startswith("=") and not rest.startswith("=="):
        start = word.end() + 1
        while start < len(text) and text[start].isspace():
            start += 1
        return Wrong("expected a call behind '='", start)
    return Wrong("expected '('", word.end())


def _result(text: str, end: int) -> Result | None:
    if not text[end:].strip():
        return None
    match = _RESULT.fullmatch(text, end)
    if match is None:
        start = end + len(text[end:]) - len(text[end:].lstrip())
        raise Wrong("expected '=' or the end of the line", start)
    found = _VALUE.match(match["text"])
    if found is None:
        raise Wrong("expected a result: a number, NULL, '?' or an error such as -1 ENOMEM", match.start("text"))
    errno = found["errno"] or found["restart"] or ""
    amount = None
    if found["number"]:
        sign = -1 if found["number"].startswith("-") else 1
        amount = sign * number(found["number"].lstrip("-"))
    elif found["null"]:
        amount = 0
    return Result(amount, errno, match["text"])


def _signal(text: str) -> Signal:
    match = _SIGNAL.match(text)
    if match is None:
        raise Wrong("expected '--- SIGNAL ... ---'", len(text))
    return Signal(match["name"] or "", match["text"].strip())


def _exited(text: str) -> Exited:
    match = _EXITED.match(text)
    if match is None:
        raise Wrong("expected '+++ exited with N +++' or '+++ killed by SIGNAL +++'", len(text))
    status, killed = _STATUS.match(match["text"]), _KILLED.match(match["text"])
    return Exited(match["text"], int(status[1]) if status else None, killed[1] if killed else "")


def _echo(text: str) -> Echo:
    match = _ECHO.match(text)
    if match is None:
        raise Wrong("expected '>' and a path below /proc or /sys", len(text))
    if not match["value"]:
        raise Wrong("expected a value to write", match.start("value"))
    if not match["path"].startswith(("/proc/", "/sys/")):
        raise Wrong("expected a path below /proc or /sys", match.start("path"))
    return Echo(match["value"].strip("\"'"), match["path"])
