"""`memtui PID`, the commonest call: what maps says stands on the terminal before anything slow is imported.

The same VMAs follow with what is in memory of them (draw/plain_rows.py), and then the screen.
"""

import io
import os
import sys

from memtui.plain_frame import PlainFrame

_ROW_LEAST = 44
"""Cells that an address, a size and the permissions take, with a short name."""


def look(pid: int) -> PlainFrame | None:
    """The frame, which stands on the terminal now; None: the process cannot be read, and later code will say why."""
    try:
        width, height = os.get_terminal_size(sys.stdout.fileno())
        with open(f"/proc/{pid}/maps", "rb") as file:
            lines = lines_to(file, height)
        with open(f"/proc/{pid}/comm", "rb") as file:
            comm = file.read().decode("utf-8", "replace").strip()
    except OSError:
        return None
    frame = PlainFrame([_printable(row)[:width] for row in rows(pid, comm, lines, width, height)])
    frame.draw()
    return frame


def lines_to(file: io.BufferedReader, height: int) -> list[str]:
    """The lines up to so many behind that of the heap; all if there is none."""
    lines: list[str] = []
    left = -1
    for line in file:
        lines.append(line.decode("utf-8", "replace").rstrip("\n"))
        if line.endswith(b"[heap]\n"):
            left = height
        elif left > 0:
            left -= 1
        if left == 0:
            break
    return lines


def rows(pid: int, comm: str, lines: list[str], width: int, height: int) -> list[str]:
    """A header, and the VMAs around the heap, high addresses on top.

    Args:
        pid: of the process.
        comm: of the process.
        lines: of its maps.
        width: cells of the terminal.
        height: rows of the terminal.
    """
    heap = next((nth for nth, line in enumerate(reversed(lines)) if line.endswith("[heap]")), 0)
    room = max(height - 3, 0)
    top = max(min(heap - room // 2, len(lines) - room), 0)
    shown = lines[::-1][top : top + room]
    return [f" memtui  live  {pid} {comm}", "", *(_row(line, width) for line in shown)]


def _row(line: str, width: int) -> str:
    place, perms, *rest = line.split(maxsplit=5)
    start, _, end = place.partition("-")
    name = rest[3].rpartition("/")[2] if len(rest) > 3 else "anon"
    label = max(min(width - _ROW_LEAST, 26), 8)
    return f" {start:>12} ┤ {name[:label]:<{label}} {(int(end, 16) - int(start, 16)) >> 10:>12,} KiB {perms}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
