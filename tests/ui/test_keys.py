"""Every key of the table is pressed, on a wide screen and a compact one, and does its thing."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input

from memtui.draw.glyphs import NOT_MEASURED
from memtui.draw.lines import RowLines
from memtui.draw.machine_rows import machine_rows
from memtui.draw.residence_bars import residence_rows
from memtui.draw.run import plain
from memtui.draw.why_figure import MEANINGS, figure_name
from memtui.model.cgroup import GroupRoom
from memtui.model.request import Back, Focus, Inject, Measure, RankGroup, Refresh, Seek, ShowHeap, Step, WatchFile
from memtui.model.snapshot import Snapshot
from memtui.ui.app import MemtuiApp
from memtui.ui.keys import KEYS, Key, footer_row
from memtui.ui.line_view import LineView
from memtui.ui.screens.choosing import ChoosingScreen
from memtui.ui.screens.help import LINES_OF, HelpScreen, help_rows
from memtui.ui.screens.main import MainScreen
from memtui.ui.screens.placing import PANES
from memtui.ui.screens.prompt import Prompt
from memtui.ui.screens.tour import CARDS, CardView, TourScreen
from memtui.ui.widgets.bars import HeaderBar
from memtui.ui.widgets.detail_pane import DetailPane
from memtui.ui.widgets.files_pane import FilesPane
from memtui.ui.widgets.heap_pane import HeapPane
from memtui.ui.widgets.libraries_pane import LibrariesPane
from memtui.ui.widgets.machine_pane import MachinePane
from memtui.ui.widgets.map_pane import MapPane
from memtui.ui.widgets.oom_pane import OomPane
from memtui.ui.widgets.sharing_pane import SharingPane
from memtui.ui.widgets.steps_pane import StepsPane
from memtui.ui.widgets.tree_pane import TreePane
from memtui.ui.widgets.usage_pane import UsagePane
from tests.draw.pictures import PROCESS
from tests.draw.test_machine_rows import SYSTEM
from tests.ui.conftest import COMPACT, WIDE, Run, settle, until
from tests.ui.fake import HEAP, LIBC, PROGRAM, STACK, STEPS, Live, Simulated


class Stage(NamedTuple):
    """What a case has in its hands."""

    pilot: Pilot[None]
    source: Simulated | Live
    key: str

    @property
    def app(self) -> MemtuiApp:
        return cast("MemtuiApp", self.pilot.app)

    @property
    def map(self) -> MapPane:
        return self.app.screen.query_one(MapPane)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*(keys or (self.key,)))
        await settle(self.pilot)

    async def answer(self, text: str) -> None:
        """Type into the prompt, over what stands there."""
        assert isinstance(self.app.screen, Prompt)
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    @property
    def last(self) -> object:
        return self.source.seen[-1]


Case = Callable[[Stage], Awaitable[None]]


def asks(*expected: object) -> Case:
    """The key asks the source for this."""

    async def case(stage: Stage) -> None:
        before = len(stage.source.seen)
        await stage.press()
        assert tuple(stage.source.seen[before:]) == expected

    return case


def shows(pane: str) -> Case:
    """The key puts the focus on a pane that can then be seen."""

    async def case(stage: Stage) -> None:
        await stage.press("v" if pane == "map" else "a")
        await stage.press()
        focused = stage.app.focused
        assert focused is not None
        assert focused.id == pane
        assert focused.region.height > 1

    return case


async def seek(stage: Stage) -> None:
    await stage.press()
    await stage.answer("7")
    assert stage.last == Seek(7)
    await stage.press()
    await stage.answer("x")
    assert stage.last == Seek(7)
    await stage.press()
    await stage.answer("end")
    assert cast("Simulated", stage.source).cursor == 10


async def play(stage: Stage) -> None:
    screen = cast("MainScreen", stage.app.screen)
    screen._every = 60.0  # only the ticks made here
    await stage.press()
    await until(stage.pilot, lambda: "playing" in header(stage))
    await stage.press()
    await until(stage.pilot, lambda: "playing" not in header(stage))
    await stage.press()
    # It stops by itself at the end.
    while screen._pace():
        screen._tick()
        await settle(stage.pilot)
    assert screen.trace is not None
    assert screen.trace.cursor == STEPS


async def pause(stage: Stage) -> None:
    assert "every" in header(stage)
    await stage.press()
    assert "paused" in header(stage)
    await stage.press()
    assert "every" in header(stage)


def header(stage: Stage) -> str:
    return stage.app.screen.query_one(HeaderBar).text_of(0)


async def malloc(stage: Stage) -> None:
    await stage.press()
    await stage.press("enter")
    assert stage.last == Inject("m1 = malloc(100K)")
    await stage.press()
    await stage.answer("3M")
    assert stage.last == Inject("m2 = malloc(3M)")
    await stage.press()
    await stage.press("escape")
    assert stage.last == Inject("m2 = malloc(3M)")


async def free(stage: Stage) -> None:
    before = list(stage.source.seen)
    await stage.press()
    assert stage.source.seen == before
    await stage.press("m", "enter")
    await stage.press("m", "enter")
    await stage.press()
    assert stage.last == Inject("free(m2)")
    await stage.press()
    assert stage.last == Inject("free(m1)")


async def chapter(stage: Stage) -> None:
    await stage.press("left_square_bracket")
    assert stage.last == Seek(1)
    await stage.press("right_square_bracket")
    assert stage.last == Seek(6)
    await stage.press("right_square_bracket")
    assert stage.last == Seek(6)
    assert "no chapter further on" in {note.message for note in stage.app._notifications}
    await stage.press("left_square_bracket")
    assert stage.last == Seek(1)


async def bookmark(stage: Stage) -> None:
    steps = stage.app.screen.query_one(StepsPane)
    await stage.press("apostrophe")
    assert stage.last == Refresh(whole=False)
    await stage.press("asterisk", "n", "n", "asterisk", "apostrophe")
    assert stage.last == Seek(3)
    assert steps.text_of(steps.cursor or 0).startswith("▶* 3")
    await stage.press("apostrophe")
    assert stage.last == Seek(5)
    # A step that is put in before a mark moves it.
    await stage.press("b", "t", "apostrophe")
    assert stage.last == Seek(6)
    await stage.press("asterisk", "b", "apostrophe")
    assert stage.last == Seek(3)


async def places(stage: Stage) -> None:
    await stage.press("asterisk", "quotation_mark")
    screen = stage.app.screen
    assert isinstance(screen, ChoosingScreen)
    view = screen.query_one(LineView)
    lines = [view.text_of(row).split() for row in range(len(view.lines))]
    assert [line[:2] for line in lines] == [["1", "The"], ["*", "3"], ["6", "More"]]
    await stage.press("j", "down", "up", "j", "enter")
    assert stage.last == Seek(6)
    await stage.press("quotation_mark", "escape")
    assert isinstance(stage.app.screen, MainScreen)


async def speed(stage: Stage) -> None:
    def told() -> set[str]:
        return {note.message for note in stage.app._notifications}

    await stage.press("less_than_sign", "less_than_sign", "less_than_sign")  # it shall not end while it is looked at
    assert "5.6 s a step" in told()
    await stage.press("space")
    await until(stage.pilot, lambda: "5.6 s a step" in header(stage))
    await stage.press("greater_than_sign")
    await until(stage.pilot, lambda: "2.8 s a step" in header(stage))
    await stage.press("space", "greater_than_sign")
    assert "1.4 s a step" in told()


async def mmap(stage: Stage) -> None:
    await stage.press()
    await stage.answer("3M")
    assert stage.last == Inject("mmap(NULL, 3M, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)")


async def munmap(stage: Stage) -> None:
    await stage.press()
    assert stage.last == Inject(f"munmap({HEAP:#x}, {13 << 12})")
    before = len(stage.source.seen)
    await stage.press("a", "up")
    await stage.press()
    assert len(stage.source.seen) == before, "a hole"


async def inject(stage: Stage) -> None:
    await stage.press()
    await stage.answer("brk(NULL)")
    assert stage.last == Inject("brk(NULL)")
    await stage.press()
    await stage.answer("wrong")
    assert [note.severity for note in stage.app._notifications] == ["error"]


async def up(stage: Stage) -> None:
    await stage.press()
    hole = stage.map.hole
    assert hole is not None
    assert hole.end == LIBC


async def down(stage: Stage) -> None:
    await stage.press()
    await stage.press()
    assert stage.map.vma is not None
    assert stage.map.vma.start == PROGRAM


async def right(stage: Stage) -> None:
    await stage.press()
    assert stage.map.address == HEAP + 4096


async def left(stage: Stage) -> None:
    await stage.press("right", "right")
    await stage.press()
    assert stage.map.address == HEAP + 4096


async def page_up(stage: Stage) -> None:
    await stage.press()
    assert stage.map.vma is not None
    assert stage.map.vma.start == STACK


async def page_down(stage: Stage) -> None:
    await stage.press()
    assert stage.map.cursor == len(stage.map.lines) - 1


async def first(stage: Stage) -> None:
    await stage.press("end")
    await stage.press()
    assert stage.map.cursor == 0


async def last(stage: Stage) -> None:
    await stage.press()
    assert stage.map.cursor == len(stage.map.lines) - 1


async def find(stage: Stage) -> None:
    await stage.press()
    await stage.answer("LIBC")
    assert stage.map.address == LIBC
    await stage.press()
    await stage.answer(f"{STACK + 0x1000:#x}")
    assert stage.map.address == STACK + 0x1000
    await stage.press()
    await stage.answer("nothing like it")
    assert stage.map.address == STACK + 0x1000
    assert len(stage.app._notifications) == 1


async def find_next(stage: Stage) -> None:
    await stage.press()
    await stage.answer("r-xp")
    assert stage.map.address == LIBC
    await stage.press()
    assert stage.map.address == PROGRAM
    await stage.press()
    assert stage.map.address == LIBC


async def find_previous(stage: Stage) -> None:
    await stage.press("slash")
    await stage.answer("in:anon")
    assert stage.map.address == STACK
    await stage.press()
    assert stage.map.address == HEAP


def shown(view: LineView) -> str:
    """All of its text, on one line."""
    return " ".join(" ".join(view.text_of(row) for row in range(len(view.lines))).split())


async def why(stage: Stage) -> None:
    detail = stage.app.screen.query_one(DetailPane)
    await stage.press()
    assert "start_brk" in shown(detail)
    assert "only swap" in shown(detail)
    await stage.press("up")
    assert "SIGSEGV" in shown(detail)
    await stage.press("down")
    assert "start_brk" in shown(detail)
    assert "it was written, and got a zeroed frame" in shown(detail)
    assert detail.region.height > 1
    assert stage.app.focused is stage.map
    await stage.press()
    assert "start_brk" not in shown(detail)


async def wider(stage: Stage) -> None:
    left = stage.app.screen.query_one("#left")
    before = left.size.width
    await stage.press()
    by = {"ctrl+right": 4, "ctrl+left": -4}[stage.key] if stage.app.size.width > 100 else 0
    assert left.size.width == before + by
    # Another layout has its own proportions.
    await stage.pilot.resize_terminal(200 - stage.app.size.width, stage.app.size.height)
    await settle(stage.pilot)
    await stage.pilot.resize_terminal(200 - stage.app.size.width, stage.app.size.height)
    await settle(stage.pilot)
    assert left.size.width == before


async def taller(stage: Stage) -> None:
    by = {"ctrl+up": 1, "ctrl+down": -1}[stage.key]
    # The map is the upper one, the ranking the lower one.
    for pane in ("a", "o"):
        await stage.press(pane)
        assert stage.app.focused is not None
        before = stage.app.focused.region.height
        await stage.press()
        assert stage.app.focused.region.height == before + by


async def expand(stage: Stage) -> None:
    await stage.press()
    assert stage.map.region.height > stage.app.size.height - 6
    assert stage.map.region.width == stage.app.size.width
    bars = [stage.app.screen.query_one(bar).region for bar in ("#header", "#legend", "#keys")]
    assert bars[0].y == 0 < stage.map.region.y < bars[1].y < bars[2].y
    await stage.press("e", "o", "e")
    assert stage.app.screen.maximized is stage.app.screen.query_one(OomPane)
    await stage.press("escape")
    assert stage.app.screen.maximized is None


async def zoom_in(stage: Stage) -> None:
    await stage.press()
    assert stage.map.title == "Region · 2 VMAs in 72 KiB"
    assert stage.map.subtitle in ("a row 4 KiB", "a row 16 KiB")
    assert stage.map.address == HEAP
    # Beyond the edge of the region lies the next one.
    await stage.press("home", "up")
    assert stage.map.address == LIBC
    assert "1 VMA in 1.9 MiB" in stage.map.title
    await stage.press("end", "down")
    assert stage.map.vma is not None
    assert stage.map.vma.start == HEAP
    await stage.press()
    assert stage.map.shift == 0
    assert "one cell a page" in stage.map.subtitle


async def zoom_out(stage: Stage) -> None:
    await stage.press("right", "z", "z", "right")
    address = stage.map.address
    await stage.press()
    assert stage.map.shift is None
    assert stage.map.title.startswith("Region")
    await stage.press()
    assert stage.map.title == "Address space"
    assert stage.map.address == address == HEAP + 0x2000


async def enter(stage: Stage) -> None:
    await stage.press()
    assert stage.map.shift == 0
    await stage.press("s", "end")
    await stage.press()
    assert stage.last == Seek(10)
    # The ranking leads nowhere: this source cannot focus another process.
    await stage.press("o")
    await stage.press()
    assert stage.last == Seek(10)


async def next_pane(stage: Stage) -> None:
    seen = []
    for _ in PANES:
        await stage.press()
        seen.append(stage.app.focused.id if stage.app.focused else None)
    assert seen == [*PANES[1:], "map"]


async def previous_pane(stage: Stage) -> None:
    for pane in (TreePane, MachinePane, SharingPane, FilesPane, LibrariesPane, HeapPane, UsagePane):
        await stage.press()
        assert stage.app.focused is stage.app.screen.query_one(pane)


async def libraries(stage: Stage) -> None:
    await stage.press()
    assert stage.app.focused is stage.app.screen.query_one(LibrariesPane)


async def heap(stage: Stage) -> None:
    await stage.press()
    pane = stage.app.screen.query_one(HeapPane)
    assert stage.app.focused is pane
    assert pane.region.height > 1
    assert stage.last == ShowHeap()
    titles = [pane.title]
    for _ in range(3):
        await stage.press()
        titles.append(pane.title)
    assert [title.split()[1] for title in titles] == ["picture", "bins", "chunks", "picture"]
    await stage.press("a")
    assert stage.last == ShowHeap(False)


async def usage(stage: Stage) -> None:
    await stage.press()
    pane = stage.app.screen.query_one(UsagePane)
    assert stage.app.focused is pane
    assert pane.text_of(1).split()[:2] == ["programs,", "libs"]
    await stage.press("enter")
    assert pane.text_of(1).split()[0] == "libc.so.6"
    await stage.press("j", "escape")
    assert pane.text_of(3).split()[0] == "heap"
    await stage.press("j", "j", "enter", "enter")
    assert stage.map.address == HEAP
    assert stage.app.focused is stage.map


async def files(stage: Stage) -> None:
    await stage.press()
    pane = stage.app.screen.query_one(FilesPane)
    assert stage.app.focused is pane
    assert [pane.text_of(row).split()[0] for row in (1, 2)] == ["libc.so.6", "demo"]
    await stage.press("j", "enter")
    assert stage.map.address == PROGRAM


async def tree(stage: Stage) -> None:
    await stage.press()
    pane = stage.app.screen.query_one(TreePane)
    assert stage.app.focused is pane
    rows = [pane.text_of(row) for row in range(len(pane.lines))]
    (at,) = (number for number, row in enumerate(rows) if "├" in row and "[heap]" in row)
    pane.move_to(at)
    await stage.press("enter")
    assert stage.map.address == HEAP
    assert stage.app.focused is stage.map


async def try_adj(stage: Stage) -> None:
    pane = stage.app.screen.query_one(OomPane)
    await stage.press("o")
    first = pane.verdict
    assert first is not None
    assert first.task.pid == 77
    assert "dies first, by" in pane.subtitle
    await stage.press("minus", "minus")
    tried = pane.verdict
    assert tried is not None
    assert (tried.task.pid, tried.task.oom_score_adj) == (77, -100)
    assert pane.cursor == 2, "42 would die first now"
    assert "what if: adj -100" in pane.subtitle
    await stage.press("plus", "plus")
    assert pane.tried == {}
    assert pane.cursor == 1


async def write_adj(stage: Stage) -> None:
    before = len(stage.source.seen)
    await stage.press()
    assert "nothing to write" in next(iter(stage.app._notifications)).message
    await stage.press("o", "plus")
    await stage.press()
    await stage.answer("no")
    assert len(stage.source.seen) == before
    await stage.press()
    await stage.answer("yes")
    assert stage.last == Inject("echo 200 > /proc/77/oom_score_adj")
    assert stage.app.screen.query_one(OomPane).tried == {}


async def focus_process(stage: Stage) -> None:
    await stage.press("o", "j")
    await stage.press()
    assert stage.last == Focus(42)
    assert stage.app.screen.query_one(OomPane).cursor == 2


async def copy(stage: Stage) -> None:
    await stage.press()
    assert stage.app.clipboard.startswith(f" {HEAP:x} ┤ [heap]")


async def save(stage: Stage) -> None:
    await stage.press()
    await stage.press()
    for number in (1, 2):
        text = Path(f"memtui-{number}.svg").read_text(encoding="utf-8")
        assert text.startswith("<svg ")
        assert "https://cdn" not in text


async def theme(stage: Stage) -> None:
    names = []
    themes = len(stage.app.themes.palettes)
    for _ in range(themes + 1):
        await stage.press()
        names.append(stage.app.theme)
    assert sorted(set(names)) == sorted(stage.app.themes.palettes)
    assert names[0] == names[themes]
    assert stage.map.painter.styles is stage.app.palette.styles


async def reload_themes(stage: Stage) -> None:
    before = stage.app.themes
    await stage.press()
    assert stage.app.themes is not before
    assert stage.map.painter.styles is stage.app.palette.styles


async def suspend(stage: Stage) -> None:
    stopped: list[bool] = []
    stage.app.action_suspend_process = lambda: stopped.append(True)  # type: ignore[method-assign]
    await stage.press()
    assert stopped


async def palette(stage: Stage) -> None:
    await stage.press()
    assert isinstance(stage.app.screen, CommandPalette)


async def help_screen(stage: Stage) -> None:
    await stage.press()
    assert isinstance(stage.app.screen, HelpScreen)
    await stage.press("j", "G", "escape")
    assert isinstance(stage.app.screen, MainScreen)
    await stage.press("o")
    await stage.press()
    here = stage.app.screen.query_one(LineView)
    assert here.text_of(1).strip() == "Here"
    assert here.text_of(2).startswith(" OOM ranking")
    await stage.press("escape")


async def tour(stage: Stage) -> None:
    await stage.press()
    assert isinstance(stage.app.screen, TourScreen)
    seen = []
    while isinstance(stage.app.screen, TourScreen):
        seen.append(CARDS[stage.app.screen.nth].pane)
        assert stage.app.screen.query_one(CardView).text_of(0).strip()
        await stage.press("enter")
    assert seen == [card.pane for card in CARDS]
    assert stage.app.focused is stage.map
    await stage.press("f1", "enter", "backspace", "escape")
    assert isinstance(stage.app.screen, MainScreen)
    await stage.press("f1", "o")
    assert stage.app.focused is stage.app.screen.query_one(OomPane)
    await stage.press("f1")
    for key in ("escape", "o", "down", "v"):
        stage.app.simulate_key(key)  # faster than the screen can go
    await settle(stage.pilot)
    assert isinstance(stage.app.screen, MainScreen)


async def old_rule(stage: Stage) -> None:
    pane = stage.app.screen.query_one(OomPane)
    await stage.press("o")
    await stage.press()
    assert pane.old
    assert "2.6.36" in pane.title
    await stage.press()
    assert not pane.old
    assert "2.6.36" not in pane.title


async def rank_group(stage: Stage) -> None:
    pane = stage.app.screen.query_one(OomPane)
    assert isinstance(stage.source, Live)
    stage.source.group = GroupRoom("/box", 2000, 4000)
    await stage.press("o", "R")
    assert pane.title == "OOM ranking of all · D: of /box"
    everybody = len(pane.lines)
    await stage.press()
    assert stage.source.seen[-1] == RankGroup(True)
    assert pane.title == "OOM ranking of /box · D: of all"
    assert len(pane.lines) == 2 < everybody
    await stage.press()
    assert stage.source.seen[-1] == RankGroup(False)
    assert len(pane.lines) == everybody


async def watch_file(stage: Stage) -> None:
    await stage.press()
    await stage.answer("/etc/passwd")
    assert WatchFile("/etc/passwd") in stage.source.seen
    pane = stage.app.screen.query_one(FilesPane)
    assert stage.app.focused is pane
    assert "passwd" in pane.text_of(1)


async def promise(stage: Stage) -> None:
    await stage.press()
    await stage.answer("100G")
    pane = stage.app.screen.query_one(MachinePane)
    assert stage.app.focused is pane
    assert any("→ 100 GiB: ENOMEM" in pane.text_of(row) for row in range(len(pane.lines)))
    await stage.press()
    await stage.answer("lots")
    assert any("no size" in note.message for note in stage.app._notifications)


async def leave(stage: Stage) -> None:
    await stage.press()
    assert not stage.app.is_running


CASES: dict[tuple[str, str], Case] = {
    ("n", "step(1)"): asks(Step(1)),
    ("N", "step(10)"): asks(Step(10)),
    ("b", "back(1)"): asks(Back(1)),
    ("B", "back(10)"): asks(Back(10)),
    ("g,colon", "seek"): seek,
    ("space", "play"): play,
    ("R", "refresh"): asks(Refresh()),
    ("x", "measure"): asks(Measure()),
    ("m", "malloc"): malloc,
    ("f", "free"): free,
    ("t", "touch"): asks(Inject(f"touch({HEAP:#x}, 1, WRITE)")),
    ("right_square_bracket", "chapter(1)"): chapter,
    ("left_square_bracket", "chapter(-1)"): chapter,
    ("asterisk", "bookmark"): bookmark,
    ("apostrophe", "next_bookmark"): bookmark,
    ("quotation_mark", "places"): places,
    ("greater_than_sign", "speed(1)"): speed,
    ("less_than_sign", "speed(-1)"): speed,
    ("P", "mmap"): mmap,
    ("U", "munmap"): munmap,
    ("K", "fork"): asks(Inject("fork()")),
    ("x", "exit"): asks(Inject("exit_group(0)")),
    ("i", "inject"): inject,
    ("up,k", "move(-1)"): up,
    ("down,j", "move(1)"): down,
    ("left,h", "side(-1)"): left,
    ("right,l", "side(1)"): right,
    ("pageup,ctrl+b", "page(-1)"): page_up,
    ("pagedown,ctrl+f", "page(1)"): page_down,
    ("home", "first"): first,
    ("g", "first"): first,
    ("end,G", "last"): last,
    ("slash", "find"): find,
    ("full_stop", "find_next(1)"): find_next,
    ("comma", "find_next(-1)"): find_previous,
    ("y", "why"): why,
    ("e", "expand"): expand,
    ("ctrl+right", "wider(1)"): wider,
    ("ctrl+left", "wider(-1)"): wider,
    ("ctrl+up", "taller(1)"): taller,
    ("ctrl+down", "taller(-1)"): taller,
    ("z", "zoom(1)"): zoom_in,
    ("Z,escape", "zoom(-1)"): zoom_out,
    ("enter", "enter"): enter,
    ("tab", "pane(1)"): next_pane,
    ("shift+tab", "pane(-1)"): previous_pane,
    ("a,1", "show('map')"): shows("map"),
    ("v,2", "show('detail')"): shows("detail"),
    ("r,3", "show('residence')"): shows("residence"),
    ("o,4", "show('oom')"): shows("oom"),
    ("s,5", "show('steps')"): shows("steps"),
    ("u,6", "show('usage')"): usage,
    ("H,7", "show('heap')"): heap,
    ("L,8", "show('libraries')"): libraries,
    ("M,9", "show('machine')"): shows("machine"),
    ("F,0", "show('files')"): files,
    ("V", "show('tree')"): tree,
    ("I", "show('sharing')"): shows("sharing"),
    ("i", "watch_file"): watch_file,
    ("C", "promise"): promise,
    ("O", "old_rule"): old_rule,
    ("D", "rank_group"): rank_group,
    ("plus", "try_adj(1)"): try_adj,
    ("minus", "try_adj(-1)"): try_adj,
    ("A", "write_adj"): write_adj,
    ("p", "focus_process"): focus_process,
    ("c", "copy"): copy,
    ("S", "save"): save,
    ("T", "theme"): theme,
    ("ctrl+t", "reload_themes"): reload_themes,
    ("ctrl+z", "suspend"): suspend,
    ("ctrl+p", "palette"): palette,
    ("question_mark", "help"): help_screen,
    ("f1", "tour"): tour,
    ("q", "quit"): leave,
}


def case_of(key: Key) -> Case:
    return pause if key.label == "pause" else CASES[key.keys, key.action]


def test_every_key_has_a_case() -> None:
    assert {(key.keys, key.action) for key in KEYS} == set(CASES)


@pytest.mark.parametrize(
    ("key", "pressed", "size"),
    [
        pytest.param(key, pressed, size, id=f"{pressed}-{key.label.replace(' ', '_')}-{size[0]}x{size[1]}")
        for key in KEYS
        for pressed in key.keys.split(",")
        # The other names of a key once are enough.
        for size in ([WIDE, COMPACT] if pressed == key.keys.partition(",")[0] else [WIDE])
    ],
)
async def test_key(run: Run, key: Key, pressed: str, size: tuple[int, int]) -> None:
    live = key.instead is not None or key.needs not in (None, *Simulated.accepts)
    source = Live() if live else Simulated(at=3)
    async with run(source, size=size) as pilot:
        await case_of(key)(Stage(pilot, source, pressed))
    assert source.closed


async def test_keys_that_the_source_does_not_accept_do_nothing(run: Run) -> None:
    source = Live()
    async with run(source) as pilot:
        seen = list(source.seen)
        await pilot.press("n", "b", "m", "f", "t", "s")
        await settle(pilot)
        assert source.seen == seen
        assert isinstance(pilot.app.screen, MainScreen)
        assert pilot.app.screen.check_action("malloc", ()) is None
        assert pilot.app.screen.check_action("show", ("oom",)) is True
        assert pilot.app.screen.check_action("show", ("steps",)) is None


def test_help_lists_every_key_and_fits_its_width() -> None:
    for width in (30, 60, 100):
        rows = [plain(row) for row in help_rows(width)]
        assert max(map(len, rows)) <= width
        if width == 100:
            for key in KEYS:
                assert any(row.startswith(f" {key.shown} ") and key.meaning in row for row in rows), key


@pytest.mark.parametrize("pane", [pane for pane in PANES if pane != "map"])
async def test_help_begins_with_the_figures_of_the_pane(run: Run, pane: str) -> None:
    async with run(Simulated(at=3)) as pilot:
        main = pilot.app.screen
        assert isinstance(main, MainScreen)
        main.bring(pane)
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)
        text = shown(pilot.app.screen.query_one("#help", LineView)).partition("Steps of a simulation")[0]
        assert text.split()[0] == "Here"
        assert len(text) > 150


def test_help_tells_of_each_line_of_the_ledger_and_of_the_machine() -> None:
    snapshot = Snapshot("live", "x", SYSTEM, mm=PROCESS)
    zones = {zone.name for zone in SYSTEM.zones}
    for pane, rows in (("residence", residence_rows(snapshot, 80)), ("machine", machine_rows(snapshot, 80))):
        lines = RowLines(tuple(rows), 80)
        names = {figure_name(lines, row).removesuffix(" 0").removesuffix(" 1").removesuffix(" 2") for row in range(99)}
        told = {name for name in names - zones - {""} if not name.startswith(NOT_MEASURED)}
        assert len(told) > 9
        # What smaps sums up for the process is told with the VMA.
        assert told - {"process"} <= set(LINES_OF[pane])
        assert set(LINES_OF[pane]) <= set(MEANINGS)


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("source", [Simulated, Live])
def test_footer_fits_and_keeps_help_and_quit(source: type[Simulated | Live], width: int) -> None:
    row, cells = footer_row(source.accepts.__contains__, width)
    text = plain(row)
    assert len(text) == len(cells) <= width
    assert text.endswith(" ? help  q quit ")
    assert ("step" in text) == ((source is Simulated and width > 20) or width == 200)


async def test_the_palette_lists_what_works_here(run: Run) -> None:
    async with run(Live()) as pilot:
        names = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert "zoom" in names
        assert "malloc" not in names
