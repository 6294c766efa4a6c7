from memtui.model.address import PAGE_SIZE, Range, page_down, page_up
from memtui.model.vma import Vma, VmaKind


def test_rounding_to_pages():
    assert [page_down(n) for n in (0, 1, 4095, 4096, 4097)] == [0, 0, 0, 4096, 4096]
    assert [page_up(n) for n in (0, 1, 4095, 4096, 4097)] == [0, 4096, 4096, 4096, 8192]


def test_range():
    both = Range(0x1000, 0x4000)
    assert (both.size, both.pages) == (3 * PAGE_SIZE, 3)
    assert both.contains(0x1000)
    assert not both.contains(0x4000)
    assert both.intersect(Range(0x3000, 0x9000)) == Range(0x3000, 0x4000)
    assert both.intersect(Range(0x4000, 0x9000)) is None


def vma(name: str, kind: VmaKind = VmaKind.FILE) -> Vma:
    return Vma(0x1000, 0x3000, "r--p", 0, (8, 1), 5, name, kind)


def test_path_undoes_what_maps_does_to_names():
    assert vma("/tmp/a\\012b (deleted)").path == "/tmp/a\nb"
    assert vma("/tmp/a\\012b (deleted)").deleted
    assert vma("/tmp/a b").path == "/tmp/a b"
    assert not vma("/tmp/a b").deleted


def test_labels_are_no_paths():
    assert vma("[heap]", VmaKind.HEAP).path is None
    assert vma("", VmaKind.ANON).path is None
