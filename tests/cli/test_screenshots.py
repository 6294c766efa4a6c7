"""The pictures in screenshots/ are what memtui draws now."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli import shots

MADE_WITH = "8.2"
"""Textual's drawing of its own parts changes with its releases."""
STALE = "stale: python tests/cli/shots.py draws all pictures anew; look at them before they are kept"
made_here = pytest.mark.skipif(
    not version("textual").startswith(MADE_WITH), reason=f"the pictures were made with Textual {MADE_WITH}"
)


@made_here
@pytest.mark.parametrize("name", sorted(shots.SHOTS))
def test_screenshot_is_current(name: str):
    kept = (shots.FOLDER / name).read_bytes()
    assert shots.render(shots.SHOTS[name]) == kept, STALE


@made_here
@pytest.mark.parametrize("name", sorted(shots.SNAPSHOTS))
def test_whole_screens_are_drawn_as_before(name: str):
    kept = (shots.SNAPSHOT_FOLDER / name).read_bytes()
    assert shots.render(shots.SNAPSHOTS[name]) == kept, STALE


@pytest.mark.parametrize("path", sorted(shots.FOLDER.glob("*.svg")), ids=lambda path: path.name)
def test_pictures_fetch_nothing(path: Path):
    links = re.findall(r"https?://[^\"' )<]+", path.read_text(encoding="utf-8"))
    assert set(links) <= {"http://www.w3.org/2000/svg", "https://www.textualize.io"}


def test_every_scenario_has_a_picture():
    assert {argv[1] for argv in shots.SHOTS.values()} == set(shots.scenario_names())
    assert {path.name for path in shots.FOLDER.glob("*.svg")} == set(shots.SHOTS) | {"live.svg"}


def test_the_readme_shows_pictures_that_are_there():
    text = (shots.ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((screenshots/[^)]+)\)", text)
    assert len(shown) >= 8
    for picture in shown:
        assert (shots.ROOT / picture).is_file()
