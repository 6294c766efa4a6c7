"""The step list as text."""

from memtui.draw.step_list import StepList
from memtui.model.event import Event, EventKind
from memtui.model.step import StepLog, StepRecord
from tests.draw.pictures import drawn

STEPS = (
    StepRecord(1, 'execve("/bin/cat", ["cat"], 0) = 0', 1, chapter="The program starts", narration="A new mm."),
    StepRecord(
        2, "brk(NULL)                               = 0x55555570a000", 1, made=True, why="asks where the heap begins"
    ),
    StepRecord(
        3,
        "p = malloc(100) = 0x5555557092a0",
        1,
        chapter="The first malloc",
        narration="The heap is empty: malloc has to ask the kernel, and asks for more than was wanted.",
        why="the heap VMA grows: same flags, adjacent",
        calls=("brk(NULL) = 0x555555709000", "brk(0x55555572a000) = 0x55555572a000"),
        events=(Event(EventKind.DIVERGENCE, "the result differs", "0x1", "0x2"),),
    ),
    StepRecord(
        4,
        "mmap(NULL, 4398046511104, PROT_READ|PROT_WRITE, MAP_PRIVATE, -1, 0) = -1 ENOMEM (Cannot allocate memory)",
        1,
        events=(Event(EventKind.FAILURE, "more than RAM + swap"),),
    ),
    StepRecord(5, "free(p) = <void>", 1),
)


def steps(cursor, width=60):
    return StepList(StepLog(STEPS, cursor), width)


def test_the_current_step_tells_its_story():
    assert drawn(steps(3)) == [
        " The program starts",
        '   1   execve("/bin/cat", ["cat"], 0) = 0',
        "   2   brk(NULL) = 0x55555570a000",
        "",
        " The first malloc",
        "▶  3 ≠ p = malloc(100) = 0x5555557092a0",
        "       ├ brk(NULL) = 0x555555709000",
        "       └ brk(0x55555572a000) = 0x55555572a000",
        "       The heap is empty: malloc has to ask the kernel, and",
        "       asks for more than was wanted.",
        "       why the heap VMA grows: same flags, adjacent",
        "       ≠ the result differs: recorded 0x1, predicted 0x2",
        "   4 ✗ mmap(NULL, 4398046511104, PROT_READ|PROT_WRITE, MAP_…",
        "   5   free(p) = <void>",
    ]


def test_a_long_call_keeps_its_result_in_sight_and_is_told_in_full_below():
    assert drawn(steps(4))[8:] == [
        "▶  4 ✗ mmap(NULL, 4398046511104, PROT_READ|PRO…) = -1 ENOMEM",
        "       mmap(NULL, 4398046511104, PROT_READ|PROT_WRITE,",
        "       MAP_PRIVATE, -1, 0) = -1 ENOMEM (Cannot allocate",
        "       memory)",
        "       ✗ more than RAM + swap",
        "   5   free(p) = <void>",
    ]


def test_before_the_first_step_nothing_is_current():
    lines = steps(0)
    assert len(lines) == 10
    assert not any(row.startswith("▶") for row in drawn(lines))


def test_roles():
    lines = steps(4)
    assert [run.role for run in lines.row(lines.row_of(4)) if "ENOMEM" in run.text] == ["event.failure"]
    assert [lines.row(lines.row_of(number))[-1].role for number in (1, 2, 5)] == [
        "step.result",
        "step.result",
        "step.todo",
    ]
    assert [lines.row(lines.row_of(number))[3].role for number in (1, 2)] == ["step.done", "step.made"]


def test_lookups():
    lines = steps(3)
    assert [lines.row_of(number) for number in (0, 1, 2, 3, 4, 5, 99)] == [0, 1, 2, 5, 12, 13, 13]
    assert [lines.step_at(row) for row in (-1, 0, 2, 3, 5, 11, 12, 13, 14)] == [0, 1, 2, 3, 3, 3, 4, 5, 0]


def test_an_empty_log():
    lines = StepList(StepLog(()), 40)
    assert (len(lines), lines.row(0), lines.row_of(1), lines.step_at(0)) == (0, (), 0, 0)


def test_a_log_of_many_steps_counts_them_all():
    many = tuple(StepRecord(number, "getpid() = 1", 1) for number in range(1, 100_001))
    lines = StepList(StepLog(many, 50_000), 40)
    assert len(lines) == 100_000
    assert drawn_row(lines, lines.row_of(100_000)) == "  100000   getpid() = 1"


def drawn_row(lines, row):
    return "".join(run.text for run in lines.row(row))
