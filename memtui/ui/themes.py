"""Themes: TOML files that give each role of a drawing its colour."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from platformdirs import user_config_path
from rich.color import ColorParseError
from rich.style import Style
from textual.theme import Theme

from memtui.draw.roles import ROLES
from memtui.model.errors import NotSupported

DEFAULT: Final = "ink"
_FLAGS: Final = ("bold", "dim", "italic", "underline", "reverse")


class Palette(NamedTuple):
    """One theme, ready to draw with."""

    name: str
    dark: bool
    background: str
    foreground: str
    styles: Mapping[str, Style]
    """Every role of draw.roles.ROLES."""

    def textual(self) -> Theme:
        """What Textual's own widgets are coloured by."""

        def colour(role: str) -> str:
            found = self.styles[role].color
            return found.get_truecolor().hex if found else self.foreground

        return Theme(
            name=self.name,
            primary=colour("header.name"),
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
    """All that could be loaded, and what was wrong with the others."""

    palettes: Mapping[str, Palette]
    problems: tuple[str, ...]

    def get(self, name: str | None) -> Palette:
        """The theme of this name, the default one for None.

        Raises:
            NotSupported: there is none of this name.
        """
        if name is None:
            return self.palettes.get(DEFAULT) or _plain()
        if name not in self.palettes:
            broken = "".join(f"; {problem}" for problem in self.problems)
            raise NotSupported(f"no theme named {name}{broken}", hint="there are " + ", ".join(sorted(self.palettes)))
        return self.palettes[name]


def load(user: Path | None = None) -> Themes:
    """Read the built-in themes and the user's own; a broken file is reported and left out.

    Args:
        user: the folder of the user's themes; by default `memtui/themes` in the platform's configuration folder.
    """
    problems: list[str] = []
    palettes = {}
    base: Mapping[str, Style] = {}
    folder = user if user is not None else user_config_path("memtui") / "themes"
    own = _files(folder)
    for path in [*_files(_built_in(), first=f"{DEFAULT}.toml"), *own]:
        try:
            palette = _read(path, base)
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {' '.join(str(error).split())}")
            continue
        base = base or palette.styles
        palettes[palette.name] = palette
    return Themes(palettes, tuple(problems))


def _plain() -> Palette:
    """What is left when not even the default theme can be read: readable, without colours."""
    style = Style(color="#e0e0e0", bgcolor="#101010")
    return Palette("plain", dark=True, background="#101010", foreground="#e0e0e0", styles=dict.fromkeys(ROLES, style))


def _built_in() -> Path:
    """`_themes` inside an installed package; `themes` beside it in a checkout or an editable install."""
    package = Path(__file__).parents[1]
    installed = package / "_themes"
    return installed if installed.is_dir() else package.parent / "themes"


def _files(folder: Path, first: str = "") -> list[Path]:
    try:
        return sorted(folder.glob("*.toml"), key=lambda path: (path.name != first, path.name))
    except OSError:
        return []


def _read(path: Path, base: Mapping[str, Style]) -> Palette:
    text = path.read_text(encoding="utf-8")
    theme = tomllib.loads(text)
    roles = theme.get("roles", {})
    if not isinstance(roles, dict):
        raise ValueError("[roles] is not a table")
    dark = theme.get("dark", True)
    background = _colour(theme, "background", "#101010" if dark else "#ffffff")
    foreground = _colour(theme, "foreground", "#e0e0e0" if dark else "#101010")
    plain = Style(color=foreground, bgcolor=background)
    styles = {}
    for role in ROLES:
        if role in roles:
            styles[role] = plain + _style(role, roles[role])
        else:
            styles[role] = base.get(role, plain)
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise ValueError(f"[roles] has no role named {unknown[0]!r}")
    return Palette(str(theme.get("name", path.stem)), bool(dark), background, foreground, styles)


def _colour(theme: Mapping[str, Any], key: str, default: str) -> str:
    value = theme.get(key, default)
    if not isinstance(value, str) or len(value) != 7:
        raise ValueError(f"{key} = {value!r} is no colour: write it as '#rrggbb'")
    _parse(key, {"color": value})
    return value


def _style(role: str, value: object) -> Style:
    if isinstance(value, str):
        return _parse(role, {"color": value})
    if not isinstance(value, dict):
        raise ValueError(f"role {role!r}: a colour '#rrggbb' or a table with fg, bg, bold, ...")
    parts: dict[str, Any] = {}
    for key, setting in value.items():
        if key in ("fg", "bg"):
            parts["color" if key == "fg" else "bgcolor"] = setting
        elif key in _FLAGS:
            parts[key] = bool(setting)
        else:
            raise ValueError(f"role {role!r}: {key!r} is none of fg, bg, {', '.join(_FLAGS)}")
    return _parse(role, parts)


def _parse(role: str, parts: Mapping[str, Any]) -> Style:
    try:
        return Style(**parts)
    except (ColorParseError, TypeError, AttributeError) as error:
        raise ValueError(f"{role}: {error}") from error
