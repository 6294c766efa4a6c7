"""Bytes of a trace file to text."""

from memtui.model.errors import ParseError


def decode(data: bytes, file: str) -> str:
    """The text of a trace file.

    Args:
        data: the whole file.
        file: its name, for the error.

    Raises:
        ParseError: empty, binary (NUL bytes) or not UTF-8.
    """
    if not data:
        raise ParseError("the file is empty", file=file)
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
