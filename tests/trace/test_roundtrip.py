"""What is printed reads back as the same; what is read prints back; nothing but ParseError is raised."""

from hypothesis import given
from hypothesis import strategies as st

from memtui.model.errors import ParseError
from memtui.trace.constants import CONSTANTS, ERRNO_MESSAGES, value_of
from memtui.trace.line import Arg, Array, Call, Fd, Flags, Keyword, Number, Result, Struct, Text, Variable
from memtui.trace.parser import parse, parse_line
from memtui.trace.printer import format_call, format_syscall, reprint
from memtui.trace.signatures import SIGNATURES

WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in {"nil", "echo"})
NUMBERS = st.integers(-(1 << 31), (1 << 64) - 1)
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(
    lambda text: "/" + text
)
SCALARS: st.SearchStrategy[Arg] = st.one_of(
    NUMBERS.map(lambda value: Number(value, str(value))),
    st.integers(0, 1 << 64).map(lambda value: Number(value, hex(value))),
    st.builds(
        Flags,
        st.lists(st.sampled_from(sorted(set(CONSTANTS) - {"AT_FDCWD"})), min_size=1, max_size=4).map(tuple),
        st.integers(0, 1 << 40),
    ),
    st.builds(Text, st.binary(max_size=12), st.booleans()),
    st.builds(Fd, st.integers(0, 1 << 20), PATHS.filter(lambda path: not path.endswith((">", "(deleted)")))),
    st.just(Fd(-100)),
    st.builds(Variable, WORDS, st.integers(-(1 << 40), 1 << 40)),
)


def wider(inner: st.SearchStrategy[Arg]) -> st.SearchStrategy[Arg]:
    field = st.tuples(st.just("") | WORDS, inner)
    return st.one_of(
        st.builds(Array, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Struct, st.lists(field, max_size=3).map(tuple)),
    )


ARGS = st.recursive(SCALARS, wider, max_leaves=6)
ARGUMENTS = st.lists(st.one_of(ARGS, st.builds(Keyword, WORDS, ARGS)), max_size=5)
RESULTS = st.one_of(
    st.none(),
    st.integers(0, 1 << 47).map(lambda value: Result(value)),
    st.sampled_from(sorted(ERRNO_MESSAGES)).map(lambda errno: Result(-1, errno)),
    st.just(Result(None)),
)


@given(WORDS, ARGUMENTS, RESULTS)
def test_a_printed_call_reads_back(name: str, args: list[Arg], result: Result | None) -> None:
    text = format_call(name, args, result)
    statement = parse_line(text)
    call = statement.what
    assert isinstance(call, Call)
    assert (call.name, call.args) == (name, tuple(args))
    if result is None:
        assert call.result is None
    else:
        assert call.result is not None
        if name not in {"free"}:
            assert (call.result.value, call.result.errno) == result[:2]
    assert reprint(statement, call.result) == text


@given(st.sampled_from(sorted(set(SIGNATURES) - {"open", "openat", "mremap"})), st.data())
def test_numbers_survive(name: str, data: st.DataObject) -> None:
    """By the place's kind a number is printed as its low 32 or all 64 bits: nothing else is lost."""
    args = [data.draw(st.integers(0, (1 << 31) - 1)) for _ in SIGNATURES[name]]
    call = parse_line(format_syscall(name, args, 0)).what
    assert isinstance(call, Call)
    assert [value_of(arg, {}) for arg in call.args] == args


LINES = st.one_of(
    st.text(max_size=60),
    st.text("mapbrk()[]{}<>\"'\\,.= |+-/*#0x19KM_~?@&>:;\n", max_size=80),
    st.lists(
        st.sampled_from(
            [
                "mmap(", "p = ", "brk(", "NULL", "4096", "64K", ", ", ")", " = ", "-1 ENOMEM", "<unfinished ...>",
                "<... mmap resumed>", "[pid  3] ", "3</x>", "[", "]", "{", "}", '"', "/* ", " */", "+++ ", "--- ",
                "\n", "# ", "## ", "echo 3 > /proc/x", " <0.000012>", "strace: Process 3 attached\n", "...", "|",
            ]
        ),
        max_size=14,
    ).map("".join),
)  # fmt: skip


@given(LINES)
def test_any_text_is_a_trace_or_a_parse_error(text: str) -> None:
    problem, statements = "", ()
    try:
        statements = parse(text, "x").statements
    except ParseError as error:
        problem = str(error)
    assert bool(statements) != problem.startswith("x:")
    assert "\n" not in problem
    for statement in statements:
        result = statement.what.result if isinstance(statement.what, Call) else None
        reprint(statement, result)


@given(LINES)
def test_any_typed_line_is_a_step_or_a_parse_error(text: str) -> None:
    try:
        statement = parse_line(text)
    except ParseError:
        return
    assert parse_line(statement.raw).what == statement.what
