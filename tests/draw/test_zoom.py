"""Levels of the map: regions, their scale, the minimap."""

from memtui.draw.address_map import AddressMap
from memtui.draw.minimap import minimap
from memtui.draw.page_grid import PageGrid
from memtui.draw.regions import Region, fold_to_fit, region_at
from memtui.draw.run import Run, plain
from memtui.draw.zoom import Level, Zoom
from memtui.model.address import Range
from memtui.model.mm import MmSnapshot
from memtui.model.pages import Residence
from memtui.model.vma import VmaKind
from tests.draw.pictures import PROCESS, run, vma

LOW = vma(0x1000000, 4, "r-xp", "/bin/x", VmaKind.FILE)
NEAR = vma(0x1010000, 64, "rw-p", "", VmaKind.ANON, run(0x1010000, 0, 64, Residence.ANON))
HEAP = vma(0x20000000, 4, "rw-p", "[heap]", VmaKind.HEAP)
FAR = vma(0x80000000, 1, "rwxp", "", VmaKind.ANON)
SPACE = (LOW, NEAR, HEAP, FAR)


def test_regions_end_at_large_holes_but_a_heap_belongs_to_its_program() -> None:
    program = Region(0, 2, LOW.start, HEAP.end)
    for address in (LOW.start, NEAR.end - 1, NEAR.end, HEAP.start):
        assert region_at(SPACE, address) == program
    assert region_at(SPACE, FAR.start) == Region(3, 3, FAR.start, FAR.end)
    for address in (0, HEAP.end, FAR.end):
        assert region_at(SPACE, address) is None
    assert region_at((), 0) is None


def test_a_region_is_drawn_to_scale() -> None:
    region = region_at(SPACE, LOW.start)
    assert region is not None
    mm = MmSnapshot(1, "x", SPACE)
    lines = AddressMap(mm, 60, fold=fold_to_fit(SPACE, region, 20), region=region)
    assert lines.scale == "a row 16 KiB"
    rows = [lines.vma_at(row) for row in range(len(lines))]
    assert [rows.count(each) for each in (LOW, NEAR, HEAP, None)] == [1, 16, 1, 2]
    for row in range(len(lines)):
        assert lines.row_of(lines.address_at(row, 0)) == row
    # Where there is no room at all each VMA still has a row of its own.
    assert len(AddressMap(mm, 60, fold=fold_to_fit(SPACE, region, 1), region=region)) <= 8


def test_what_is_writable_and_executable_is_marked_without_colour() -> None:
    lines = AddressMap(MmSnapshot(1, "x", SPACE), 60)
    row = lines.row(lines.row_of(FAR.start))
    assert "rwxp!" in plain(row)
    assert "map.perms.wx" in [run.role for run in row]
    assert "!" not in plain(lines.row(lines.row_of(LOW.start)))


def test_levels_from_far_to_near_and_back() -> None:
    seen = [zoom := Zoom()]
    while (zoom := zoom.closer(3, region=True)) is not None:
        seen.append(zoom)
    assert seen == [
        (Level.SPACE, 0),
        (Level.REGION, 0),
        (Level.PAGES, 3),
        (Level.PAGES, 1),
        (Level.PAGES, 0),
        (Level.BYTES, 0),
    ]
    back = [zoom := seen[-1]]
    while (zoom := zoom.further(3, region=True)) is not None:
        back.append(zoom)
    assert back == [
        (Level.BYTES, 0),
        (Level.PAGES, 0),
        (Level.PAGES, 2),
        (Level.PAGES, 3),
        (Level.REGION, 0),
        (Level.SPACE, 0),
    ]
    assert Zoom().closer(0, region=False) == Zoom(Level.PAGES, 0)
    assert Zoom(Level.PAGES, 0).further(0, region=False) == Zoom()


def test_the_minimap_has_the_whole_map_in_its_height_and_marks_changes() -> None:
    cells = minimap(AddressMap(PROCESS, 70), 6)
    assert len(cells) == 6
    assert all(len(cell.text) == 1 for cell in cells)
    assert len({cell.role for cell in cells}) > 1
    lowest = PROCESS.vmas[0].start
    marked = minimap(AddressMap(PROCESS, 70, marks=(Range(lowest, lowest + 4096),)), 6)
    assert [cell.text == "▌" for cell in marked] == [False] * 5 + [True]


def test_a_minimap_of_sixty_thousand_vmas_looks_at_few_rows() -> None:
    vmas = tuple(vma(0x10000 + n * 0x3000, 1, "rw-p", "", VmaKind.ANON) for n in range(60_000))
    asked = []

    class Counting(AddressMap):
        def sample(self, row: int) -> Run | None:
            asked.append(row)
            return super().sample(row)

    lines = Counting(MmSnapshot(1, "x", vmas), 70)
    assert len(lines) > 60_000
    minimap(lines, 40)
    assert len(asked) <= 40 * 10


def test_changed_pages_keep_their_glyph_and_have_a_bar_before_their_group() -> None:
    grid = PageGrid(NEAR, 60, marks=(Range(NEAR.start + 0x9000, NEAR.start + 0xB000),))
    assert plain(grid.row(0)) == " 000001010000 ████████▌████████ ████████ ████████"
    changed = [run.text for run in grid.row(0) if run.role == "map.changed"]
    assert changed == ["▌", "█", "█"]
    assert grid.is_marked(0, 1)
    assert not grid.is_marked(1, 2)
