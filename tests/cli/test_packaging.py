"""What an installation has to bring along."""

import json
from importlib.metadata import distribution
from pathlib import Path

import memtui
from memtui.ui.themes import load

ROOT = Path(__file__).parents[2]


def test_the_themes_are_found_without_any_of_the_users_own(tmp_path: Path):
    themes = load(tmp_path)
    assert themes.problems == ()
    assert sorted(themes.palettes) == sorted(path.stem for path in (ROOT / "themes").glob("*.toml"))
    assert {palette.dark for palette in themes.palettes.values()} == {True, False}


def test_an_installed_package_has_themes_scenarios_and_types():
    installed = distribution("memtui")
    direct = json.loads(installed.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable"):
        assert (Path(memtui.__file__).parents[1] / "themes").is_dir()
        return
    files = {str(path) for path in installed.files or ()}
    for theme in (ROOT / "themes").glob("*.toml"):
        assert f"memtui/_themes/{theme.name}" in files
    for scenario in (ROOT / "memtui" / "scenarios").glob("*.trace"):
        assert f"memtui/scenarios/{scenario.name}" in files
    assert {"memtui/py.typed", "memtui/ui/memtui.tcss"} <= files


def test_the_version_is_the_packages():
    assert distribution("memtui").version == memtui.__version__
