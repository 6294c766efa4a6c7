"""The screen as a picture that needs nothing from elsewhere."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp

_FONT_FACE: Final = re.compile(r"\s*@font-face\s*\{[^}]*\}")
_ROUNDS: Final = 4
"""What was asked of the source leads to the ELF files, and these to the symbols under the cursor."""
_FONTS: Final = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def self_contained(svg: str) -> str:
    """The picture without the fonts that it would fetch, and with its blanks kept by every viewer.

    The viewer's own monospaced font is used.
    """
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return _FONT_FACE.sub("", svg).replace("Fira Code, monospace", _FONTS).replace("Fira Code", "monospace")


async def render_svg(app: "MemtuiApp", size: tuple[int, int], keys: Sequence[str] = ()) -> str:
    """Run the app without a terminal until its first picture stands, press keys, and give what is seen then as SVG.

    Passing words, such as about a broken theme, are no part of the picture.

    Args:
        app: not yet running.
        size: cells, width and height.
        keys: by the names of the key table: "u", "enter".
    """
    async with app.run_test(size=size) as pilot:
        for key in (None, *keys):
            if key is not None:
                await pilot.press(key)
            for _ in range(_ROUNDS):
                await app.workers.wait_for_complete()
                await pilot.pause()
        return self_contained(app.export_screenshot(title=app.title))
