"""The key that asks why, in every pane."""

import pytest

from memtui.ui.line_view import LineView
from memtui.ui.screens.placing import PANES
from memtui.ui.widgets.detail_pane import DetailPane
from tests.ui.conftest import COMPACT, WIDE, Run, settle
from tests.ui.fake import Live, Simulated

CASES = {
    "map": (("a",), "start_brk"),
    "residence": (("r",), "RssAnon of /proc/PID/status"),
    "oom": (("o",), "the first to die"),
    "steps": (("s",), "do_anonymous_page"),
    "usage": (("u",), "programs and libraries"),
    "heap": (("H",), "lists of its cache"),
    "files": (("F",), "that anyone has read or mapped"),
    "machine": (("M", "j"), "LRU lists"),
    "sharing": (("I",), "in RAM or on swap, whether a process maps it or not"),
    "tree": (("V", "G"), "look at from the root"),
}
"""Pane -> keys that lead to it, and words of the answer there."""


def text(view: LineView) -> str:
    return " ".join(" ".join(view.text_of(row) for row in range(len(view.lines))).split())


@pytest.mark.parametrize("size", [WIDE, COMPACT])
@pytest.mark.parametrize("pane", CASES)
async def test_every_pane_answers(run: Run, pane: str, size: tuple[int, int]) -> None:
    keys, words = CASES[pane]
    async with run(Live() if pane == "sharing" else Simulated(at=3), size=size) as pilot:
        await pilot.press(*keys)
        await settle(pilot)
        focused = pilot.app.focused
        assert focused is not None
        await pilot.press("y")
        await settle(pilot)
        detail = pilot.app.screen.query_one(DetailPane)
        assert words in text(detail)
        # The pane keeps the focus, and both can be seen.
        assert pilot.app.focused is focused
        assert min(focused.region.height, detail.region.height) > 2
        assert detail.subtitle == "why · y back"
        await pilot.press("escape")
        await settle(pilot)
        assert detail.subtitle != "why · y back"
        assert pilot.app.focused is focused


async def test_the_answer_follows_the_cursor_the_focus_and_the_steps(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        detail = pilot.app.screen.query_one(DetailPane)
        await pilot.press("r", "y", "j")
        await settle(pilot)
        assert detail.title == "page cache"
        await pilot.press("o", "j")
        await settle(pilot)
        assert detail.title.startswith("42 demo")
        assert "behind 77 postgres" in text(detail)
        assert "would make it the first" in text(detail)
        await pilot.press("G")
        await settle(pilot)
        assert "never chosen: global init" in text(detail)
        await pilot.press("s", "n")
        await settle(pilot)
        assert detail.title == "step 4 of 10"


async def test_panes_without_an_answer_say_so(run: Run) -> None:
    async with run(Live()) as pilot:
        for pane in PANES:
            if pane != "steps":
                await pilot.press("escape" if pane == "map" else "tab")
                await settle(pilot)
        await pilot.press("H", "y")
        await settle(pilot)
        assert "nothing under the cursor" in text(pilot.app.screen.query_one(DetailPane))
