"""The blocks of smaps."""

import random

import pytest

from memtui.draw.smaps_text import smaps_text
from memtui.live.maps import FileSystems, MapsParser, lines_of
from memtui.live.procfs import Procfs
from memtui.live.smaps import SmapsParser, parse_rollup
from memtui.model.errors import NotSupported
from memtui.model.vma import Vma

HEAD = b"00400000-00402000 r-xp 00000000 fe:00 7                                  /x\\012VmFlags: y"
BLOCK = (
    HEAD + b"\nSize:                  8 kB\nRss:                   4 kB\nTHPeligible:           1\nVmFlags: rd ex mr \n"
)


def attached(*pieces: bytes, parser: SmapsParser | None = None, maps: bytes = b"", vmas: tuple[Vma, ...] = ()):
    """The VMAs of `maps`, or of the first lines that are in the pieces, with their blocks."""
    heads = maps or b"".join(line + b"\n" for line in b"".join(pieces).split(b"\n") if b"-" in line[:17])
    vmas = vmas or MapsParser().parse([heads], FileSystems())
    return (parser or SmapsParser()).attach(pieces, lines_of([heads]), vmas)


def at(place: int, block: bytes = BLOCK) -> bytes:
    return block.replace(b"00400000-00402000", f"{place:08x}-{place + 0x2000:08x}".encode())


def test_a_block_is_found_by_its_line_of_maps():
    ((vma,), torn) = attached(BLOCK)
    assert vma.smaps is not None
    assert vma.smaps[:4] == (8, None, None, 4)
    assert (vma.smaps.thp_eligible, vma.smaps.pss, vma.vm_flags, torn) == (1, None, ("rd", "ex", "mr"), 0)


@pytest.mark.parametrize("cut", range(len(BLOCK) + 1, 2 * len(BLOCK), 7))
def test_a_block_that_is_cut_off_is_left_out(cut):
    maps = HEAD + b"\n" + at(0x600000, HEAD) + b"\n"
    text = (BLOCK + at(0x600000))[:cut]
    for pieces in ([text], [text[:30], text[30:]], [text[: cut - 5], text[cut - 5 :]]):
        (first, second), torn = attached(*pieces, maps=maps)
        assert first.smaps is not None
        assert (second.smaps, torn) == (None, 1)


def test_equal_figures_are_one_object_and_stay_it():
    parser = SmapsParser()
    (left, right), _ = attached(BLOCK + at(0x600000), parser=parser)
    assert left.smaps is right.smaps
    ((again,), _) = attached(BLOCK, parser=parser)
    assert again.smaps is left.smaps


@pytest.mark.parametrize("seed", range(30))
def test_pieces_that_are_as_before_give_what_a_first_reading_gives(seed):
    chance = random.Random(seed)
    parser, maps, vmas = SmapsParser(), MapsParser(), ()
    figures: dict[int, int] = {}
    for _ in range(8):
        for place in chance.sample(range(1, 25), 4):
            figures[place] = chance.randrange(9)
        for place in chance.sample(sorted(figures), min(chance.randrange(3), len(figures))):
            del figures[place]
        # What is in one text and not in the other came or went between the two.
        late = set(chance.sample(range(1, 25), chance.randrange(3)))
        lines = [at(place << 16, HEAD) + b"\n" for place in sorted(figures.keys() - late)]
        blocks = [at(p << 16).replace(b" 4 kB", b" %d kB" % figures[p]) for p in sorted(figures)]
        pieces = [b"".join(blocks[i : i + 3]) for i in range(0, len(blocks), 3)]
        if chance.random() < 0.3:
            pieces = [b"".join(pieces)[i : i + 500] for i in range(0, len(b"".join(pieces)), 500)]
        vmas, torn = parser.attach(pieces, lines_of(lines), maps.parse(lines, FileSystems(), vmas))
        assert vmas == SmapsParser().attach(pieces, lines_of(lines), MapsParser().parse(lines, FileSystems()))[0]
        assert torn == 0
        assert [vma.smaps.rss for vma in vmas] == [figures[p] for p in sorted(figures) if p not in late]


def test_what_did_not_change_is_the_same_tuple():
    parser, text = SmapsParser(), BLOCK + at(0x600000)
    vmas, _ = attached(text, parser=parser)
    assert attached(text, parser=parser, vmas=vmas).vmas is vmas
    assert attached(text[:50], text[50:], parser=parser, vmas=vmas).vmas is vmas


def test_an_old_kernel_is_refused_in_words():
    with pytest.raises(NotSupported, match="VmFlags"):
        attached(BLOCK.replace(b"VmFlags: rd ex mr \n", b""))


def test_every_figure_of_a_live_process_is_kept(child):
    text = Procfs().read(f"{child.pid}/smaps")
    vmas, torn = attached(text, maps=Procfs().read(f"{child.pid}/maps"))
    assert torn == 0
    assert smaps_text(vmas).encode(errors="surrogateescape") == text


def test_rollup():
    text = b"00400000-7ffc rollup [rollup]\nRss:    1732 kB\nPss_Anon:    96 kB\n"
    assert parse_rollup(text) == {"Rss": 1732, "Pss_Anon": 96}
