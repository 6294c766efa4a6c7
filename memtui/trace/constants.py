"""Names of bits and errors on x86-64: what a trace may say for a number."""

from collections.abc import Mapping

from memtui.trace.line import Arg

CONSTANTS: Mapping[str, int] = {}
"""PROT_READ -> 1 and so on."""
ERRNO_NUMBERS: Mapping[str, int] = {}
"""ENOMEM -> 12."""
ERRNO_MESSAGES: Mapping[str, str] = {}
"""ENOMEM -> "Cannot allocate memory", as strace prints it."""


def errno_name(number: int) -> str:
    """12 -> "ENOMEM"; the sign does not matter. ERRNO_<n> if it has no name."""
    raise NotImplementedError


def value_of(arg: Arg, env: Mapping[str, int]) -> int:
    """The number that an argument stands for.

    Args:
        arg: Number, Flags, Fd, Variable, or a Keyword whose value is one of these.
        env: bound name -> value (an address, mostly).

    Raises:
        ParseError: a name that is neither a constant nor bound, or an argument that is no number.
    """
    raise NotImplementedError
