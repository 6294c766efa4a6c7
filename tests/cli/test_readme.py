"""What the README says is so."""

import re

from memtui.settings import KEYS as SETTINGS
from tests.cli import readme_keys, shots


def test_the_keys_are_those_of_the_program():
    _, kept, _ = readme_keys.parts()
    assert kept == readme_keys.table(), "python tests/cli/readme_keys.py writes the table anew"


def test_the_first_keys_to_know_are_keys():
    before, _, _ = readme_keys.parts()
    known = {shown for key in readme_keys.KEYS for shown in key.shown.split(" ")}
    rows = re.findall(r"^\| ((?:`[^`]+` ?)+)\|", before[before.index("### Keys") :], re.MULTILINE)
    assert rows
    for row in rows:
        assert set(re.findall(r"`([^`]+)`", row)) <= known


def test_the_settings_are_those_that_are_read():
    text = readme_keys.README.read_text(encoding="utf-8")
    section = text[text.index("## Settings and themes") : text.index("`NO_COLOR`")]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(SETTINGS)


def test_the_command_that_makes_the_pictures_is_there():
    command = re.search(r"^\.venv/bin/python (\S+shots\.py)$", readme_keys.README.read_text(), re.MULTILINE)
    assert command
    assert (shots.ROOT / command[1]).is_file()
