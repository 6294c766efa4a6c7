"""Saving the screen."""

from itertools import count
from pathlib import Path

from textual.app import App

from memtui.ui.svg import self_contained


def save_svg(app: App[None], folder: Path | None = None) -> None:
    """Write the screen as memtui-N.svg, N being the first free number, and say where; or say why not.

    Args:
        app: running.
        folder: by default the current one.
    """
    svg = self_contained(app.export_screenshot(title=app.title))
    folder = (folder or Path()).absolute()
    for number in count(1):
        path = folder / f"memtui-{number}.svg"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(svg)
        except FileExistsError:
            continue
        except OSError as error:
            app.notify(f"{path}: {error.strerror}", severity="error", markup=False)
            return
        app.notify(f"saved {path}", markup=False)
        return
