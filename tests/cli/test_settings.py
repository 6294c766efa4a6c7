"""config.toml: defaults of the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memtui.settings import is_first_start, read


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "memtui").mkdir()
    path = tmp_path / "memtui" / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_command_gets_what_it_knows(tmp_path: Path) -> None:
    settings = read(folder(tmp_path, 'theme = "paper"\ninterval = 2\nsize = "80x24"\n'))
    assert settings.problems == ()
    assert settings.values["theme"] == "paper"
    assert settings.default_map["interval"] == 2
    assert settings.default_map["sim"] == {"size": "80x24"}
    assert settings.default_map["attach"] == {"interval": 2, "size": "80x24"}
    assert read(tmp_path / "none.toml").default_map["sim"] == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme = 3\n", "theme is to be text"),
        ("interval = true\n", "interval is to be a number"),
        ('colour = "red"\n', "'colour' is none of theme, interval, size"),
        ("theme = \n", "line 1"),
        ("interval = -1\n", "interval is to be 0.1 seconds or more"),
        ("interval = nan\n", "interval is to be 0.1 seconds or more"),
        ("interval = inf\n", "interval is to be 0.1 seconds or more"),
        ('size = "0x3"\n', "'0x3' is not a size"),
    ],
)
def test_what_is_wrong_is_named_and_left_out(tmp_path: Path, text: str, words: str) -> None:
    settings = read(folder(tmp_path, text))
    assert settings.values == {}
    assert len(settings.problems) == 1
    assert words in settings.problems[0]
    assert "config.toml" in settings.problems[0]


def test_an_option_beats_the_file(tmp_path: Path) -> None:
    folder(tmp_path, 'size = "44x14"\nbogus = 1\n')
    command = [sys.executable, "-m", "memtui", "sim", "--print", "svg"]
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    small = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert small.stderr.count("\n") == 1
    assert "'bogus' is none of" in small.stderr
    large = subprocess.run([*command, "--size", "100x30"], capture_output=True, text=True, env=environment, check=True)
    assert len(large.stdout) > len(small.stdout)


def test_a_theme_that_there_is_not_is_named_and_the_default_used(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "memtui", "sim", "--print", "svg", "--size", "44x14"]
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    plain = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    path = folder(tmp_path, 'theme = "nope"\n')
    wrong = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert wrong.stdout == plain.stdout
    assert wrong.stderr.count("\n") == 1
    assert f"{path}: no theme named nope" in wrong.stderr


def test_only_the_first_start_is_the_first(tmp_path: Path) -> None:
    marker = tmp_path / "state" / "tour-seen"
    assert is_first_start(marker)
    assert not is_first_start(marker)
    assert not is_first_start(marker / "cannot" / "be")
