"""Pick a process or a scenario."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Input, Label, OptionList
from textual.widgets.option_list import Option

from memtui.draw.sizes import pages_size
from memtui.model.errors import MemtuiError
from memtui.model.task import Task
from memtui.ui.home import Home

if TYPE_CHECKING:
    from memtui.ui.app import MemtuiApp

_MOST = 500


class HomeScreen(Screen[None]):
    """Two lists with one filter over both."""

    BINDINGS = [
        ("q", "app.quit", "quit"),
        ("slash", "filter", "filter"),
        ("tab", "app.focus_next", "other list"),
        ("escape", "clear", "all"),
        ("R", "read", "read again"),
    ]

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self._tasks: Sequence[Task] = ()

    @property
    def memtui(self) -> "MemtuiApp":
        """The app, by its own type."""
        return cast("MemtuiApp", self.app)

    def compose(self) -> ComposeResult:
        """Filter, scenarios, processes."""
        yield Label("memtui · see how Linux manages process memory", id="home-title")
        yield Input(placeholder="filter by name or PID", id="filter")
        with Horizontal():
            with Vertical(id="home-scenarios"):
                yield Label("Scenarios: a simulated process, step by step")
                yield OptionList(id="scenarios")
            with Vertical(id="home-processes"):
                yield Label("Processes: a live one, read only")
                yield OptionList(id="processes")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the lists."""
        self._fill()
        self.query_one("#scenarios").focus()
        self.action_read()

    @work(thread=True)
    def action_read(self) -> None:
        """Read the processes beside the screen."""
        try:
            tasks = [task for task in self._home.processes() if task.never != "kernel thread"]
        except MemtuiError as error:
            self.app.call_from_thread(self.memtui.report, error)
            return
        tasks.sort(key=lambda task: task.rss_pages or 0, reverse=True)
        self.app.call_from_thread(self._show, tasks)

    def _show(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._fill()

    def _fill(self) -> None:
        wanted = self.query_one("#filter", Input).value.casefold()
        scenarios = self.query_one("#scenarios", OptionList)
        scenarios.clear_options()
        scenarios.add_options(
            Option(Text.assemble((name, "bold"), f"\n  {summary}"), id=name)
            for name, summary in self._home.scenarios
            if wanted in f"{name} {summary}".casefold()
        )
        processes = self.query_one("#processes", OptionList)
        processes.clear_options()
        rows = [
            Option(Text(f"{task.pid:>7} {pages_size(task.rss_pages):>9}  {task.comm}"), id=str(task.pid))
            for task in self._tasks
            if wanted in f"{task.pid} {task.comm}".casefold()
        ]
        processes.add_options(rows[:_MOST])
        for options in (scenarios, processes):
            if options.option_count:
                options.highlighted = 0

    def on_input_changed(self) -> None:
        """Filter both lists."""
        self._fill()

    def on_input_submitted(self) -> None:
        """Go on to the list that has something left."""
        scenarios = self.query_one("#scenarios", OptionList)
        (scenarios if scenarios.option_count else self.query_one("#processes", OptionList)).focus()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter").focus()

    def action_clear(self) -> None:
        """Show all again."""
        self.query_one("#filter", Input).value = ""
        self.query_one("#scenarios").focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open it."""
        name = event.option_id or ""
        try:
            if event.option_list.id == "scenarios":
                source = self._home.open_scenario(name)
            else:
                source = self._home.open_process(int(name))
        except MemtuiError as error:
            self.memtui.report(error)
            return
        self.memtui.open(source)
