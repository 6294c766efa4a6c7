"""The blocks of smaps."""

import pytest

from memtui.draw.smaps_text import smaps_text
from memtui.live.maps import FileSystems, MapsParser
from memtui.live.procfs import Procfs
from memtui.live.smaps import SmapsParser, parse_rollup
from memtui.model.errors import NotSupported

HEAD = b"00400000-00402000 r-xp 00000000 fe:00 7                                  /x\\012VmFlags: y"
BLOCK = (
    HEAD + b"\nSize:                  8 kB\nRss:                   4 kB\nTHPeligible:           1\nVmFlags: rd ex mr \n"
)


def test_a_block_is_found_by_its_line_of_maps():
    [(head, (smaps, flags))] = SmapsParser().parse([BLOCK])
    assert head == HEAD + b"\n"
    assert (smaps.size, smaps.rss, smaps.thp_eligible, smaps.pss) == (8, 4, 1, None)
    assert flags == ("rd", "ex", "mr")


@pytest.mark.parametrize("cut", range(len(BLOCK) + 1, 2 * len(BLOCK), 7))
def test_a_block_that_is_cut_off_is_left_out(cut):
    other = BLOCK.replace(b"00400000-00402000", b"00600000-00602000")
    text = (BLOCK + other)[:cut]
    assert [head for head, _ in SmapsParser().parse([text])] == [HEAD + b"\n"]
    assert [head for head, _ in SmapsParser().parse([text[:30], text[30:]])] == [HEAD + b"\n"]


def test_equal_figures_are_one_object_and_stay_it():
    parser = SmapsParser()
    other = BLOCK.replace(b"00400000-00402000", b"00600000-00602000")
    (_, left), (_, right) = parser.parse([BLOCK + other])
    assert left is right
    assert [block for _, block in parser.parse([BLOCK])] == [left]
    assert next(parser.parse([BLOCK]))[1] is left


def test_an_old_kernel_is_refused_in_words():
    with pytest.raises(NotSupported, match="VmFlags"):
        list(SmapsParser().parse([BLOCK.replace(b"VmFlags: rd ex mr \n", b"")]))


def test_every_figure_of_a_live_process_is_kept(child):
    text = Procfs().read(f"{child.pid}/smaps")
    lines, blocks = zip(*SmapsParser().parse([text]), strict=True)
    parsed = MapsParser().parse(lines, FileSystems())
    vmas = [vma._replace(smaps=smaps, vm_flags=flags) for vma, (smaps, flags) in zip(parsed, blocks, strict=True)]
    assert smaps_text(vmas).encode(errors="surrogateescape") == text


def test_rollup():
    text = b"00400000-7ffc rollup [rollup]\nRss:    1732 kB\nPss_Anon:    96 kB\n"
    assert parse_rollup(text) == {"Rss": 1732, "Pss_Anon": 96}
