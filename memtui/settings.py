"""The user's settings: config.toml in the platform's configuration folder, as defaults of the command line.

    theme = "paper"
    interval = 0.5
    size = "120x40"

An option on the command line beats the file.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from platformdirs import user_config_path, user_state_path

NAME: Final = "config.toml"
KEYS: Final[Mapping[str, tuple[type, ...]]] = {"theme": (str,), "interval": (int, float), "size": (str,)}
"""Key -> what it may be: the name of a theme, seconds between looks, cells of a picture as in 120x40."""
LEAST_INTERVAL: Final = 0.1
"""Seconds."""
_SIZE: Final = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "attach": ("interval", "size"),
    "sim": ("size",),
    "run": ("size",),
    "oom": ("interval", "size"),
}
"""Which command knows which option; the theme is looked up once the themes are known."""


class Settings(NamedTuple):
    """What the file says."""

    values: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    """One line each: file, key, what. What is wrong is left out."""

    @property
    def default_map(self) -> dict[str, Any]:
        """The same in click's form: for the group, and for each of its commands."""
        found: dict[str, Any] = {key: self.values[key] for key in ("interval",) if key in self.values}
        for command, keys in _COMMANDS.items():
            found[command] = {key: self.values[key] for key in keys if key in self.values}
        return found


def read(path: Path | None = None) -> Settings:
    """The settings; without a file there are none.

    Args:
        path: of the file; by default `memtui/config.toml` in the platform's configuration folder.
    """
    path = path or settings_path()
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, PermissionError):  # another user's folder, as under sudo -E: not ours to read
        return Settings({})
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        return Settings({}, (f"{path}: {why}",))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Settings({}, (f"{path}: {error}",))
    problems = [f"{path}: {problem}" for key, value in table.items() if (problem := _wrong(key, value))]
    return Settings({key: value for key, value in table.items() if not _wrong(key, value)}, tuple(problems))


def settings_path() -> Path:
    """Where the file is looked for: in the platform's configuration folder."""
    return user_config_path("memtui") / NAME


def is_first_start(path: Path | None = None) -> bool:
    """Whether nobody has been shown around yet; from now on somebody has.

    Args:
        path: the marker that is left; by default in the platform's folder for state. Where none can be left, the
            answer is no: better never than every time.
    """
    path = path or user_state_path("memtui") / "tour-seen"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    except OSError:
        return False
    return True


def _wrong(key: str, value: object) -> str:
    if key not in KEYS:
        return f"{key!r} is none of {', '.join(KEYS)}"
    if not isinstance(value, KEYS[key]) or isinstance(value, bool):
        return f"{key} is to be {'a number' if float in KEYS[key] else 'text'}"
    if isinstance(value, int | float) and not is_interval(value):
        return f"{key} is to be {LEAST_INTERVAL} seconds or more"
    if key == "size" and size_of(str(value)) is None:
        return f"{key}: {value!r} is not a size: cells as in 120x40"
    return ""


def is_interval(seconds: float) -> bool:
    """Whether a live process can be looked at so often."""
    return seconds >= LEAST_INTERVAL and math.isfinite(seconds)


def size_of(text: str) -> tuple[int, int] | None:
    """Cells, width and height, of a text such as 120x40; None: it is no size."""
    match = _SIZE.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))
