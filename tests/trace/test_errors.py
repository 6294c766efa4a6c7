"""Every kind of wrong input, with the whole message."""

import gzip

import pytest

from memtui.model.errors import ParseError
from memtui.trace.constants import value_of
from memtui.trace.decode import decode
from memtui.trace.line import Arg, Array, Flags, Opaque, Struct, Text, Variable
from memtui.trace.parser import parse, parse_line

RESULT = "expected a result: a number, NULL, '?' or an error such as -1 ENOMEM"
FORMS = "expected a call such as brk(NULL), 'echo VALUE > /proc/PATH' or '# text'"
NUMBER = "expected a number such as 4096, 0x1000 or 64K"
NAME = "has no value: expected a constant or a name bound before"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.trace: no steps in this trace (only blank lines)"),
        ("\n \n", "x.trace: no steps in this trace (only blank lines)"),
        ("# only\n## comments\n", "x.trace: no steps in this trace (only comments)"),
        ("brk(NULL", "x.trace:1:9: expected ')' or ','"),
        ("brk(NULL]", "x.trace:1:9: expected ')' or ','"),
        ("brk(NULL))", "x.trace:1:10: expected '=' or the end of the line"),
        ("brk(NULL) x", "x.trace:1:11: expected '=' or the end of the line"),
        ("brk(NULL) =", f"x.trace:1:12: {RESULT}"),
        ("brk(NULL) = x", f"x.trace:1:13: {RESULT}"),
        ("brk NULL", "x.trace:1:5: expected '('"),
        ("brk(NULL)\n\n  foo bar\n", "x.trace:3:7: expected '('"),
        ("*", f"x.trace:1:1: {FORMS}"),
        ("[pid 12] foo", "x.trace:1:13: expected '('"),
        ("p = ", "x.trace:1:4: expected a call behind '='"),
        ("p = 3", "x.trace:1:5: expected a call behind '='"),
        ("PROT_READ = malloc(3)", "x.trace:1:1: expected a new name before '=': PROT_READ is a constant"),
        ("malloc(64Q)", f"x.trace:1:8: {NUMBER}"),
        ("machine(ram=256X)", f"x.trace:1:13: {NUMBER}"),
        ("brk(NULL)\nmachine(ram=1M)", "x.trace:2:1: machine(...) must be the first step"),
        ("malloc(,)", "x.trace:1:8: expected an argument"),
        ("f(1,,2)", "x.trace:1:5: expected an argument"),
        ("f(1 2)", "x.trace:1:5: expected ')' or ','"),
        ('f("a" "b")', "x.trace:1:7: expected ')' or ','"),
        ("f(%)", "x.trace:1:3: expected an argument: a number, a name or a string"),
        ('f("abc', "x.trace:1:7: expected a closing '\"'"),
        ("f([1, 2)", "x.trace:1:8: expected ']' or ','"),
        ("f({a=1)", "x.trace:1:7: expected '}' or ','"),
        ("f(3</etc)", "x.trace:1:5: expected '>' behind the path of a descriptor"),
        ("free(p)", f"x.trace:1:6: p {NAME}"),
        ("p = malloc(1)\ntouch(q+3, 64K, READ)", f"x.trace:2:7: q {NAME}"),
        ("p = malloc(1)\ntouch(p, 64K, WRIT)", f"x.trace:2:15: WRIT {NAME}"),
        ("echo 3", "x.trace:1:7: expected '>' and a path below /proc or /sys"),
        ("echo > /proc/x", "x.trace:1:6: expected a value to write"),
        ("echo 3 > /etc/x", "x.trace:1:10: expected a path below /proc or /sys"),
        ("--- SIGSEGV", "x.trace:1:12: expected '--- SIGNAL ... ---'"),
        ("+++ exited", "x.trace:1:11: expected '+++ exited with N +++' or '+++ killed by SIGNAL +++'"),
        (
            "brk(NULL)        = 0x5000\nhello\nworld\nbrk(NULL)        = 0x5000\n",
            "x.trace:2:6: expected '(' (if the program's own output is mixed in: record with strace -o FILE)",
        ),
        ("<unfinished ...>", f"x.trace:1:1: {FORMS}"),
        ("f([)  <unfinished ...>\n", "x.trace:1:4: expected ']' or ','"),
        ("f(" + "[" * 5000, "x.trace:1:5003: expected fewer brackets inside one another"),
        (
            "7  wait4(-1,  <unfinished ...>\n7  <... wait4 resumed>NULL, 0, NULL) =\n",
            f"x.trace:2:39: {RESULT}",
        ),
    ],
)
def test_a_wrong_file(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text, "x.trace")
    assert str(caught.value) == message


def test_a_hand_written_file_is_not_taken_for_a_log() -> None:
    text = "# A story.\nbrk(NULL)                               = 0x5000\nbrk(0x6000"
    with pytest.raises(ParseError, match=r"^x:3:11: expected '\)' or ','$"):
        parse(text, "x")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "1: no step (a call such as p = malloc(100))"),
        ("# text", "1: no step (a call such as p = malloc(100))"),
        ("malloc(64Q)", f"8: {NUMBER}"),
    ],
)
def test_a_wrong_typed_line(line: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_line(line)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.trace: the file is empty"),
        (b"MZ\0", "x.trace: a binary file, not a trace (it holds NUL bytes)"),
        (b"\x7fELF\0", "x.trace: an ELF program, not a trace (memtui run -- PROGRAM runs one under strace)"),
        (gzip.compress(b"brk(NULL) = 0\n", mtime=0), "x.trace: compressed, not a trace (unpack it with gunzip)"),
        ("brk(NULL) = 0\n".encode("utf-16"), "x.trace: UTF-16, not a trace (save it as UTF-8)"),
        (b"brk(NULL)\nab\xff", "x.trace:2:3: not a trace: byte 0xff is no UTF-8"),
    ],
)
def test_bytes_that_are_no_trace(data: bytes, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        decode(data, "x.trace")
    assert str(caught.value) == message


def test_a_file_of_which_no_line_is_a_step() -> None:
    with pytest.raises(ParseError) as caught:
        parse("root:x:0:0\ndaemon:x:1:1\n", "passwd")
    hint = "no line of the file is a step of a trace; strace -f -o FILE CMD writes one"
    assert str(caught.value) == f"passwd:1:5: expected '(' ({hint})"


def test_text_with_a_byte_order_mark() -> None:
    assert decode(b"\xef\xbb\xbf# \xc3\xa9\n", "x") == "# é\n"


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        (Variable("p", 3), "no value is bound to p (an earlier line must say p = CALL(...))"),
        (Flags(("PROT_READ", "PROT_X")), "unknown name PROT_X (neither a constant nor bound by an earlier line)"),
        (Text(b"x"), "expected a number, not a string"),
        (Array(()), "expected a number, not an array"),
        (Struct(()), "expected a number, not a struct"),
        (Opaque("..."), "expected a number, not '...'"),
    ],
)
def test_an_argument_without_a_number(arg: Arg, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        value_of(arg, {"q": 1})
    assert str(caught.value) == message
