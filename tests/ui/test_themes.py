"""Theme files: the built-in ones, a user's own, and broken ones."""

from pathlib import Path

import pytest
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.color import Color as TextualColor

from memtui.draw.roles import ROLES
from memtui.model.errors import NotSupported
from memtui.ui.app import MemtuiApp
from memtui.ui.line_view import LineView
from memtui.ui.no_color import Colourless
from memtui.ui.themes import DEFAULT, SIXTEEN, Themes, for_terminal, load, load_first
from tests.ui.conftest import Run, settle
from tests.ui.fake import Simulated

LINUX_CONSOLE = TerminalTheme(
    (0, 0, 0),
    (170, 170, 170),
    [(0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)],
    [
        (85,) * 3,
        (255, 85, 85),
        (85, 255, 85),
        (255, 255, 85),
        (85, 85, 255),
        (255, 85, 255),
        (85, 255, 255),
        (255,) * 3,
    ],
)
"""The colours of default_red, default_grn and default_blu of drivers/tty/vt/vt.c."""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def colour(themes: Themes, theme: str, role: str) -> Color | None:
    return themes.palettes[theme].styles[role].color


def test_built_in_themes_are_whole_and_of_both_kinds(themes: Themes) -> None:
    assert themes.problems == ()
    assert sum(palette.dark for palette in themes.palettes.values()) >= 2
    assert not all(palette.dark for palette in themes.palettes.values())
    for palette in themes.palettes.values():
        assert set(palette.own) == set(ROLES)
        assert set(palette.styles) == set(ROLES)
        assert palette.textual("a").dark == palette.dark
    assert themes.get(None).name == DEFAULT


def test_a_theme_of_ones_own(own: Path) -> None:
    write(own, "mine", '[roles]\n"text" = "#010203"\nkey = { fg = "#040506", bg = "#070809", bold = true }\n')
    themes = load(own)
    assert themes.problems == ()
    mine = themes.get("mine")
    assert mine.styles["text"].color == Color.parse("#010203")
    assert mine.styles["key"].bgcolor == Color.parse("#070809")
    assert mine.styles["key"].bold
    # What it does not have is the default theme's, on its own background.
    assert mine.styles["residence.anon"].color == themes.get(None).styles["residence.anon"].color
    assert mine.styles["residence.anon"].bgcolor == Color.parse(mine.background)


def test_a_light_theme_does_not_take_the_background_of_the_default(own: Path) -> None:
    write(own, "light", "dark = false\n")
    light = load(own).get("light")
    assert light.background == "#ffffff"
    assert light.styles["text"].bgcolor == Color.parse("#ffffff")


def test_a_users_theme_replaces_a_built_in_one(own: Path) -> None:
    write(own, "whatever", f'name = "{DEFAULT}"\n[roles]\ntext = "#123456"\n')
    assert colour(load(own), DEFAULT, "text") == Color.parse("#123456")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('name = "x"\ndark = yes\n', 2, "Invalid value"),
        ('name = "x"\nbackground = "black"\n', 2, "no colour"),
        ('[roles]\n"text" = "#12345"\n', 2, "no colour"),
        ("\n\n[roles]\n'text' = 7\n", 4, "no colour"),
        ('[roles]\ntexts = "#123456"\n', 2, "no role named 'texts'"),
        ('[roles]\nkey = { fg = "#123456", blink = true }\n', 2, "'blink'"),
        ('[roles]\nkey = { bold = "yes" }\n', 2, "'bold'"),
        ("roles = 3\n", 1, "table"),
        ("name = 3\n", 1, "text"),
        ('dark = "no"\n', 1, "true or false"),
        ('colour = "#123456"\n', 1, "'colour'"),
    ],
)
def test_a_broken_theme_is_left_out_and_named_with_its_line(own: Path, text: str, line: int, what: str) -> None:
    write(own, "broken", text)
    write(own, "fine", 'name = "fine"\n')
    themes = load(own)
    assert "fine" in themes.palettes
    assert "x" not in themes.palettes
    (problem,) = themes.problems
    assert problem.startswith(f"{own / 'broken.toml'}:{line}:")
    assert what in problem
    assert "\n" not in problem


def test_a_file_that_is_no_text_and_one_that_cannot_be_read(own: Path) -> None:
    (own / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (own / "folder.toml").mkdir()
    problems = load(own).problems
    assert [problem.partition(": ")[2].split(":")[0] for problem in problems] == ["is not UTF-8 text", "cannot be read"]


def test_an_unknown_name_is_answered_with_the_list(own: Path) -> None:
    write(own, "typo", "dark = 1\n")
    with pytest.raises(NotSupported) as error:
        load(own).get("typo")
    assert "no theme named typo" in str(error.value)
    assert "typo.toml" in str(error.value)
    assert DEFAULT in error.value.hint


def test_without_any_theme_the_screen_still_can_be_read(tmp_path: Path) -> None:
    themes = load(tmp_path / "none", tmp_path / "nothing")
    assert themes.palettes == {}
    assert set(themes.get(None).styles) == set(ROLES)


async def test_an_edited_theme_is_seen_at_a_key(run: Run, own: Path) -> None:
    write(own, "mine", '[roles]\n"text" = "#010203"\n')
    async with run(Simulated(), themes=load(own), theme_name="mine", load_themes=lambda: load(own)) as pilot:
        app = pilot.app
        assert isinstance(app, MemtuiApp)
        write(own, "mine", '[roles]\n"text" = "#0a0b0c"\n')
        write(own, "bad", "dark = 3\n")
        await pilot.press("ctrl+t")
        await pilot.pause()
        view = app.screen.query_one("#map", LineView)
        assert view.painter.styles["text"].color == Color.parse("#0a0b0c")
        assert any("bad.toml" in notice.message for notice in app._notifications)
        (own / "mine.toml").unlink()
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.palette.name == DEFAULT


def test_a_terminal_of_sixteen_colours_starts_with_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLORTERM", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for term, wanted in (("linux", SIXTEEN), ("screen", SIXTEEN), ("tmux-256color", None), ("xterm-256color", None)):
        monkeypatch.setenv("TERM", term)
        assert for_terminal() == wanted


def test_only_the_theme_to_start_with_is_read_where_that_is_enough(themes: Themes, tmp_path: Path) -> None:
    first = load_first("slate", user=tmp_path)
    assert (list(first.palettes), first.partial) == (["slate"], True)
    assert first.get("slate").styles == themes.get("slate").styles
    assert list(load_first(None, user=tmp_path).palettes) == [DEFAULT]
    # A theme that is not there, or that the user may have made, can only be told from all of them.
    assert load_first("slaty", user=tmp_path).palettes.keys() == themes.palettes.keys()
    (tmp_path / "mine.toml").write_text('background = "#123456"\n')
    assert "mine" in load_first("slate", user=tmp_path).palettes
    (tmp_path / "mine.toml").unlink()
    built_in = tmp_path / "built-in"
    built_in.mkdir()
    (built_in / "slate.toml").write_text("background = 3\n")
    assert load_first("slate", user=tmp_path, built_in=built_in).problems


async def test_the_theme_after_the_first_is_read_when_it_is_wanted(run: Run, tmp_path: Path) -> None:
    first = load_first("slate", user=tmp_path)
    async with run(Simulated(), themes=first, theme_name="slate", load_themes=lambda: load(tmp_path)) as pilot:
        await pilot.press("T")
        await settle(pilot)
        assert isinstance(pilot.app, MemtuiApp)
        assert pilot.app.palette.name == "ansi16"


def test_the_sixteen_colour_theme_has_no_other_colours(themes: Themes) -> None:
    known = {Color.parse(f"color({number})").get_truecolor(LINUX_CONSOLE).hex for number in range(16)}
    palette = themes.palettes[SIXTEEN]
    used = {colour.name for style in palette.styles.values() for colour in (style.color, style.bgcolor) if colour}
    assert used <= known


def test_without_colours_what_was_raised_is_reversed() -> None:
    ground = TextualColor.parse("#101010")
    styles = [
        Style(color="#ff0000", bgcolor="#101010", bold=True),
        Style(color="#ff0000", bgcolor="#303030"),
        Style(color="#ff0000", bgcolor="#303030", reverse=True),
        None,
    ]
    bare = [segment.style for segment in Colourless().apply([Segment("x", style) for style in styles], ground)]
    assert bare == [Style(bold=True, reverse=False), Style(reverse=True), Style(reverse=False), None]
