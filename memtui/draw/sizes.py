"""Figures as people read them. An unknown one is a dash, never 0."""

from typing import Final

from memtui.draw.glyphs import NOT_MEASURED

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def human(size: int | None) -> str:
    """A size in bytes to three digits: "1.9 MiB", "23.5 GiB", "132 KiB", "128 TiB"; at most 8 characters.

    Negative sizes (a difference) carry a minus sign and may be one longer. None is "—".
    """
    if size is None:
        return NOT_MEASURED
    sign, rest = ("-", -size) if size < 0 else ("", size)
    unit = min(max(rest.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    if unit == 0:
        return f"{sign}{rest} B"
    # Whole tenths, rounded half up without a float, so that large sizes stay exact.
    tenths = (rest * 10 + (1 << (10 * unit - 1))) >> (10 * unit)
    if tenths < 1000 and tenths % 10:
        return f"{sign}{tenths // 10}.{tenths % 10} {_UNITS[unit]}"
    whole = (rest + (1 << (10 * unit - 1))) >> (10 * unit)
    if whole == 1024 and unit + 1 < len(_UNITS):
        return f"{sign}1 {_UNITS[unit + 1]}"
    return f"{sign}{whole} {_UNITS[unit]}"


def kib(size: int | None) -> str:
    """A size in KiB, as meminfo, status and smaps tell it, in words: 2048 is "2 MiB"."""
    return human(None if size is None else size << 10)


def pages_size(pages: int | None) -> str:
    """The size of so many 4 KiB pages: 33 is "132 KiB"."""
    return human(None if pages is None else pages << 12)


def count(number: int | None) -> str:
    """A whole number with its thousands apart: "6,171,024"; None is "—"."""
    return NOT_MEASURED if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """So many of something: "1 page", "399 pages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def signed(number: int | None) -> str:
    """A number that moves something: "+100", "-17", "0"; None is "—"."""
    if number is None:
        return NOT_MEASURED
    return f"{number:+d}" if number else "0"


def of(part: int | None, whole: int | None) -> str:
    """A share in percent: "62 %", "<1 %"; "—" when either is unknown or the whole is 0."""
    if part is None or not whole:
        return NOT_MEASURED
    percent = part * 100 / whole
    return "<1 %" if 0 < percent < 1 else f"{percent:.0f} %"
