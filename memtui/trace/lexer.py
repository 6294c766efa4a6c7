"""Where the parts of a line are: the prefix that strace puts before a call, and the arguments between brackets."""

import re
from typing import Final, NamedTuple

_TIME: Final = (
    r"\(\+\s*\d+\.\d+\)|"  # -r together with -t
    r"\d\d:\d\d:\d\d(?:[.,]\d+)?|"  # -t, -tt
    r"\d+\.\d+|"  # -r, -ttt
    r"\d{8,}"  # seconds since 1970: no pid has more than 7 digits
)
_PREFIX: Final = re.compile(
    r"\s*(?:\[pid\s+(?P<bracketed>\d{1,10})(?:<[^>]*>)?\]\s*|(?P<bare>\d{1,7})(?:<[^>]*>)?(?=\s+\D|\s+\d+[.:]|\s+\d{8})\s+)?"
    rf"(?:(?:{_TIME})(?=\s)\s+)*"
    r"(?:\[\s*\d+\]\s+)?"  # -n
    r"(?:\[(?:0x)?(?:[0-9a-f]{6,}|\?+)\]\s+)?"  # -i
)
STRING: Final = (
    r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?(?=[\s,)\]}=]|$)'
    r'|".*?"(?:\.\.\.)?(?=\s*[,)\]}])'  # ltrace does not escape a quote in a string
)
_ATOM: Final = re.compile(
    r"""[^"'/<>()\[\]{},\s]+|\s+|/\*.*?\*/|'(?:\\[0-7]{1,3}|\\.|[^'\\])'|<\.\.\..*?\.\.\.>|""" + STRING,
    re.DOTALL,
)
_BEFORE_PATH: Final = (*"0123456789", "AT_FDCWD", "AT_FDCWD */")
"""What -y prints a path behind; the last with -X verbose."""
_SOCKET: Final = re.compile(r"[A-Za-z][\w-]*:\[")
_CLOSER: Final = {"(": ")", "[": "]", "{": "}"}


class Prefix(NamedTuple):
    """What stands before the call."""

    pid: int | None
    length: int
    """Characters."""


class Span(NamedTuple):
    """Text from `start` up to, not including, `end`, without blanks around it."""

    start: int
    end: int


class Wrong(Exception):
    """What was expected at which character of the text; the parser turns it into a ParseError with file and line."""

    def __init__(self, what: str, position: int) -> None:
        self.what, self.position = what, position
        super().__init__(what)


def prefix(line: str) -> Prefix:
    """The pid of -f and the length of all that -f -r -t -tt -ttt -n -i put before a call."""
    match = _PREFIX.match(line)
    assert match is not None, "every part is optional"
    pid = match["bracketed"] or match["bare"]
    return Prefix(int(pid) if pid else None, match.end())


def arguments(text: str, position: int, closer: str = ")") -> tuple[tuple[Span, ...], int]:
    """Split at the commas of the bracket that opened just before `position`.

    Args:
        text: the line.
        position: behind the opening bracket.
        closer: the bracket that ends it; "" to split all of the text.

    Returns:
        The arguments (none for `()`), and the position behind the closing bracket.

    Raises:
        Wrong: the bracket, a nested one or a string is not closed.
    """
    spans: list[Span] = []
    start = position
    while True:
        position = _skip_to_delimiter(text, position)
        if position == len(text):
            if closer:
                raise Wrong(f"expected '{closer}' or ','", position)
        elif text[position] not in {",", closer}:
            raise Wrong(f"expected '{closer}' or ','" if closer else "expected ','", position)
        last = position == len(text) or text[position] == closer
        span = _trimmed(text, start, position)
        if span.start < span.end or spans or not last:
            spans.append(span)
        position += 1
        if last:
            return tuple(spans), min(position, len(text))
        start = position


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _skip_to_delimiter(text: str, position: int) -> int:
    """The first comma or unmatched closing bracket at this level, or the end of the text."""
    while position < len(text):
        character = text[position]
        if character in ",)]}":
            return position
        position = skip_atom(text, position)
    return position


def skip_atom(text: str, position: int) -> int:
    """Behind the string, comment, bracket, path of a descriptor or run of plain characters that starts here."""
    character = text[position]
    if character in _CLOSER:
        return arguments(text, position + 1, _CLOSER[character])[1]
    if match := _ATOM.match(text, position):
        return match.end()
    if character == '"':
        raise Wrong("expected a closing '\"'", len(text))
    if character == "<" and text[max(position - 11, 0) : position].endswith(_BEFORE_PATH):
        return skip_path(text, position + 1)
    return position + 1


def skip_path(text: str, position: int) -> int:
    r"""Behind the `>` that ends what -y and -yy print for a descriptor; `position` is behind its `<`.

    A `<` in the path itself is printed as \74, so only what strace adds nests: `0</dev/pts/0<char 136:0>>`.
    Sockets hold arrows: `3<TCP:[127.0.0.1:80->127.0.0.1:99]>`.
    """
    if text.startswith("<", position):
        return position + 1  # 30<<MAP_HUGE_SHIFT
    if _SOCKET.match(text, position):
        end = text.find("]>", position)
        if end >= 0:
            return end + 2
    depth, start = 1, position
    while depth and position < len(text):
        depth += {"<": 1, ">": -1}.get(text[position], 0)
        position += 1
    if depth:
        raise Wrong("expected '>' behind the path of a descriptor", start)
    return position + len("(deleted)") if text.startswith("(deleted)", position) else position
