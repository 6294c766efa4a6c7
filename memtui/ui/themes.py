"""Themes: TOML files that give each role of a drawing its colour."""

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from platformdirs import user_config_path
from rich.console import Console
from rich.style import Style
from textual.theme import Theme

from memtui.draw.roles import ROLES
from memtui.model.errors import NotSupported, ParseError

DEFAULT: Final = "ink"
"""The theme to start with, if there is one of this name; else the first dark one by name."""
SIXTEEN: Final = "ansi16"
"""The theme for terminals that have no other colours."""
_FLAGS: Final = ("bold", "dim", "italic", "underline", "reverse")
_KEYS: Final = ("name", "dark", "background", "foreground", "roles")
_GROUND: Final[Mapping[bool, tuple[str, str]]] = {True: ("#101010", "#e0e0e0"), False: ("#ffffff", "#101010")}
"""Dark -> background, foreground, where a theme has none."""


class Palette(NamedTuple):
    """One theme, ready to draw with."""

    name: str
    dark: bool
    background: str
    foreground: str
    styles: Mapping[str, Style]
    """Every role of draw.roles.ROLES."""
    own: Mapping[str, Style] = MappingProxyType({})
    """What the file says of each role that it has, without the background."""

    def textual(self, name: str) -> Theme:
        """What Textual's own widgets are coloured by, under this name."""

        def colour(role: str) -> str:
            found = self.styles[role].color
            return found.get_truecolor().hex if found else self.foreground

        return Theme(
            name=name,
            primary=colour("key"),
            secondary=colour("text.dim"),
            accent=colour("key"),
            foreground=self.foreground,
            background=self.background,
            surface=self.background,
            panel=self.background,
            warning=colour("event.divergence"),
            error=colour("error"),
            success=colour("oom.agrees"),
            dark=self.dark,
        )


class Themes(NamedTuple):
    """What could be loaded, and what was wrong with the others."""

    palettes: Mapping[str, Palette]
    problems: tuple[str, ...]
    """One line each: file, line, what."""
    partial: bool = False
    """There are more that were not read yet."""

    def get(self, name: str | None) -> Palette:
        """The theme of this name, the default one for None.

        Raises:
            NotSupported: there is none of this name.
        """
        if name is None:
            return _default(self.palettes)
        if name not in self.palettes:
            broken = "".join(f"; {problem}" for problem in self.problems)
            raise NotSupported(f"no theme named {name}{broken}", hint="there are " + ", ".join(sorted(self.palettes)))
        return self.palettes[name]


def for_terminal() -> str | None:
    """The name of the theme to start with on this terminal: one of sixteen colours gets theirs; None: any."""
    return SIXTEEN if Console(file=sys.__stdout__).color_system == "standard" else None


def load_first(name: str | None, user: Path | None = None, built_in: Path | None = None) -> Themes:
    """The theme to start with alone, if no other is needed for it; else all, as `load` does.

    Args:
        name: of the theme; None: the default one.
        user: the folder of the user's themes.
        built_in: the folder of the built-in ones.
    """
    own, path = user or _users(), (built_in or _built_in()) / f"{name or DEFAULT}.toml"
    if next(own.glob("*.toml"), None) is None and path.is_file():
        try:
            palette = _read(path)
        except ParseError:
            return load(user, built_in)
        if palette.name == (name or DEFAULT) and palette.own.keys() == ROLES.keys():
            return Themes({palette.name: _completed(palette, {})}, (), partial=True)
    return load(user, built_in)


def load(user: Path | None = None, built_in: Path | None = None) -> Themes:
    """Read the built-in themes and the user's own; a broken file is reported and left out.

    Roles that a theme does not have are the default theme's. A user's theme replaces a built-in one of its name.

    Args:
        user: the folder of the user's themes; by default `memtui/themes` in the platform's configuration folder.
        built_in: the folder of the built-in ones; by default what came with the package.
    """
    problems: list[str] = []
    palettes: dict[str, Palette] = {}
    for folder in (built_in or _built_in(), user or _users()):
        for path in sorted(folder.glob("*.toml")):
            try:
                palette = _read(path)
            except ParseError as error:
                problems.append(str(error))
            else:
                palettes[palette.name] = palette
    fallback = _default(palettes).own
    return Themes({name: _completed(palette, fallback) for name, palette in palettes.items()}, tuple(problems))


def _default(palettes: Mapping[str, Palette]) -> Palette:
    dark = [palettes[name] for name in sorted(palettes) if palettes[name].dark]
    if DEFAULT in palettes:
        return palettes[DEFAULT]
    # Not one theme can be read: the picture still can, without colours.
    return dark[0] if dark else _completed(Palette("plain", True, *_GROUND[True], {}), {})


def _completed(palette: Palette, fallback: Mapping[str, Style]) -> Palette:
    plain = Style(color=palette.foreground, bgcolor=palette.background)
    own = {**fallback, **palette.own}
    return palette._replace(styles={role: plain + own[role] if role in own else plain for role in ROLES})


def _built_in() -> Path:
    """`_themes` inside an installed package; `themes` beside it in a checkout or an editable install."""
    package = Path(__file__).parents[1]
    installed = package / "_themes"
    return installed if installed.is_dir() else package.parent / "themes"


def _users() -> Path:
    return user_config_path("memtui") / "themes"


def _read(path: Path) -> Palette:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParseError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ParseError("is not UTF-8 text", file=str(path)) from error
    try:
        return _palette(tomllib.loads(text), path.stem)
    except tomllib.TOMLDecodeError as error:
        # The message ends in "(at line 3, column 5)", or in "(at end of document)".
        found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
        what, line, column = (found[1], int(found[2]), int(found[3])) if found else (str(error), 0, 0)
        raise ParseError(what, file=str(path), line=line, column=column) from error
    except _Wrong as error:
        raise ParseError(error.what, file=str(path), line=_line_of(text, error.key)) from error


class _Wrong(Exception):
    """A value that is none; `key` is where."""

    def __init__(self, key: str, what: str) -> None:
        self.key, self.what = key, what
        super().__init__(what)


def _line_of(text: str, key: str) -> int:
    """The line on which the key is set, from 1; 0 if it is spelled in some other way."""
    pattern = re.compile(rf"""\s*\[?["']?{re.escape(key)}["']?\s*[\]=]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 0)


def _palette(theme: Mapping[str, Any], stem: str) -> Palette:
    for key in theme:
        if key not in _KEYS:
            raise _Wrong(key, f"{key!r} is none of {', '.join(_KEYS)}")
    name, dark, roles = theme.get("name", stem), theme.get("dark", True), theme.get("roles", {})
    if not isinstance(name, str) or not name:
        raise _Wrong("name", "name is to be text")
    if not isinstance(dark, bool):
        raise _Wrong("dark", "dark is to be true or false")
    if not isinstance(roles, dict):
        raise _Wrong("roles", "[roles] is to be a table")
    for role in roles:
        if role not in ROLES:
            raise _Wrong(role, f"there is no role named {role!r}")
    background, foreground = (
        _colour(key, theme.get(key, default))
        for key, default in zip(("background", "foreground"), _GROUND[dark], strict=True)
    )
    own = {role: _style(role, value) for role, value in roles.items()}
    return Palette(name, dark, background, foreground, {}, own)


def _colour(key: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise _Wrong(key, f"{key}: {value!r} is no colour: write it as '#rrggbb'")
    return value


def _style(role: str, value: object) -> Style:
    if not isinstance(value, dict):
        return Style(color=_colour(role, value))
    parts: dict[str, Any] = {}
    for key, setting in value.items():
        if key in ("fg", "bg"):
            parts["color" if key == "fg" else "bgcolor"] = _colour(role, setting)
        elif key in _FLAGS and isinstance(setting, bool):
            parts[key] = setting
        else:
            raise _Wrong(role, f"{role}: {key!r} is to be one of fg, bg, or true or false for {', '.join(_FLAGS)}")
    return Style(**parts)
