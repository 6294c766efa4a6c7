"""How fast a live heap is read and drawn: a child with a million chunks against bare peers, all in one run.

    python -m tests.bench.bench_heap [chunks]

The peer of the reading is one pread of the whole heap and a loop over it that does nothing but follow the sizes.
Seconds are of CPU time of this process.
"""

import os
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

from memtui.draw.heap_lists import HeapBins, HeapChunks
from memtui.draw.heap_picture import HeapPicture
from memtui.live.source import LiveSource
from memtui.model.address import Range
from memtui.model.heap import HeapView
from memtui.model.request import ShowHeap

CHILD = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    long count = atol(argv[1]);
    void **held = malloc(count * sizeof *held);
    unsigned seed = 1;
    for (long n = 0; n < count; n++)
        held[n] = malloc(16 + (seed = seed * 1103515245 + 12345) % 64);
    for (long n = 0; n < count; n += 3)
        if ((seed = seed * 1103515245 + 12345) >> 20 & 1)
            free(held[n]);
    puts("ready");
    fflush(stdout);
    return (int)read(0, held, 1);
}
"""
ROWS = 50
WIDTH = 120


def bare(pid: int, region: Range) -> float:
    """Seconds of the peer."""
    began = time.process_time()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        words = array("Q", os.pread(mem.fileno(), region.size, region.start))
    at, chunks = 1, 0
    while at < len(words):
        at += words[at] >> 4 << 1
        chunks += 1
    assert chunks
    return time.process_time() - began


def read(pid: int) -> tuple[HeapView, float, int]:
    """The heap, seconds, and in how many pieces it came."""
    source = LiveSource(pid, smaps=False)
    began, pieces = time.process_time(), 0
    while True:
        pieces += 1
        mm = source.apply(ShowHeap()).mm
        assert mm is not None
        assert mm.heap is not None
        if mm.heap.progress is None:
            return mm.heap, time.process_time() - began, pieces


def screens(lines: HeapPicture | HeapBins | HeapChunks) -> float:
    """Seconds a screen, at places all over the drawing."""
    places = range(0, max(len(lines) - ROWS, 1), max(len(lines) // 40, 1))
    began = time.process_time()
    for top in places:
        for row in range(top, top + ROWS):
            lines.row(row)
    return (time.process_time() - began) / len(places)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "child"
        subprocess.run(["gcc", "-O1", "-w", "-x", "c", "-", "-o", str(program)], input=CHILD.encode(), check=True)
        with subprocess.Popen([program, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            heap, seconds, pieces = read(process.pid)
            peer = bare(process.pid, heap.arenas[0].regions[0])
            process.kill()
    chunks = sum(len(arena.chunks) for arena in heap.arenas)
    print(f"{chunks:,} chunks in {seconds:.2f} s, {pieces} pieces; a bare walk {peer:.2f} s: {seconds / peer:.1f} x")
    for name, make in (
        ("picture, coarsest", lambda: HeapPicture(heap, WIDTH, 40, ROWS)),
        ("picture, finest", lambda: HeapPicture(heap, WIDTH, 4, ROWS)),
        ("bins", lambda: HeapBins(heap, WIDTH)),
        ("chunks", lambda: HeapChunks(heap, WIDTH)),
    ):
        began = time.process_time()
        lines = make()
        made = time.process_time() - began
        shown = screens(lines)
        print(f"{name:<18} {len(lines):>10,} rows, laid out in {made * 1e3:6.1f} ms, a screen {shown * 1e3:5.1f} ms")


if __name__ == "__main__":
    main()
