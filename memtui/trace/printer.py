"""Statements and calls to text, in strace's own format (strace 6.1)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from memtui.trace.constants import value_of
from memtui.trace.errnos import ERRNO_MESSAGES
from memtui.trace.line import (
    Arg,
    Array,
    Call,
    Fd,
    Flags,
    Keyword,
    Number,
    Opaque,
    Result,
    Statement,
    Struct,
    Text,
    Variable,
)
from memtui.trace.signatures import HEX_RESULTS, POINTER_RESULTS, SIGNATURES, VOID
from memtui.trace.statements import locate

RESULT_COLUMN: Final = 40
"""Where strace puts the `=`, counted from 0."""
STRING_LIMIT: Final = 32
"""Bytes of a buffer that strace prints by default (-s)."""
_LETTERS: Final = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_OPEN_END: Final = re.compile(r",?\s*<[a-z ]+ \.\.\.>$")
_UNITS: Final = frozenset("KMGT")
_UNIT: Final = re.compile(r"[0-9a-fA-F][KMGT]\b")
_SIMPLE: Final = re.compile(
    r"""(?:[A-Za-z_]\w*\s*=\s*)?(\w+\()([^"'()\[\]{}<>/=\s,]+(?:, [^"'()\[\]{}<>/=\s,]+)*)?\)"""
)
"""A call without a result, and with no more than numbers and names in its brackets."""
_SIZE: Final = re.compile(r"[-+]?(?:0x[0-9a-fA-F]+|\d+)[KMGT]")


def reprint(statement: Statement, result: Result | None = None, env: Mapping[str, int] | None = None) -> str:
    """The statement with `result` in place of the recorded one.

    Arguments stay as written, but variables and sizes such as 64K become numbers and a binding `p = ` is
    dropped. The blanks before `=` stay as recorded.

    Args:
        statement: what was parsed.
        result: what stands behind ` = `; its text is printed if it has one, else what strace prints for value and
            errno. None: no result.
        env: bound name -> value, for variables; one that is not bound stays as written.
    """
    call = statement.what
    if not isinstance(call, Call) or (call.unfinished and result is None):
        return statement.raw
    if call.unfinished:
        return _with_result(f"{_OPEN_END.sub('', statement.raw).rstrip(', ')})", call.name, result)
    if call.result is not None and statement.raw.endswith(call.result.text) and not _sweet(statement.raw, call, env):
        if result is None:
            return statement.raw[: -len(call.result.text)].rstrip("= ")
        return statement.raw.removesuffix(call.result.text) + format_result(call.name, result)
    written, padding = _call_text(statement.raw, call, env or {})
    if result is None:
        return written
    if padding is not None:
        return f"{written}{padding}= {format_result(call.name, result)}"
    return _with_result(written, call.name, result)


def _sweet(raw: str, call: Call, env: Mapping[str, int] | None) -> bool:
    """Whether something in a call is not written as strace would."""
    if not env and not call.bind and not _UNIT.search(raw):
        return False
    env = env or {}
    return bool(call.bind) or any(
        type(arg) is Variable
        or (type(arg) is Number and arg.text[-1:] in _UNITS)
        or (type(arg) is Flags and len(arg.names) == 1 and arg.names[0] in env)
        or (type(arg) in (Array, Struct) and _dissolved(arg, env) != arg)
        for arg in call.args
    )


def _dissolved(arg: Arg, env: Mapping[str, int]) -> Arg:
    """What is inside an array or a struct, with numbers for variables and sizes."""
    match arg:
        case Array(items=items):
            return Array(tuple(_dissolved(item, env) for item in items))
        case Struct(fields=fields):
            return Struct(tuple((name, _dissolved(value, env)) for name, value in fields))
        case Number(value=value, text=text) if _SIZE.fullmatch(text):
            return Number(value, str(value))
        case Variable(name=name) if name in env:
            return Number(value_of(arg, env), hex(value_of(arg, env)))
        case Flags(names=(name,), bits=0) if name in env:
            return Number(env[name], hex(env[name]))
        case _:
            return arg


def _call_text(raw: str, call: Call, env: Mapping[str, int]) -> tuple[str, str | None]:
    """The call up to its closing bracket, and the blanks behind it if they can stay."""
    if simple := _SIMPLE.fullmatch(raw):
        texts = simple[2].split(", ") if simple[2] else []
        for index, arg in enumerate(call.args[: len(texts)]):
            if (plain := _plain(call.name, index, arg, env)) is not None:
                texts[index] = plain
        return f"{simple[1]}{', '.join(texts)})", None
    head, spans, end = locate(raw)
    start = head.end("bind") if call.bind else 0
    if call.bind:
        start = raw.index("=", start) + 1
        start += len(raw[start:]) - len(raw[start:].lstrip())
    parts, position = [], start
    changed = False
    for index, (span, arg) in enumerate(zip(spans, call.args, strict=False)):  # ltrace prints four of mmap's six
        plain = _plain(call.name, index, arg, env)
        if plain is not None:
            parts += [raw[position : span.start], plain]
            position, changed = span.end, True
    parts.append(raw[position:end])
    blanks = raw[end:].partition("=")[0] if call.result and not changed and not call.bind else None
    return "".join(parts), blanks


def _plain(name: str, index: int, arg: Arg, env: Mapping[str, int]) -> str | None:
    """An argument with its sugar dissolved, or None if it stays as written."""
    if name == "machine":
        return None
    if isinstance(arg, Number):
        sized = arg.text[-1:] in _UNITS and _SIZE.fullmatch(arg.text)
        return _number(name, index, arg.value) if sized else None
    if isinstance(arg, Array | Struct):
        dissolved = _dissolved(arg, env)
        return None if dissolved == arg else arg_text(dissolved)
    named = arg.name if isinstance(arg, Variable) else None
    if isinstance(arg, Flags) and len(arg.names) == 1 and not arg.bits:
        named = arg.names[0]
    return _number(name, index, value_of(arg, env)) if named is not None and named in env else None


def format_call(name: str, args: Sequence[int | str | bytes | Arg], result: Result | None = None) -> str:
    """A call as strace prints it: pointers hex or NULL, lengths decimal, flags by name, `=` in column 40.

    Args:
        name: of the call.
        args: numbers are printed by the argument's kind, bytes as a C string, a str as it is.
        result: what stands behind ` = `; None: nothing.
    """
    texts = [_argument(name, index, arg) for index, arg in enumerate(args)]
    text = f"{name}({', '.join(texts[: _printed(name, args)])})"
    return text if result is None else _with_result(text, name, result)


def format_syscall(name: str, args: Sequence[int | str | bytes], value: int | None, errno: str = "") -> str:
    """`format_call` with the result given as a number (-1 with the name of an errno; None prints `?`)."""
    return format_call(name, args, Result(value, errno))


def format_result(name: str, result: Result) -> str:
    """What stands behind ` = `."""
    if result.text:
        return result.text
    if result.errno:
        shown = "?" if result.value is None else "-1"
        message = ERRNO_MESSAGES.get(result.errno)
        return f"{shown} {result.errno}" + (f" ({message})" if message else "")
    if name in VOID:
        return "<void>"
    if result.value is None:
        return "?"
    if name in POINTER_RESULTS:
        return hex(result.value) if result.value else "nil"
    return hex(result.value) if name in HEX_RESULTS and result.value > 0 else str(result.value)


def quote(data: bytes, limit: int | None = STRING_LIMIT) -> str:
    r"""A C string as strace prints it: octal escapes, `"..."...` when longer than `limit` bytes (None: never cut)."""
    shown = data if limit is None else data[:limit]
    parts = []
    for index, byte in enumerate(shown):
        if byte in _LETTERS:
            parts.append(_LETTERS[byte])
        elif 32 <= byte < 127:
            parts.append(chr(byte))
        else:
            digit_follows = index + 1 < len(shown) and 48 <= shown[index + 1] < 56
            parts.append(f"\\{byte:03o}" if digit_follows else f"\\{byte:o}")
    return f'"{"".join(parts)}"' + ("..." if len(shown) < len(data) else "")


def _with_result(text: str, name: str, result: Result | None) -> str:
    if result is None:
        return text
    return f"{text.ljust(RESULT_COLUMN - 1)} = {format_result(name, result)}"


def _number(name: str, index: int, amount: int) -> str:
    kinds = SIGNATURES.get(name, ())
    return kinds[index](amount) if index < len(kinds) else str(amount)


def _printed(name: str, args: Sequence[int | str | bytes | Arg]) -> int:
    """How many arguments strace shows: the mode of open only with O_CREAT, mremap's address only with MREMAP_FIXED."""
    place = {"open": 1, "openat": 2, "mremap": 3}.get(name)
    if place is None or len(args) != place + 2:
        return len(args)
    flags = args[place]
    if isinstance(flags, Number | Flags):
        flags = value_of(flags, {})
    if not isinstance(flags, int):
        return len(args)
    shown = flags & 3 == 3 if name == "mremap" else bool(flags & (0o100 | 0o20000000))
    return place + 2 if shown else place + 1


def _argument(name: str, index: int, arg: int | str | bytes | Arg) -> str:
    match arg:
        case int():
            return _number(name, index, arg)
        case str():
            return arg
        case bytes() if name == "getrandom":
            return '"' + "".join(f"\\x{byte:02x}" for byte in arg) + '"'
        case bytes():
            is_buffer = name in {"read", "write", "pread64", "pwrite64"}
            return quote(arg, STRING_LIMIT if is_buffer else None)
        case _:
            return arg_text(arg)


def arg_text(arg: Arg) -> str:
    """An argument's value as text that parses back to it."""
    match arg:
        case Number(text=text) | Opaque(text=text):
            return text
        case Flags(names=names, bits=bits):
            return "|".join([*names, hex(bits)] if bits else names)
        case Text(value=data, truncated=truncated):
            return quote(data, None) + ("..." if truncated else "")
        case Fd(number=number, path=path):
            shown = "AT_FDCWD" if number == -100 else str(number)
            return f"{shown}<{_path(path)}>" if path else shown
        case Variable(name=name, offset=offset):
            return f"{name}{offset:+}" if offset else name
        case Array(items=items):
            return f"[{', '.join(arg_text(item) for item in items)}]"
        case Struct():
            return _struct(arg)
        case Keyword(name=name, value=inner):
            return f"{name}={arg_text(inner)}"


def _struct(struct: Struct) -> str:
    fields = [f"{name}={arg_text(item)}" if name else arg_text(item) for name, item in struct.fields if name != "=>"]
    after = [f" => {arg_text(item)}" for name, item in struct.fields if name == "=>"]
    return "{" + ", ".join(fields) + "}" + "".join(after)


def _path(path: str) -> str:
    text = quote(path.encode("utf-8", "surrogateescape"), None)[1:-1]
    return text.replace("<", "\\74").replace(">", "\\76")
