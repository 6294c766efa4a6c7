"""The list of mapped files as text."""

import pytest

from memtui.draw.file_list import FileList
from memtui.draw.run import plain
from memtui.model.file_cache import FileCache

FILES = (
    FileCache("/usr/bin/app", 0x1000, 100, 25, 1, 1, 3),
    FileCache("/lib/libc.so.6", 0x2000, 500, 500, 0, 0, 0),
    FileCache("/secret", 0x3000, why="the file cannot be opened: Permission denied"),
)


def test_the_most_cached_comes_first_and_what_is_denied_last() -> None:
    files = FileList(FILES, 100)
    rows = [" ".join(plain(files.row(index)).split()) for index in range(len(files))]
    assert rows == [
        "file cached of dirty evicted",
        "libc.so.6 ▓▓▓▓▓▓▓▓ 2 MiB 2 MiB 0 B 0 B 100 %",
        "app ▓▓······ 100 KiB 400 KiB 8 KiB 12 KiB 25 %",
        "secret — the file cannot be opened: Permission denied",
    ]
    assert files.file_at(0) is None
    assert files.file_at(2) == FILES[0]
    assert files.file_at(4) is None


@pytest.mark.parametrize("width", [10, 40, 76, 200])
def test_it_fits(width: int) -> None:
    files = FileList(FILES, width)
    assert all(len(plain(files.row(index))) <= width for index in range(-1, len(files) + 1))
