"""Fitting text and rows into a width. Everything that a drawing shows of the outside world goes through `safe`."""

import unicodedata
from collections.abc import Iterable

from memtui.draw.run import Row, Run

_BLANK = "text"
_UNITS = frozenset({"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "%", "ms", "s"})
_MARGIN = Run(" ", _BLANK)


def safe(text: str) -> str:
    r"""The text with every character that is not just one cell wide spelled out: "a\nb" becomes "a\\nb".

    Names come from the kernel and hold any bytes. Lone surrogates, which stand for bytes that are not UTF-8, become
    "\xff"; control, combining and wide characters become "\n", "\u0301", "\u6587".
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_narrow(character) else _spelled(character) for character in text)


def _is_narrow(character: str) -> bool:
    code = ord(character)
    # Beyond these blocks terminals and tables disagree on widths (jamo, emoji, variation selectors).
    if not (code < 0x1100 or 0x1E00 <= code < 0x2C00):
        return False
    return (
        character.isprintable()
        and not unicodedata.category(character).startswith("M")
        and unicodedata.east_asian_width(character) not in "WF"
    )


def _spelled(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def shorten(text: str, width: int) -> str:
    """At most `width` cells, the last of them "…" if something is cut off."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 0 else ""


def crop(runs: Iterable[Run], width: int) -> Row:
    """The row cut off at `width` cells, without empty runs."""
    row: list[Run] = []
    left = width
    for run in runs:
        if left <= 0:
            break
        if run.text:
            row.append(run if len(run.text) <= left else Run(run.text[:left], run.role))
            left -= len(run.text)
    return tuple(row)


def indented(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows one cell further right."""
    return tuple((_MARGIN, *row) for row in rows)


def row_width(row: Iterable[Run]) -> int:
    """Cells."""
    return sum(len(run.text) for run in row)


def spread(left: Row, right: Row, width: int, role: str = _BLANK) -> Row:
    """`left` and `right` at the two ends of the width; `right` gives way when there is no room for both."""
    gap = width - row_width(left) - row_width(right)
    if gap < 1:
        return crop(left, width)
    return (*left, Run(" " * gap, role), *right)


def wrap(text: str, width: int) -> list[str]:
    """The text on lines of at most `width` cells, broken at spaces, inside a word only when it is longer than a line.

    Line breaks of the text stay. Always at least one line.
    """
    width = max(width, 1)
    return [line for paragraph in text.split("\n") for line in _wrap_paragraph(safe(paragraph), width)]


def _wrap_paragraph(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in _words(text):
        if line and len(line) + 1 + len(word) <= width:
            line += " " + word
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > width:
            lines.append(line[:width])
            line = line[width:]
    return [*lines, line] if line or not lines else lines


def _words(text: str) -> list[str]:
    """What the text can be broken between: not between a figure and its unit."""
    words: list[str] = []
    for word in text.split(" "):
        if words and words[-1][-1:].isdigit() and word.rstrip(",;.:)") in _UNITS:
            words[-1] += " " + word
        else:
            words.append(word)
    return words


def field_rows(key: str, value: str, width: int, *, key_width: int, role: str = "value") -> tuple[Row, ...]:
    """A name and its value, the value on as many rows as it needs, aligned behind `key_width` cells."""
    rows: list[Row] = []
    for line in wrap(value, width - key_width - 1):
        rows.append(crop((Run(f"{key:<{key_width}} ", "key"), Run(line, role)), width))
        key = ""
    return tuple(rows)
