"""Models fs/exec.c, create_elf_tables() of fs/binfmt_elf.c and arch/x86/mm/mmap.c (6.18): what exec puts where."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from memtui.model.address import PAGE_SIZE, TASK_SIZE, page_down, page_up
from memtui.sim.kernel.task import RLIM_INFINITY

STACK_TOP: Final = TASK_SIZE
STACK_EXPAND: Final = 128 << 10
"""Bytes that setup_arg_pages() adds below the strings."""
STACK_GUARD_GAP: Final = 256 * PAGE_SIZE
MIN_GAP: Final = 128 << 20
MAX_ARG_STRLEN: Final = 32 * PAGE_SIZE
"""Bytes of one string, its NUL included."""
PLATFORM: Final = b"x86_64\0"
RANDOM_BYTES: Final = 16
"""What AT_RANDOM points to."""
AUXV_ENTRIES: Final = 23
"""Pairs of words in the auxiliary vector of an x86-64 process on 6.18, AT_NULL included."""


class StringsTooLong(Exception):
    """execve fails with E2BIG."""


class StackLayout(NamedTuple):
    """Where exec puts the stack; all in bytes."""

    start: int
    """vm_start after setup_arg_pages()."""
    end: int
    """vm_end."""
    start_stack: int
    """mm->start_stack: the stack pointer of the first user instruction."""
    strings: int
    """The lowest byte of a string that was ever copied: of a script also one that was taken away again."""
    tables: int
    """Behind what create_elf_tables() writes from start_stack on."""


class StackOffsets(NamedTuple):
    """What randomization adds, bytes. All zero: ASLR is off."""

    top: int = 0
    """Taken off STACK_TOP: whole pages, 22 bits of them (randomize_stack_top)."""
    pointer: int = 0
    """Taken off the stack pointer between the strings and the tables: below 8 KiB (arch_align_stack)."""


class ExecOffsets(NamedTuple):
    """All that randomization adds to one program. All zero and False: ASLR is off."""

    randomize: bool = False
    """PF_RANDOMIZE, with randomize_va_space = 2."""
    mmap_pages: int = 0
    """Taken off mmap_base, pages."""
    image: int = 0
    """Added to the base of a position-independent program, bytes in whole pages."""
    stack: StackOffsets = StackOffsets()
    brk: int = 0
    """Added to the start of the break, bytes in whole pages."""


def mmap_base(stack_limit: int, rnd_pages: int = 0, *, randomize: bool = False) -> int:
    """The first byte above the highest mapping that has no hint (arch/x86/mm/mmap.c, mmap_base).

    Args:
        stack_limit: soft RLIMIT_STACK at exec, bytes; negative: unlimited.
        rnd_pages: random offset, pages (28 bits of them).
        randomize: whether room is left for a randomized stack.
    """
    pad = (0x3FFFFF * PAGE_SIZE if randomize else 0) + STACK_GUARD_GAP
    gap = RLIM_INFINITY if stack_limit < 0 else stack_limit
    if gap + pad <= RLIM_INFINITY:
        gap += pad
    gap = min(max(gap, MIN_GAP), TASK_SIZE // 6 * 5)
    return page_up(TASK_SIZE - gap - rnd_pages * PAGE_SIZE)


def argument_limit(stack_limit: int) -> int:
    """Bytes that the strings and pointers of argv and envp may take (bprm_stack_limits)."""
    return max(min(6 << 20, stack_limit // 4), 128 << 10)


def final_argv(argv: Sequence[bytes], scripts: Sequence[Sequence[bytes]]) -> tuple[bytes, ...]:
    """Argv as the program gets it.

    Args:
        argv: as passed to execve; an empty one gets one empty string (since 5.18).
        scripts: for each script that leads to the program, outermost first, what takes the place of argv[0].
    """
    arguments = tuple(argv) or (b"",)
    for inserted in scripts:
        arguments = (*inserted, *arguments[1:])
    return arguments


def stack_layout(
    filename: bytes,
    argv: Sequence[bytes],
    envp: Sequence[bytes],
    stack_limit: int,
    offsets: StackOffsets = StackOffsets(),  # noqa: B008 - an immutable value
    scripts: Sequence[Sequence[bytes]] = (),
) -> StackLayout:
    """The stack of a program that was just started.

    Args:
        filename: as passed to execve.
        argv: without the trailing NULL; as passed to execve.
        envp: the same.
        stack_limit: soft RLIMIT_STACK, bytes.
        offsets: what ASLR adds.
        scripts: as for `final_argv`.

    Raises:
        StringsTooLong: E2BIG.
    """
    room = argument_limit(stack_limit) - (max(len(argv), 1) + len(envp)) * 8
    arguments = tuple(argv) or (b"",)
    copied = deepest = _copied(0, (filename, *envp, *arguments), room)
    for inserted in scripts:
        copied = _copied(copied - len(arguments[0]) - 1, inserted, room)
        deepest = max(deepest, copied)
        arguments = final_argv(arguments, [inserted])
    end = page_up(STACK_TOP) - offsets.top
    strings = end - 8 - deepest
    used = end - page_down(strings)
    if used > max(stack_limit, PAGE_SIZE):  # the stack cannot grow over the strings; its first page is there
        raise StringsTooLong
    size = max(used, min(page_down(stack_limit), used + STACK_EXPAND))
    tables = (end - 8 - copied - offsets.pointer) & ~0xF
    return StackLayout(end - size, end, _start_stack(tables, len(arguments), len(envp)), strings, tables)


def _copied(copied: int, texts: Sequence[bytes], room: int) -> int:
    """Bytes of strings after these were copied too (copy_string_kernel)."""
    if any(len(text) >= MAX_ARG_STRLEN for text in texts):
        raise StringsTooLong
    copied += sum(len(text) + 1 for text in texts)
    if copied > room:
        raise StringsTooLong
    return copied


def _start_stack(tables: int, argc: int, envc: int) -> int:
    """The stack pointer after create_elf_tables()."""
    p = tables - len(PLATFORM) - RANDOM_BYTES - AUXV_ENTRIES * 16
    return (p - (argc + 1 + envc + 1 + 1) * 8) & ~0xF
