"""Messages of the dynamic linker (elf/dl-misc.c, glibc 2.36): one writev, a part for each piece of the format."""

from typing import Final

from memtui.sim.userspace.ld_so.errors import LoadError

FATAL: Final = "error while loading shared libraries"
ERRORS: Final = {
    1: "Operation not permitted",
    2: "No such file or directory",
    12: "Cannot allocate memory",
    13: "Permission denied",
    22: "Invalid argument",
}
"""The errnos whose text ld.so's own strerror_r() knows (elf/dl-minimal.c)."""


def fatal(program: str, error: LoadError) -> list[str]:
    """fatal_error() of elf/dl-error-skeleton.c."""
    text = [program, ": ", FATAL, ": ", error.name, ": " if error.name else "", error.text]
    if error.errno:
        return [*text, ": ", ERRORS.get(error.errno, f"Error {error.errno}"), "\n"]
    return [*text, "", "", "\n"]
