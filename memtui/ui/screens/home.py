"""Pick a scenario or a process."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from memtui.draw.fit import safe, shorten
from memtui.draw.lines import RowLines
from memtui.draw.run import Row, Run
from memtui.draw.sizes import pages_size
from memtui.model.errors import MemtuiError
from memtui.model.task import Task
from memtui.ui.line_view import LineBar, LineView
from memtui.ui.screens.fitting import FittingScreen
from memtui.ui.widgets.picks import Picks, Story

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp
    from memtui.ui.home import Home

_WIDE: Final = 100
"""Cells from which the lists stand side by side."""
_HIGH: Final = 30
"""Lines from which there is room for the story under them."""
_SCENARIOS, _PROCESSES = "Scenarios: simulated, step by step", "Processes: live, most RAM first"
_COMM: Final = 15
"""Letters that a name has at most (TASK_COMM_LEN)."""
_KEYS: Final = (
    ("Enter", "open"),
    ("/", "filter"),
    ("Tab", "other list"),
    ("R", "read again"),
    ("T", "theme"),
    ("?", "help"),
    ("q", "quit"),
)


class HomeScreen(FittingScreen):
    """Two lists, one filter over both."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "app.quit", "quit"),
        ("slash", "filter", "filter"),
        ("tab,shift+tab,left,right,h,l", "other", "other list"),
        ("escape", "clear", "all"),
        ("enter", "pick", "open"),
        ("up,k", "move(-1)", "up"),
        ("down,j", "move(1)", "down"),
        ("pageup,ctrl+b", "move(-20)", "page up"),
        ("pagedown,ctrl+f", "move(20)", "page down"),
        ("home,g", "move(-99999)", "top"),
        ("end,G", "move(99999)", "bottom"),
        ("R", "read", "read again"),
        ("T", "theme", "next theme"),
        ("question_mark", "help", "help"),
    ]
    AUTO_FOCUS = "#scenarios"

    def __init__(self, home: "Home") -> None:
        super().__init__()
        self._home = home
        self._scenarios = {scenario.name: scenario for scenario in home.scenarios}
        self._tasks: dict[str, Task] = {}
        self._commands: Mapping[int, str] = {}
        """By pid; they come after the list."""
        self._here = "scenarios"

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    def compose(self) -> ComposeResult:
        """Name, filter, scenarios, processes, keys."""
        yield LineBar(id="home-title")
        yield Input(placeholder=" / filter by name, PID or command line", id="filter", compact=True)
        with Horizontal(id="lists"):
            yield Picks(id="scenarios")
            yield Picks(id="processes")
        yield Story(id="story")
        yield LineBar(id="home-keys")
        yield from super().compose()

    def on_mount(self) -> None:
        """Fill the lists."""
        self._paint()
        self.watch(self.app, "theme", self._paint, init=False)
        title = (
            Run(" memtui ", "header.name"),
            Run("  see how Linux manages process memory", "text"),
        )
        keys = tuple(run for key, label in _KEYS for run in (Run(f" {key}", "key"), Run(f" {label} ", "text")))
        self.query_one("#home-title", LineBar).show(RowLines((title,), 80))
        self.query_one("#home-keys", LineBar).show(RowLines((keys,), 80))
        self._fill()
        self.action_read()

    def on_resize(self) -> None:
        """Side by side, or one above the other."""
        super().on_resize()
        self.set_class(self.app.size.width < _WIDE, "-compact")
        self.set_class(self.app.size.height < _HIGH, "-low")

    def _paint(self) -> None:
        for view in self.query(LineView):
            view.paint_with(self.memtui.palette.styles)

    @work(thread=True)
    def action_read(self) -> None:
        """Read the processes beside the screen."""
        try:
            tasks = [task for task in self._home.processes() if task.never != "kernel thread"]
        except MemtuiError as error:
            self.app.call_from_thread(self.memtui.report, error)
        else:
            self.app.call_from_thread(self._show, tasks)
            # Whoever holds up the reading of one, a process that waits for a disk, holds up no list.
            commands = self._home.commands([task.pid for task in tasks])
            self.app.call_from_thread(self._tell, commands)

    def _show(self, tasks: Sequence[Task]) -> None:
        largest_first = sorted(tasks, key=lambda task: task.rss_pages or 0, reverse=True)
        self._tasks = {str(task.pid): task for task in largest_first}
        self._fill()

    def _tell(self, commands: Mapping[int, str]) -> None:
        self._commands = commands
        if self.query_one("#filter", Input).value:
            self._fill()
        else:
            self.query_one("#processes", Picks).lay_out()
            self.on_picks_pointed()

    def _fill(self) -> None:
        wanted = self.query_one("#filter", Input).value.casefold()
        found = [one for one in self._scenarios.values() if wanted in " ".join(one[:3]).casefold()]
        groups = [(head, [one.name for one in group]) for head, group in groupby(found, lambda one: one.chapter)]
        pids = [pid for pid, task in self._tasks.items() if wanted in self._known_as(task).casefold()]
        self.query_one("#scenarios", Picks).offer(groups, self._scenario_row, title=_SCENARIOS)
        self.query_one("#processes", Picks).offer([("", pids)], self._process_row, title=_PROCESSES)

    def _scenario_row(self, name: str, width: int) -> Row:
        return (
            Run(f"   {name:<16} ", "map.label"),
            Run(shorten(safe(self._scenarios[name].summary), width - 21), "text"),
        )

    def _process_row(self, pid: str, width: int) -> Row:
        task = self._tasks[pid]
        name, said = safe(task.comm), safe(self._commands.get(task.pid, ""))
        return (
            Run(f" {pid:>7} ", "text.dim"),
            Run(f"{pages_size(task.rss_pages):>9}  ", "value"),
            Run(f"{shorten(name, _COMM):<{_COMM}} ", "text"),
            Run(shorten(f"{said} ".removeprefix(f"{name} ").rstrip(), width - 21 - _COMM), "text.dim"),
        )

    def _known_as(self, task: Task) -> str:
        return f"{task.pid} {task.comm} {self._commands.get(task.pid, '')}"

    def on_picks_pointed(self) -> None:
        """Tell of what the cursor is on."""
        picks = self._list
        name, story = picks.picked, self.query_one(Story)
        if name is None:
            story.tell("Nothing of that name", "Esc shows all again")
        elif picks.id == "scenarios":
            scenario = self._scenarios[name]
            story.tell(f"{name}: {scenario.summary}", self._home.story(name))
        else:
            task = self._tasks[name]
            story.tell(f"{name} {safe(task.comm)}", _about(task, safe(self._commands.get(task.pid, ""))))

    def on_descendant_focus(self) -> None:
        """The story follows the focus."""
        self.on_picks_pointed()

    def on_input_changed(self) -> None:
        """Filter both lists."""
        self._fill()

    def on_input_submitted(self) -> None:
        """On to the list that has something left."""
        names = self.query_one("#scenarios", Picks).names
        self._go("scenarios" if names else "processes")

    def _go(self, name: str) -> None:
        self._here = name
        self.query_one(f"#{name}").focus()

    @property
    def _list(self) -> Picks:
        return self.focused if isinstance(self.focused, Picks) else self.query_one(f"#{self._here}", Picks)

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter").focus()

    def action_clear(self) -> None:
        """Show all again."""
        self.query_one("#filter", Input).value = ""
        self._go(self._here)

    def action_other(self) -> None:
        """To the other list."""
        self._go("processes" if self._list.id == "scenarios" else "scenarios")

    def action_move(self, rows: int) -> None:
        """Rows down or up."""
        self._list.by_rows(rows)

    def action_theme(self) -> None:
        """The next theme."""
        self.memtui.next_theme()

    def action_help(self) -> None:
        """The help."""
        from memtui.ui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.memtui.palette.styles, "home"))

    def on_mouse_view_entered(self) -> None:
        """Something was clicked twice."""
        self.action_pick()

    def action_pick(self) -> None:
        """Open what the cursor is on."""
        picks = self._list
        if picks.picked is not None:
            self._here = picks.id or self._here
            self._open(picks.picked, process=picks.id == "processes")

    @work(thread=True, exclusive=True)
    def _open(self, name: str, *, process: bool) -> None:
        """Make the source beside the screen: reading a trace or a process takes its time."""
        try:
            source = self._home.open_process(int(name)) if process else self._home.open_scenario(name)
        except MemtuiError as error:
            self.app.call_from_thread(self.memtui.report, error)
        else:
            self.app.call_from_thread(self.memtui.open, source)


def _about(task: Task, command: str) -> str:
    """What the list of processes has no room for."""
    adj = "—" if task.oom_score_adj is None else f"{task.oom_score_adj:+d}"
    score = "—" if task.kernel_oom_score is None else str(task.kernel_oom_score)
    return "\n".join(
        (
            *filter(None, [command]),
            f"in RAM {pages_size(task.rss_pages)}, on swap {pages_size(task.swap_pages)},"
            f" page tables {pages_size(task.pgtable_pages)}, address space {pages_size(task.total_vm)}",
            f"oom_score {score}, oom_score_adj {adj}, user {'—' if task.uid is None else task.uid}",
            "Enter looks at it each second. Nothing is stopped, injected or written.",
        )
    )
