"""The built-in themes: complete, readable, and told apart by colour-blind eyes."""

import itertools
import tomllib
from pathlib import Path

import pytest

from memtui.draw.roles import PART, ROLES
from memtui.model.pages import Residence

THEMES = sorted((Path(__file__).parents[2] / "themes").glob("*.toml"))

GRAPHIC = {"residence.absent", "map.edge", "bar.empty"} | {role for role in ROLES if role.endswith(PART)}
"""Roles of shapes, not of words: WCAG 1.4.11 asks 3:1 of them, 1.4.3 asks 4.5:1 of words."""

# Viénot, Brettel and Mollon (1999) in linear sRGB: what protan and deutan eyes see.
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deutan": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def read(path):
    theme = tomllib.loads(path.read_text(encoding="utf-8"))
    roles = {}
    for role, value in theme["roles"].items():
        table = {"fg": value} if isinstance(value, str) else value
        roles[role] = (table.get("fg", theme["foreground"]), table.get("bg", theme["background"]))
    return theme, roles


def linear(colour):
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def luminance(colour):
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour, eye):
    rgb = linear(colour)
    red, green, blue = (
        min(max(sum(factor * value for factor, value in zip(row, rgb, strict=True)), 0), 1) for row in eye
    )
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in xyz)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


COLOURLESS = "mono"
"""The theme that leaves it to the glyphs to tell residences apart."""
ANSI = {
    *("#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa"),
    *("#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff"),
}
"""The colours of the Linux console (drivers/tty/vt/vt.c)."""


def test_there_are_eight_themes_and_a_light_one_among_them():
    dark = {path.stem: read(path)[0]["dark"] for path in THEMES}
    assert len(dark) >= 8
    assert not dark["paper"]


def test_one_has_only_the_colours_of_a_console():
    theme, roles = read(next(path for path in THEMES if path.stem == "ansi16"))
    used = {colour for pair in roles.values() for colour in pair} | {theme["background"], theme["foreground"]}
    assert used <= ANSI


@pytest.mark.parametrize("path", THEMES, ids=lambda path: path.stem)
class TestTheme:
    def test_is_named_as_its_file_and_has_every_role(self, path):
        theme, roles = read(path)
        assert theme["name"] == path.stem
        assert set(roles) == set(ROLES)

    def test_reads_on_the_background_and_on_the_row_of_the_cursor(self, path):
        _, roles = read(path)
        row = roles["map.cursor.row"][1]
        for role, (fg, bg) in roles.items():
            least = 3.0 if role in GRAPHIC else 4.5
            assert contrast(fg, bg) >= least, role
            assert contrast(fg, row) >= least or role in ("map.cursor", "header.stale", "event.oom_kill"), role

    @pytest.mark.parametrize("eye", BLINDNESS)
    def test_residences_look_different_to_every_eye(self, path, eye):
        _, roles = read(path)
        names = [Residence.ANON, Residence.PAGE_CACHE, Residence.SHMEM, Residence.SWAPPED]
        seen = {name: lab(roles[f"residence.{name}"][0], BLINDNESS[eye]) for name in names}
        for one, other in itertools.combinations(names, 2):
            distance = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
            # 2.3 is the smallest difference that the eye notices side by side.
            assert distance >= 20 or path.stem == COLOURLESS, (one, other, distance)
