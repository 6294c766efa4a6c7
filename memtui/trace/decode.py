"""Bytes of a trace file to text."""

from typing import Final

from memtui.model.errors import ParseError

_FORMATS: Final = {
    b"\x7fELF": ("an ELF program", "memtui run -- PROGRAM runs one under strace"),
    b"\x1f\x8b": ("compressed", "unpack it with gunzip"),
    b"\xfd7zXZ": ("compressed", "unpack it with unxz"),
    b"\x28\xb5\x2f\xfd": ("compressed", "unpack it with unzstd"),
    b"BZh": ("compressed", "unpack it with bunzip2"),
    b"\xff\xfe": ("UTF-16", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save it as UTF-8"),
}
"""By their first bytes: what files are that are given for logs, and what can be done."""


def decode(data: bytes, file: str) -> str:
    """The text of a trace file.

    Args:
        data: the whole file.
        file: its name, for the error.

    Raises:
        ParseError: empty, of another format, binary (NUL bytes) or not UTF-8.
    """
    if not data:
        raise ParseError("the file is empty", file=file)
    for magic, (what, hint) in _FORMATS.items():
        if data.startswith(magic):
            raise ParseError(f"{what}, not a trace", file=file, hint=hint)
    if b"\0" in data:
        raise ParseError("a binary file, not a trace", file=file, hint="it holds NUL bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise ParseError(
            f"not a trace: byte 0x{data[error.start]:02x} is no UTF-8",
            file=file,
            line=before.count(b"\n") + 1,
            column=error.start - (before.rfind(b"\n") + 1) + 1,
        ) from error
