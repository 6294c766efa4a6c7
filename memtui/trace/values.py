"""Text of one argument to its value."""

import re
from functools import lru_cache
from typing import Final

from memtui.trace.constants import AT_FDCWD, HUGE_SHIFT
from memtui.trace.lexer import Wrong, arguments, skip_atom, skip_path
from memtui.trace.line import Arg, Array, Fd, Flags, Keyword, Number, Opaque, Struct, Text, Variable

UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_DIGITS: Final = r"0[xX][0-9a-fA-F]{1,24}|\d{1,24}"
"""More than that is no number of a call, and Python refuses to convert thousands of them."""
_NUMBER: Final = re.compile(rf"([-+]?)({_DIGITS})([KMGT]?)")
_PLAIN_NUMBER: Final = re.compile(r"0x[0-9a-f]{1,24}|[1-9]\d{0,23}|0")
"""As strace writes most of them."""
_PRODUCT: Final = re.compile(r"\d{1,24}(?:\s*\*\s*\d{1,24}){1,3}")
_SHIFT: Final = re.compile(r"(\d{1,24})<<(\d{1,2}|[A-Z]+_HUGE_SHIFT)")
_NAME: Final = re.compile(r"_*[A-Z][A-Za-z0-9_]*")
_VARIABLE: Final = re.compile(rf"([A-Za-z_]\w*)((?:\s*[-+]\s*(?:{_DIGITS})[KMGT]?)*)")
_OFFSET: Final = re.compile(rf"([-+])\s*({_DIGITS})([KMGT]?)")
_FIELD: Final = re.compile(r"([A-Za-z_][\w.]*(?:\[[^\]]*\])?)\s*=(?!=)")
_STRING: Final = re.compile(r'"(.*)"(\.\.\.)?', re.DOTALL)
_FD: Final = re.compile(r"(-?\d{1,24}|AT_FDCWD)(?: /\* AT_FDCWD \*/)?<(?!<)")
_WORDS: Final = re.compile(r'(?:[\w|+-]+|"(?:[^"\\]|\\.)*")\s+(?=[\w"])')
_FOREIGN: Final = re.compile(r"~\[|['&@<]|\.\.\.|\w+\(|[-+]?\d*\.\d+$|.* (?:or|=>) ")
"""What strace and ltrace print and nobody writes: sets of signals, characters, makedev(...), A or B."""
_COMMENT: Final = re.compile(r"\s*/\*.*?\*/\s*", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}


def number(digits: str) -> int:
    """Decimal, 0x hexadecimal, or octal with a leading 0, as C has it."""
    if digits[:2] in {"0x", "0X"}:
        return int(digits, 16)
    if digits.startswith("0") and len(digits) > 1 and digits.isdigit() and not set(digits) & {"8", "9"}:
        return int(digits, 8)
    return int(digits)


def unescape(text: str) -> bytes:
    """What stands between the quotes of a C string, as bytes."""

    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1].isdigit():
            return bytes([int(code, 8) & 0xFF]) if code[0] < ord("8") else code
        if code[:1] == b"x" and len(code) > 1:
            return bytes([int(code[1:], 16)])
        return _LETTERS.get(code, code)

    return _ESCAPE.sub(byte, text.encode("utf-8", "surrogateescape"))


@lru_cache(maxsize=8192)
def value(text: str) -> Arg:
    """The value of one argument; what is none of the known forms is `Opaque`."""
    if _PLAIN_NUMBER.fullmatch(text):
        return Number(int(text, 0), text)
    try:
        return _value(text)
    except Wrong:  # brackets that do not match, in what ltrace quoted badly
        return Opaque(text)


def _value(text: str) -> Arg:
    match text[:1]:
        case '"':
            return _string(text)
        case "[":
            return _array(text)
        case "{":
            return _struct(text)
    if field := _FIELD.match(text):
        return Keyword(field[1], value(text[field.end() :].strip()))
    if fd := _FD.match(text):
        return _descriptor(text, fd)
    return _scalar(text)


def _scalar(text: str) -> Arg:
    bare = _COMMENT.sub("", text) if "/*" in text else text
    if match := _NUMBER.fullmatch(bare):
        amount = number(match[2]) << UNITS[match[3]]
        return Number(-amount if match[1] == "-" else amount, text)
    if bare in {"NULL", "nil", "(nil)"}:
        return Number(0, text)
    if bare == "AT_FDCWD":
        return Fd(AT_FDCWD)
    if _PRODUCT.fullmatch(bare):
        product = 1
        for factor in bare.split("*"):
            product *= int(factor)
        return Number(product, text)
    return _flags(bare) or _variable(bare) or Opaque(text)


def _flags(text: str) -> Arg | None:
    names, bits = [], 0
    for part in (part.strip() for part in text.lstrip("|").split("|")):  # strace -X raw has "|0x800" in statx
        if match := _SHIFT.fullmatch(part):
            bits |= int(match[1]) << (int(match[2]) if match[2].isdigit() else HUGE_SHIFT)
        elif match := _NUMBER.fullmatch(part):
            bits |= number(match[2])
        elif _NAME.fullmatch(part):
            names.append(part)
        else:
            return None
    if not names and "|" not in text:
        return Number(bits, text)
    return Flags(tuple(names), bits)


def _variable(text: str) -> Variable | None:
    match = _VARIABLE.fullmatch(text)
    if match is None:
        return None
    offset = 0
    for sign, digits, unit in _OFFSET.findall(match[2]):
        amount = number(digits) << UNITS[unit]
        offset += -amount if sign == "-" else amount
    return Variable(match[1], offset)


def _string(text: str) -> Arg:
    match = _STRING.fullmatch(text)
    return Text(unescape(match[1]), match[2] is not None) if match else Opaque(text)


def _descriptor(text: str, match: re.Match[str]) -> Arg:
    end = skip_path(text, match.end())
    path = text[match.end() : end].removesuffix("(deleted)").removesuffix(">").removesuffix(" (deleted)")
    if path.endswith(">"):
        path = path[: path.rfind("<")]  # the device numbers of -yy
    if end != len(text):
        return Opaque(text)
    name = AT_FDCWD if match[1] == "AT_FDCWD" else int(match[1])
    return Fd(name, unescape(path).decode("utf-8", "surrogateescape"))


def _array(text: str) -> Arg:
    spans, end = arguments(text, 1, "]")
    if _COMMENT.sub("", text[end:]).strip():
        return Opaque(text)
    items = [text[span.start : span.end] for span in spans]
    if len(items) == 1:
        items = _words(items[0])
    return Array(tuple(value(item) for item in items))


def _words(text: str) -> list[str]:
    """`[CHLD USR1]` and `[0 1]` are separated by blanks; a comment or an operator is none of that."""
    words, position = [], 0
    while position < len(text):
        start = position
        while position < len(text) and not text[position].isspace():
            position = skip_atom(text, position)
        words.append(text[start:position])
        position += 1
    plain = all(re.fullmatch(r"~?\w+", word) for word in words)
    return words if plain else [text]


def _struct(text: str) -> Arg:
    spans, end = arguments(text, 1, "}")
    rest = _COMMENT.sub("", text[end:]).strip()
    fields = []
    for span in spans:
        item = text[span.start : span.end]
        if field := _FIELD.match(item):
            fields.append((field[1], value(item[field.end() :].strip())))
        else:
            fields.append(("", value(item)))
    if rest.startswith("=>"):
        fields.append(("=>", value(rest[2:].strip())))
        rest = ""
    return Opaque(text) if rest else Struct(tuple(fields))


def check(text: str, arg: Arg, position: int) -> None:
    """Refuse what a hand-written argument cannot mean; a recorded log may hold what it likes.

    Raises:
        Wrong: an argument that is missing, is two words, looks like a number but is none, or is nothing known.
    """
    if not text:
        raise Wrong("expected an argument", position)
    if isinstance(arg, Keyword) and (field := _FIELD.match(text)):
        inner = text[field.end() :]
        check(inner.strip(), arg.value, position + field.end() + len(inner) - len(inner.lstrip()))
    if (words := _WORDS.match(text)) and " or " not in text:  # strace: BTRFS_IOC_CLONE or FICLONE
        raise Wrong("expected ')' or ','", position + words.end())
    if isinstance(arg, Opaque) and not _FOREIGN.match(text):
        if text[0] in "+-0123456789":
            raise Wrong("expected a number such as 4096, 0x1000 or 64K", position)
        raise Wrong("expected an argument: a number, a name or a string", position)
