"""The child of heap_child.c: what it says of its own heap, and what is read of it from outside."""

import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from memtui.live.source import LiveSource
from memtui.model.heap import HeapView
from memtui.model.request import ShowHeap

SOURCE = Path(__file__).with_name("heap_child.c")


class Bin(NamedTuple):
    """One line of malloc_info: chunk sizes carry the PREV_INUSE bit of their size fields."""

    low: int
    high: int
    total: int
    count: int


class Told(NamedTuple):
    """What the child says."""

    info: tuple[int, ...]
    """mallinfo2: arena, ordblks, smblks, hblks, hblkhd, uordblks, fordblks."""
    tcaches: tuple[tuple[int, ...], ...]
    """Counts of each thread."""
    blocks: Mapping[int, int]
    """Address of every block it holds -> malloc_usable_size."""
    bins: tuple[Counter[Bin], ...]
    """Of each arena: the small and large bins, and the unsorted one."""
    systems: tuple[int, ...]
    """Of each arena: bytes from the kernel."""


def build(folder: Path, *options: str) -> Path:
    """Compile the child."""
    program = folder / "heap_child"
    command = ["gcc", "-O1", "-g", "-Wall", "-Werror", *options, "-o", str(program), str(SOURCE), "-lpthread"]
    subprocess.run(command, check=True)
    return program


@contextmanager
def running(program: Path, *arguments: object, tunables: str = "") -> Iterator[tuple[int, str]]:
    """A child that sleeps (or is busy): its pid and what it printed."""
    env = os.environ | ({"GLIBC_TUNABLES": tunables} if tunables else {})
    command = [str(program), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        try:
            text = ""
            while (line := process.stdout.readline()) != "ready\n":
                assert line, "the child has ended"
                text += line
            yield process.pid, text
        finally:
            process.kill()


def parse(text: str) -> Told:
    """Read what the child printed."""
    lines = text[: text.index("<malloc")].splitlines()
    fields = [line.split() for line in lines]
    blocks = {}
    for row in fields:
        if row[0] == "blocks":
            blocks |= {int(at, 16): int(size) for at, size in zip(row[1::2], row[2::2], strict=True)}
    root = ET.fromstring(text[text.index("<malloc") :])
    heaps = root.findall("heap")
    return Told(
        info=next(tuple(map(int, row[1:])) for row in fields if row[0] == "info"),
        tcaches=tuple(tuple(map(int, row[1:])) for row in fields if row[0] == "tcache"),
        blocks=blocks,
        bins=tuple(Counter(_bins(heap)) for heap in heaps),
        systems=tuple(int(_found(heap, "system[@type='current']").attrib["size"]) for heap in heaps),
    )


def _found(heap: ET.Element, path: str) -> ET.Element:
    found = heap.find(path)
    assert found is not None
    return found


def _bins(heap: ET.Element) -> Iterator[Bin]:
    for element in _found(heap, "sizes"):
        figures = {key: int(value) for key, value in element.attrib.items()}
        # A fastbin's line tells the range of requests, not of chunk sizes; mallinfo2 counts them.
        if element.tag == "unsorted" or (figures["from"] & 1 and figures["to"] & 1):
            yield Bin(figures["from"], figures["to"], figures["total"], figures["count"])


def read(pid: int) -> HeapView:
    """The heap as it is read from outside, to its end."""
    source = LiveSource(pid, smaps=False)
    for _ in range(1000):
        mm = source.apply(ShowHeap()).mm
        assert mm is not None
        assert mm.heap is not None, mm.unknown["heap"]
        if mm.heap.progress is None:
            source.close()
            return mm.heap
    raise AssertionError("the reading never ended")


def libc_version() -> tuple[int, int]:
    """Of the installed glibc."""
    match = re.search(r"(\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    return (int(match[1]), int(match[2])) if match else (0, 0)
