"""Figures, fitting, bars, the legend and the header as text."""

import pytest

from memtui.draw.bar import bar
from memtui.draw.fit import crop, safe, shorten, spread, wrap
from memtui.draw.glyphs import GLYPHS
from memtui.draw.header import header_row
from memtui.draw.legend import legend_rows
from memtui.draw.lines import RowLines
from memtui.draw.run import Run, plain
from memtui.draw.sizes import count, human, kib, of, pages_size, plural, signed
from memtui.model.pages import Residence
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from tests.draw.pictures import text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "—"),
        (0, "0 B"),
        (1023, "1023 B"),
        (4096, "4 KiB"),
        (132 << 10, "132 KiB"),
        (1023 << 10, "1023 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (1966080, "1.9 MiB"),
        (25276502016, "23.5 GiB"),
        (210 << 20, "210 MiB"),
        (1 << 47, "128 TiB"),
        ((1 << 64) - 4096, "16 EiB"),
        (1 << 80, "1048576 EiB"),
        (-(3 << 19), "-1.5 MiB"),
    ],
)
def test_human(size, words):
    assert human(size) == words


def test_a_size_below_an_exbibyte_takes_eight_cells_at_most():
    edges = [edge + around for shift in range(61) for edge in (1 << shift, 999 << shift) for around in (-1, 0, 1)]
    assert max(len(human(edge)) for edge in edges if 0 <= edge < 1 << 60) == 8


def test_other_figures():
    assert (kib(2048), pages_size(33), count(6171024), plural(1, "page"), plural(2, "page")) == (
        "2 MiB",
        "132 KiB",
        "6,171,024",
        "1 page",
        "2 pages",
    )
    assert (kib(None), pages_size(None), count(None), signed(None), of(None, 5), of(1, 0)) == ("—",) * 6
    assert (signed(100), signed(-17), signed(0)) == ("+100", "-17", "0")
    assert (of(62, 100), of(1, 1000), of(0, 7), of(150, 100)) == ("62 %", "<1 %", "0 %", "150 %")


def test_safe_spells_out_what_is_not_one_cell_wide():
    assert safe("naïve ░ →") == "naïve ░ →"
    assert safe("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert safe("bad\udcff") == "bad\\xff"
    assert safe("文") == "\\u6587"
    assert safe("e\u0301\u200b") == "e\\u0301\\u200b"
    assert safe("\U0001f600") == "\\U0001f600"


def test_fitting():
    assert (shorten("libpython", 5), shorten("abc", 3), shorten("abc", 1), shorten("abc", 0)) == (
        "libp…",
        "abc",
        "…",
        "",
    )
    row = (Run("abc", "text"), Run("", "key"), Run("def", "value"))
    assert crop(row, 4) == (Run("abc", "text"), Run("d", "value"))
    assert plain(spread((Run("ab", "text"),), (Run("c", "text"),), 6)) == "ab   c"
    assert plain(spread((Run("ab", "text"),), (Run("c", "text"),), 3)) == "ab"
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("abcdefghij k", 4) == ["abcd", "efgh", "ij k"]
    assert wrap("a\n\nb", 9) == ["a", "", "b"]
    assert wrap("", 9) == [""]


def test_row_lines():
    lines = RowLines(((Run("a", "text"),), (Run("b", "text"),)), 5)
    assert (len(lines), lines.row(1), lines.row(2), lines.row(-1)) == (2, (Run("b", "text"),), (), ())


def test_a_bar_shows_the_least_and_never_overflows():
    def drawn(part, whole):
        return "".join(run.text for run in bar(part, whole, 8, "█", "residence.anon", empty="─"))

    assert drawn(1, 10**9) == "█───────"
    assert drawn(50, 100) == "████────"
    assert drawn(200, 100) == "████████"
    assert drawn(0, 100) == drawn(-5, 100) == drawn(5, 0) == "────────"


def test_glyphs_are_complete_and_distinct():
    assert set(GLYPHS) == set(Residence)
    assert len(set(GLYPHS.values())) == len(Residence)


def test_legend():
    assert text(legend_rows(79)) == [" █ anon  ▓ page cache  ▒ shmem  ░ swapped  ○ zero  · absent  × guard  ? unknown"]
    assert text(legend_rows(72)) == [" █ anon ▓ page cache ▒ shmem ░ swapped ○ zero · absent × guard ? unknown"]
    assert text(legend_rows(40)) == [
        " █ anon  ▓ page cache  ▒ shmem",
        " ░ swapped  ○ zero  · absent  × guard",
        " ? unknown",
    ]


LIVE = Snapshot("live", "4242 postgres", SystemSnapshot("6.18.44"), cost_ms=3.21)


def test_header_of_a_live_process():
    assert (
        plain(header_row(LIVE, 76, status="every 1.0 s"))
        == " memtui  live  4242 postgres · every 1.0 s · linux 6.18.44 · tick 3.2 ms    "
    )
    assert plain(header_row(LIVE, 50, status="every 1.0 s")) == " memtui  live  4242 postgres · every 1.0 s        "


def test_header_of_a_stale_picture():
    gone = Snapshot("live", "7 cat", SystemSnapshot("6.18.44"), stale="process 7 exited")
    row = header_row(gone, 62)
    assert plain(row) == " memtui  live  7 cat  stale: process 7 exited · linux 6.18.44 "
    assert Run(" stale: process 7 exited ", "header.stale") in row


def test_header_of_a_simulation():
    steps = StepLog((StepRecord(1, "brk(NULL)", 1, chapter="A heap"), StepRecord(2, "brk(NULL)", 1)), 1, complete=False)
    snapshot = Snapshot("sim", "first-malloc", SystemSnapshot("6.18.44"), steps=steps)
    assert plain(header_row(snapshot, 60)) == " memtui  sim  first-malloc · linux 6.18.44      1/2+ A heap "
    assert plain(header_row(snapshot, 36)) == " memtui  sim  first-malloc  1/2+ A …"
