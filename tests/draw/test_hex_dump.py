"""The bytes of a page as text."""

import pytest

from memtui.draw.hex_dump import HexDump
from memtui.draw.run import plain
from memtui.model.content import Content

PAGE = 0x7FFFF7A00000
DATA = (b"\0" * 5 + b"Hi" + b"\xff" + bytes(range(248, 256))) * 256


def test_rows_show_hex_and_text() -> None:
    dump = HexDump(Content(PAGE, DATA), 82)
    assert plain(dump.row(1)).rstrip() == (
        " 7ffff7a00010 00 00 00 00 00 48 69 ff  f8 f9 fa fb fc fd fe ff  ·····Hi·········"
    )
    assert dump.scale == "a row 16 bytes"
    assert len(dump) == 256
    assert plain(dump.row(256)) == ""


def test_bytes_that_changed_are_marked_and_counted() -> None:
    before = DATA[:21] + b"?" + DATA[22:]
    dump = HexDump(Content(PAGE, DATA), 82, before)
    assert " 48*69 ff" in plain(dump.row(1))
    assert "*" not in plain(dump.row(0)).partition("··")[0]
    assert dump.scale == "a row 16 bytes · * 1 changed"
    assert [run.text for run in dump.row(1) if run.role == "map.changed"] == ["48*"]
    assert HexDump(Content(PAGE, DATA), 82, DATA).scale == "a row 16 bytes"


@pytest.mark.parametrize("width", [30, 40, 60, 82, 150, 290])
def test_every_byte_has_its_place(width: int) -> None:
    dump = HexDump(Content(PAGE, DATA), width)
    assert all(len(plain(dump.row(index))) <= width for index in range(len(dump)))
    for offset in (0, 1, 7, 8, 9, 15, 16, 31, 63, 2048, 4095):
        row, column = dump.row_of(PAGE + offset), dump.column_of(PAGE + offset)
        assert dump.address_at(row, column) == dump.address_at(row, column + 1) == PAGE + offset
        assert plain(dump.row(row))[column : column + 2] == f"{DATA[offset]:02x}"


def test_what_was_not_read_says_why() -> None:
    dump = HexDump(Content(PAGE, None, "it is denied"), 40)
    assert [plain(dump.row(index)) for index in range(len(dump))] == [" it is denied"]
    assert "reading" in plain(HexDump(Content(PAGE, None), 40).row(0))
