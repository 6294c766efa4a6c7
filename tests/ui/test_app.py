"""The app as a whole: failures of a source, sizes, the mouse, the list to pick from, pictures."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import pytest
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Input

from memtui.model.content import Content
from memtui.model.errors import AccessDenied, NotSupported, ProcessGone
from memtui.model.request import Back, Focus, Peek, Refresh, Seek, Step
from memtui.model.snapshot import Snapshot
from memtui.model.source import Source
from memtui.ui.app import MemtuiApp
from memtui.ui.home import Home, Scenario
from memtui.ui.keys import KEYS
from memtui.ui.line_view import LineView
from memtui.ui.screens.help import HelpScreen
from memtui.ui.screens.home import HomeScreen
from memtui.ui.screens.main import MainScreen
from memtui.ui.screens.placing import PANES
from memtui.ui.svg import render_svg
from memtui.ui.themes import Themes, load
from memtui.ui.widgets.bars import HeaderBar
from memtui.ui.widgets.detail_pane import DetailPane
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.oom_pane import OomPane
from memtui.ui.widgets.pane import Pane
from memtui.ui.widgets.picks import Picks, Story
from memtui.ui.widgets.residence_pane import ResidencePane
from memtui.ui.widgets.steps_pane import StepsPane
from memtui.ui.widgets.usage_pane import UsagePane
from tests.ui.conftest import COMPACT, WIDE, Run, settle, until
from tests.ui.fake import HEAP, LIBC, PROGRAM, TASKS, Live, Simulated

if TYPE_CHECKING:
    from collections.abc import Sequence


def text(app: MemtuiApp) -> str:
    """What stands on the screen."""
    update = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in update)


class _Noting(ResidencePane):
    """Notes what it paints."""

    painted: ClassVar[list[str]] = []

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = super().render_lines(crop)
        self.painted.append("\n".join(strip.text for strip in strips))
        return strips


async def test_the_first_frame_is_a_whole_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memtui.ui.screens.main.ResidencePane", _Noting)
    source = Live()
    async with run(source, snapshot=source.apply(Refresh())) as pilot:
        first = _Noting.painted[0]
        assert "page cache" in first
        assert first.count("\n") == pilot.app.screen.query_one(_Noting).size.height - 1


async def test_the_rest_of_very_many_vmas_follows_at_once(run: Run) -> None:
    source = Live()
    first = source.apply(Refresh())
    assert first.mm is not None
    beginning = replace(first.mm, vmas=first.mm.vmas[:1], read_to=first.mm.vmas[0].end)
    async with run(source, snapshot=replace(first, mm=beginning)) as pilot:
        app = cast("MemtuiApp", pilot.app)
        assert source.seen.count(Refresh()) == 2
        assert app.snapshot is not None
        assert app.snapshot.mm is first.mm
        assert "being read" not in text(app)


async def test_what_is_not_looked_at_is_not_there(run: Run) -> None:
    async with run(Live()) as pilot:
        there = {widget.id for widget in pilot.app.screen.query(Pane)}
        assert there == {"header", "map", "detail", "residence", "oom"}
        await pilot.press("u")
        await settle(pilot)
        assert pilot.app.screen.query_one(UsagePane).lines
        assert pilot.app.focused is pilot.app.screen.query_one(UsagePane)


def said(app: MemtuiApp) -> list[str]:
    return [note.message for note in app._notifications]


# What is asked, and what comes of it


async def test_forty_rapid_keys_are_all_applied_in_order(run: Run) -> None:
    source = Simulated(at=5)
    async with run(source) as pilot:
        keys = ["n", "b", "b", "n", "N"] * 8
        for key in keys:
            pilot.app.simulate_key(key)
        await until(pilot, lambda: len(source.seen) > len(keys))
        await settle(pilot)
        expected = {"n": Step(1), "b": Back(1), "N": Step(10)}
        assert source.seen[1:] == [expected[key] for key in keys]
        snapshot = cast("MemtuiApp", pilot.app).snapshot
        assert snapshot is not None
        assert snapshot.steps is not None
        assert snapshot.steps.cursor == 10
        assert "10/10" in pilot.app.screen.query_one(HeaderBar).text_of(0)


async def test_the_first_request_can_be_another_one(run: Run) -> None:
    source = Simulated()
    async with run(source, first=Seek(4)) as pilot:
        assert source.seen == [Seek(4)]
        assert pilot.app.screen.query_one(StepsPane).title == "Steps 4/10"


async def test_a_live_source_is_looked_at_again_and_again_until_paused(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        screen = cast("MainScreen", pilot.app.screen)
        screen._every = 0.001
        await pilot.press("space", "space")
        await until(pilot, lambda: len(source.seen) > 5)
        await pilot.press("space")
        await settle(pilot)
        seen = len(source.seen)
        await pilot.press("R")
        await settle(pilot)
        assert len(source.seen) == seen + 1


async def test_no_tick_while_one_is_under_way(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        screen = cast("MainScreen", pilot.app.screen)
        for _ in range(20):
            screen._tick()
            # The worker has begun once the messages are handled; only then is the lane busy.
            await pilot.pause()
        await settle(pilot)
        assert len(source.seen) <= 21
        seen = len(source.seen)
        lane = screen.memtui.lane
        assert lane is not None
        lane._waiting += 1
        screen._tick()
        await settle(pilot)
        lane._waiting -= 1
        assert len(source.seen) == seen


async def test_a_process_that_is_gone_leaves_its_last_picture(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        app = cast("MemtuiApp", pilot.app)
        before = app.snapshot
        assert before is not None
        source.fails = ProcessGone("process 42 exited", hint="pick another one")
        await pilot.press("R", "R", "R")
        await settle(pilot)
        assert app.snapshot is not None
        assert app.snapshot.stale == "process 42 exited"
        assert app.snapshot.mm is before.mm
        assert said(app) == ["process 42 exited (pick another one)"]
        assert "stale: process 42 exited" in text(app)
        assert "[heap]" in text(app)
        assert "(pick another one)" in text(app)
        source.fails = None
        await pilot.press("R")
        await settle(pilot)
        assert app.snapshot.stale is None


async def test_a_denied_focus_says_so_and_leaves_the_picture_as_it_is(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        app = cast("MemtuiApp", pilot.app)
        before = app.snapshot
        source.fails = AccessDenied("/proc/77/maps: permission denied\nroot", hint="run as root")
        await pilot.press("o", "enter")
        await settle(pilot)
        assert source.seen[-1] == Focus(77)
        assert app.snapshot is before
        assert said(app) == ["/proc/77/maps: permission denied\\nroot (run as root)"]


async def test_a_first_look_that_fails_is_no_crash(run: Run) -> None:
    source = Live()
    source.fails = NotSupported("process 2 is a kernel thread: it has no address space")
    async with run(source) as pilot:
        assert said(cast("MemtuiApp", pilot.app)) == [str(source.fails)]
        await pilot.press("j", "l", "z", "enter", "y", "o", "enter", "v", "end", "T", "slash", "x", "enter")
        await settle(pilot)


async def test_focusing_another_process_starts_at_its_heap(run: Run) -> None:
    async with run(Live()) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        await pilot.press("end", "o", "enter")
        await settle(pilot)
        assert board.address == HEAP
        assert "77 postgres" in pilot.app.screen.query_one(HeaderBar).text_of(0)


# Panes


async def test_what_did_not_change_is_not_drawn_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    show = LineView.show

    def noted(view: LineView, *args: object, **options: object) -> None:
        drawn.append(view.id or "")
        show(view, *args, **options)  # type: ignore[arg-type]

    async with run(Live()) as pilot:
        monkeypatch.setattr(LineView, "show", noted)
        await pilot.press("R")
        await settle(pilot)
        assert drawn == ["header"]


async def test_the_detail_follows_the_cursor_and_the_focus(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        detail = pilot.app.screen.query_one(DetailPane)
        assert detail.title.startswith("[heap]")
        await pilot.press("down")
        assert detail.title == "Hole"
        await pilot.press("down")
        assert detail.title.startswith("demo")
        await pilot.press("o", "j")
        await settle(pilot)
        assert detail.title == "42 demo"
        assert any("= points" in detail.text_of(row) for row in range(len(detail.lines)))
        await pilot.press("v")
        await settle(pilot)
        assert detail.title == "42 demo"
        await pilot.press("a")
        await settle(pilot)
        assert detail.title.startswith("demo")


async def test_the_ranking_keeps_its_process_when_places_change(run: Run) -> None:
    async with run(Live()) as pilot:
        oom = pilot.app.screen.query_one(OomPane)
        await pilot.press("o", "j", "j", "j", "j")
        assert oom.verdict is not None
        assert oom.verdict.task.pid == 1
        await pilot.press("home")
        assert oom.verdict is not None
        assert oom.verdict.task.pid == 77


async def test_a_source_without_a_process_says_how_to_get_one(run: Run) -> None:
    class Machine(Live):
        def apply(self, request):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return replace(super().apply(request), mm=None)

    async with run(Machine(), pane="oom") as pilot:
        app = cast("MemtuiApp", pilot.app)
        assert "no process yet" in text(app)
        assert "Enter on a process of the OOM ranking shows it" in text(app)
        assert app.focused is app.screen.query_one(OomPane)
        assert app.screen.query_one(DetailPane).title == "77 postgres"


async def test_the_cursor_is_an_address_and_survives_everything(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        address = LIBC + 0x12000
        await pilot.press("slash", *f"{address:x}", "enter")
        await settle(pilot)
        at = board.address
        assert at == address
        for key in ("z", "z", "n", "Z", "Z", "b", "Z", "T"):
            await pilot.press(key)
            await settle(pilot)
            assert board.address == address
        for size in (COMPACT, (43, 13), (20, 5), WIDE):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert board.address == address
        assert board.cursor is not None
        assert board.lines.row(board.cursor)


async def test_zoom_goes_through_scales_and_back(run: Run) -> None:
    async with run(Simulated(at=3), size=(60, 14)) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        board.go(LIBC)
        await pilot.press("z")
        shifts = [board.shift]
        for _ in range(4):
            await pilot.press("z")
            shifts.append(board.shift)
        assert shifts[0]
        assert shifts[-1] == 0
        assert shifts == sorted(shifts, key=lambda shift: -(shift or 0))
        while board.shift is not None:
            await pilot.press("Z")
            shifts.append(board.shift)
        assert shifts[-1] is None
        await pilot.press("Z")
        assert isinstance(pilot.app.screen, MainScreen)


async def test_the_closest_are_the_bytes_of_a_page(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        board.go(HEAP)
        await pilot.press("z", "z", "z")
        await settle(pilot)
        assert source.seen[-1] == Peek(HEAP)
        assert board.text_of(0).split()[:3] == [f"{HEAP:012x}", "00", "01"]
        await pilot.press("right", "down")
        address = board.address or 0
        assert address - HEAP in (17, 9, 33)
        await pilot.press("left", "up", "left")
        assert board.address == HEAP
        board.go(HEAP + 4095)
        await pilot.press("right")
        await settle(pilot)
        assert source.seen[-1] == Peek(HEAP + 4096)
        assert "bytes of page" in board.title
        await pilot.press("z", "Z")
        await settle(pilot)
        assert source.seen[-1] == Peek(None)
        assert (board.shift, board.address) == (0, HEAP + 4096)


async def test_bytes_that_changed_since_the_last_look_are_marked_until_the_next(run: Run) -> None:
    async with run(Live()) as pilot:
        app = cast("MemtuiApp", pilot.app)
        board = app.screen.query_one(MapPane)
        board.go(HEAP)
        await pilot.press("z", "z", "z")
        await settle(pilot)
        assert app.snapshot is not None
        assert app.snapshot.content is not None
        data = app.snapshot.content.data or b""
        assert "changed" not in board.subtitle
        for changes, marked in ((1, True), (0, False)):
            data = bytes(byte ^ changes for byte in data[:3]) + data[3:]
            app.snapshot = replace(app.snapshot, content=Content(HEAP, data))
            await settle(pilot)
            assert ("01*00*03*" in board.text_of(0)) is marked
            assert ("* 3 changed" in board.subtitle) is marked


async def test_a_simulation_has_no_bytes_and_says_what_it_knows_of_them(run: Run) -> None:
    source = Simulated(at=3)
    async with run(source) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        board.go(HEAP + 0x2000)
        await pilot.press("z", "z", "z")
        await settle(pilot)
        told = " ".join("\n".join(board.text_of(row) for row in range(len(board.lines))).split())
        assert "not the bytes in them" in told
        assert f"page: {HEAP + 0x2000:x} is anon: it was written" in told
        assert "touched: last by step 3" in told
        assert not any(isinstance(request, Peek) for request in source.seen)
        await pilot.press("b")
        await settle(pilot)
        assert "4,096 zeros" in "".join(board.text_of(row) for row in range(len(board.lines)))
        await pilot.press("Z")
        assert not board.bytes


class Growing(Simulated):
    """Its heap is there from step 4 on."""

    def picture(self) -> Snapshot:
        now = super().picture()
        if now.mm is None or self.cursor >= 4:
            return now
        return replace(now, mm=replace(now.mm, vmas=tuple(vma for vma in now.mm.vmas if vma.start != HEAP)))


async def test_the_cursor_goes_to_the_heap_when_it_comes_unless_it_was_put_elsewhere(run: Run) -> None:
    for keys in ([], ["end"]):
        async with run(Growing(at=3)) as pilot:
            board = pilot.app.screen.query_one(MapPane)
            assert board.address != HEAP
            await pilot.press(*keys, "n")
            await settle(pilot)
            assert (board.address == HEAP) is not bool(keys)


# Sizes


@pytest.mark.parametrize("source", [Simulated, Live])
@pytest.mark.parametrize("size", [(1, 1), (20, 5), (39, 12), (40, 12), (99, 30), (300, 90)])
async def test_every_size_is_drawn_or_refused_in_words(
    run: Run, source: type[Simulated | Live], size: tuple[int, int]
) -> None:
    async with run(source()) as pilot:
        app = cast("MemtuiApp", pilot.app)
        await pilot.resize_terminal(*size)
        await settle(pilot)
        tiny = size[0] < 40 or size[1] < 12
        assert app.screen.has_class("-tiny") == tiny
        if size == (20, 5):
            assert "too small: needs at least 40x12, now 20x5" in " ".join(text(app).split())
        for pane in PANES:
            key = next(key.keys.partition(",")[0] for key in KEYS if key.action == f"show('{pane}')")
            await pilot.press(key, "end", "up")
        await pilot.press("a", "z", "down", "Z")
        await pilot.resize_terminal(*WIDE)
        await settle(pilot)
        assert "Address space" in text(app)
        assert "too small" not in text(app)


async def test_wide_shows_all_panes_and_compact_the_map_with_one(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        app = cast("MemtuiApp", pilot.app)
        for title in ("Address space", "[heap] 5", "Residence", "OOM ranking", "Steps 3/10"):
            assert title in text(app)
        await pilot.resize_terminal(*COMPACT)
        await settle(pilot)
        for key, title in (("r", "Residence"), ("o", "OOM ranking"), ("s", "Steps 3/10"), ("v", "[heap] 5")):
            await pilot.press(key)
            await settle(pilot)
            shown = text(app)
            assert "Address space" in shown
            assert [name for name in ("Residence", "OOM ranking", "Steps 3/10", "[heap] 5") if f" {name}" in shown] == [
                title
            ]


async def test_a_live_source_has_no_steps(run: Run) -> None:
    async with run(Live()) as pilot:
        assert "Steps" not in text(cast("MemtuiApp", pilot.app))


# The mouse


async def test_a_click_selects_and_a_second_one_zooms(run: Run) -> None:
    async with run(Simulated(at=3)) as pilot:
        board = pilot.app.screen.query_one(MapPane)
        program = next(y for y in range(1, 20) if "demo" in board.render_line(y).text)
        await pilot.click(board, offset=(20, program))
        assert board.address == PROGRAM
        assert board.shift is None
        await pilot.click(board, offset=(20, program), times=2)
        assert board.shift == 0
        oom = pilot.app.screen.query_one(OomPane)
        await pilot.click(oom, offset=(20, 3))
        assert oom.has_focus
        assert oom.verdict is not None
        assert oom.verdict.task.pid == 42


async def test_a_click_on_a_key_presses_it(run: Run) -> None:
    source = Simulated(at=3)
    async with run(source) as pilot:
        await pilot.click("#keys", offset=(2, 0))
        await settle(pilot)
        assert source.seen[-1] == Step(1)
        await pilot.click("#keys", offset=(119, 0))
        await settle(pilot)


# The list to pick from


def home(opened: list[Source]) -> Home:
    def simulated(name: str) -> Source:
        if name == "broken":
            raise NotSupported("broken.trace:1: no such call")
        opened.append(Simulated())
        return opened[-1]

    def live(pid: int) -> Source:
        if pid == 1:
            raise AccessDenied("process 1: permission denied")
        opened.append(Live())
        return opened[-1]

    def said(pids: "Sequence[int]") -> dict[int, str]:
        return {task.pid: f"{task.comm} --config {task.pid}.conf" for task in TASKS if task.pid in pids}

    scenarios = [
        Scenario("first-malloc", "where a heap comes from", "1  Beginnings"),
        Scenario("broken", "does not open", "2  Ends"),
    ]
    return Home(
        lambda: TASKS, scenarios, lambda name: "A break: it moves.\nA heap: it is there.", live, simulated, said
    )


@pytest.mark.parametrize("size", [WIDE, COMPACT])
async def test_home_opens_what_is_picked_and_comes_back(run: Run, size: tuple[int, int]) -> None:
    opened: list[Source] = []
    async with run(None, home=home(opened), size=size) as pilot:
        app = cast("MemtuiApp", pilot.app)
        assert isinstance(app.screen, HomeScreen)
        assert "first-malloc" in text(app)
        assert "postgres" in text(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, MainScreen)
        assert "Steps" in text(app)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert cast("Simulated", opened[0]).closed
        # The largest process comes first; the list keeps its place.
        await pilot.press("tab", "enter")
        await settle(pilot)
        assert isinstance(opened[1], Live)
        assert "live" in text(app)


async def test_home_tells_processes_of_one_name_apart(run: Run) -> None:
    async with run(None, home=home([])) as pilot:
        app = cast("MemtuiApp", pilot.app)
        pid = max(TASKS, key=lambda task: task.rss_pages or 0).pid
        assert f"--config {pid}.conf" in text(app)
        await pilot.press("tab")
        await settle(pilot)
        assert f"--config {pid}.conf" in app.screen.query_one(Story).text_of(0)
        await pilot.press("question_mark")
        await settle(pilot)
        assert "Scenarios are stories" in text(app)
        await pilot.press("escape", "slash", *f"{pid}.conf", "enter")
        await settle(pilot)
        assert app.screen.query_one("#processes", Picks).names == [str(pid)]


async def test_home_opens_one_thing_however_often_it_is_asked(run: Run) -> None:
    opened: list[Source] = []
    async with run(None, home=home(opened)) as pilot:
        for _ in range(3):
            pilot.app.simulate_key("enter")
        await settle(pilot)
        app = cast("MemtuiApp", pilot.app)
        assert isinstance(app.screen, MainScreen)
        assert sum(isinstance(screen, MainScreen) for screen in app.screen_stack) == 1
        assert [cast("Simulated", source).closed for source in opened].count(False) == 1


async def test_home_filters_both_lists(run: Run) -> None:
    async with run(None, home=home([])) as pilot:
        scenarios, processes = (pilot.app.screen.query_one(f"#{name}", Picks) for name in ("scenarios", "processes"))
        await pilot.press("slash", *"mo", "enter")
        assert (scenarios.names, processes.names) == ([], ["42"])
        assert processes.has_focus
        await pilot.press("escape")
        assert len(scenarios.names) == 2
        assert processes.names == ["77", "42", "1"]
        assert pilot.app.screen.query_one(Input).value == ""


async def test_home_says_why_something_does_not_open(run: Run) -> None:
    async with run(None, home=home([])) as pilot:
        app = cast("MemtuiApp", pilot.app)
        await pilot.press("j", "enter")
        await settle(pilot)
        await pilot.press("l", "G", "enter")
        await settle(pilot)
        assert said(app) == ["broken.trace:1: no such call", "process 1: permission denied"]
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("T", "R", "k", "home", "pagedown", "question_mark")
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("q")
        await pilot.press("q")
        await settle(pilot)
        assert not app.is_running


async def test_home_has_chapters_and_tells_the_story_under_the_cursor(run: Run) -> None:
    async with run(None, home=home([])) as pilot:
        app = cast("MemtuiApp", pilot.app)
        scenarios = app.screen.query_one("#scenarios", Picks)
        assert (scenarios.picked, scenarios.cursor) == ("first-malloc", 1)
        assert "1  Beginnings" in text(app)
        assert "A heap: it is there." in text(app)
        for key, picked in (("j", "broken"), ("j", "broken"), ("k", "first-malloc"), ("k", "first-malloc")):
            await pilot.press(key)
            assert scenarios.picked == picked
        await pilot.press("slash", *"ends", "enter")
        await settle(pilot)
        assert scenarios.names == ["broken"]
        assert "broken: does not open" in text(app)
        await pilot.press("escape", "tab")
        await settle(pilot)
        assert "oom_score_adj" in text(app)
        await pilot.press("slash", *"nobody")
        await settle(pilot)
        assert "Nothing of that name" in text(app)


async def test_home_opens_on_a_double_click(run: Run) -> None:
    opened: list[Source] = []
    async with run(None, home=home(opened)) as pilot:
        await pilot.click("#scenarios", offset=(4, 1), times=2)
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)


# Themes and pictures


async def test_a_broken_theme_is_reported_and_the_default_used(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "broken.toml").write_text('name = "broken"\n[roles]\nkey = "blue"\n', encoding="utf-8")
    async with run(Live(), themes=load(own)) as pilot:
        app = cast("MemtuiApp", pilot.app)
        (words,) = said(app)
        assert "broken.toml:3" in words
        assert "blue" in words
        assert app.palette.name == "ink"


async def test_no_color_is_respected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with run(Live()) as pilot:
        for view in pilot.app.screen.query(LineView):
            for y in range(view.size.height):
                for segment in view.render_line(y):
                    for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                        if colour is not None:
                            red, green, blue = colour.get_truecolor()
                            assert red == green == blue


async def test_pictures_are_the_same_each_time_and_need_nothing_from_elsewhere(themes: Themes) -> None:
    first, second = [
        await render_svg(MemtuiApp(themes, source=Simulated(at=3), interval=10_000), (100, 30)) for _ in range(2)
    ]
    assert first == second
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", first).replace("Rich https://www.textualize.io", "")
    assert "@font-face" not in first
    assert "heap" in first


async def test_pictures_are_of_the_size_that_was_asked_for(themes: Themes) -> None:
    svg = await render_svg(MemtuiApp(themes, source=Simulated(at=3), theme_name="paper"), (80, 24))
    lines = {int(number) for number in re.findall(r'id="terminal-\d+-line-(\d+)"', svg)}
    # One clip path a line; the last line needs none.
    assert lines == set(range(23))


async def test_residence_is_as_high_as_its_rows(run: Run) -> None:
    async with run(Live()) as pilot:
        residence = pilot.app.screen.query_one(ResidencePane)
        assert residence.size.height == len(residence.lines) + 1


async def test_requests_are_refreshes(run: Run) -> None:
    source = Live()
    async with run(source):
        assert source.seen == [Refresh(whole=False)]
