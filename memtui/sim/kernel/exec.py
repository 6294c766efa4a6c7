"""Models execve(2): fs/exec.c, load_elf_binary() (fs/binfmt_elf.c), map_vdso() (arch/x86/entry/vdso/vma.c), 6.18."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_up
from memtui.model.elf import ElfImage
from memtui.sim.kernel.binfmt_elf import LoadedImage, load_interpreter, load_program, start_brk
from memtui.sim.kernel.brk import brk_region
from memtui.sim.kernel.exec_mm import VDSO_FLAGS, VVAR_FLAGS, exec_mmap, install_special_mapping, setup_stack
from memtui.sim.kernel.exec_stack import (
    ExecOffsets,
    StackLayout,
    StackOffsets,
    StringsTooLong,
    final_argv,
    stack_layout,
)
from memtui.sim.kernel.exit import do_exit
from memtui.sim.kernel.fault import clear_user
from memtui.sim.kernel.file_table import fput, open_inode
from memtui.sim.kernel.fs import Inode
from memtui.sim.kernel.mman import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ
from memtui.sim.kernel.mmap import vm_mmap
from memtui.sim.kernel.munmap import do_munmap
from memtui.sim.kernel.outcome import Errno, Outcome
from memtui.sim.kernel.personality import MMAP_PAGE_ZERO
from memtui.sim.kernel.unmapped_area import Wanted, get_unmapped_area
from memtui.sim.kernel.vm_flags import VM_EXEC

if TYPE_CHECKING:
    from memtui.sim.kernel.kernel import Kernel
    from memtui.sim.kernel.task import Task

COMM_LENGTH: Final = 15
"""TASK_COMM_LEN without the NUL."""


class Program(NamedTuple):
    """What execve is given, once the files are found."""

    filename: bytes
    """As passed to execve."""
    argv: Sequence[bytes]
    """The same."""
    envp: Sequence[bytes]
    image: ElfImage
    file: Inode
    interpreter: ElfImage | None = None
    interpreter_file: Inode | None = None
    offsets: ExecOffsets = ExecOffsets()
    comm: bytes = b""
    """What names the task, if it is not the last part of `filename`."""
    scripts: Sequence[Sequence[bytes]] = ()
    """What took the place of argv[0], for each script that led to the program (`exec_stack.final_argv`)."""


def do_execve(kernel: "Kernel", task: "Task", program: Program) -> Outcome:
    """Replace the task's program; the address space is new, descriptors without O_CLOEXEC stay.

    Returns:
        0; E2BIG with the old program still there; SIGSEGV when a mapping fails later: the task is dead.
    """
    try:
        strings = program.filename, program.argv, program.envp
        layout = arguments_fit(task, *strings, program.scripts, program.offsets.stack)
    except Errno as failure:
        return Outcome(-1, failure.name, failure.why)
    _begin_new_exec(kernel, task, program)
    try:
        setup_stack(kernel, task, layout, executable=program.image.execstack and program.image.gnu_stack)
        loaded, interpreter = _load(kernel, task, program, layout)
    except Errno as failure:
        do_exit(kernel, task)
        return Outcome(-1, "", f"the program cannot be mapped: {failure.why}", "SIGSEGV")
    return Outcome(0, "", _why(program, loaded, interpreter, task))


def arguments_fit(
    task: "Task",
    filename: bytes,
    argv: Sequence[bytes],
    envp: Sequence[bytes],
    scripts: Sequence[Sequence[bytes]] = (),
    offsets: StackOffsets = StackOffsets(),  # noqa: B008 - an immutable value
) -> StackLayout:
    """The stack with the strings of a new program, and with those of the scripts that are known so far.

    Raises:
        Errno: E2BIG.
    """
    try:
        return stack_layout(filename, argv, envp, task.rlimit("STACK"), offsets, scripts)
    except StringsTooLong:
        raise Errno("E2BIG", "the arguments and the environment do not fit") from None


def _begin_new_exec(kernel: "Kernel", task: "Task", program: Program) -> None:
    """The point of no return: other threads, the old mm and close-on-exec descriptors go."""
    for other in [other for other in kernel.tasks.values() if other.tgid == task.tgid and other is not task]:
        do_exit(kernel, other)
    _close_on_exec(kernel, task)
    offsets = program.offsets
    mm = exec_mmap(kernel, task, offsets.mmap_pages, randomize=offsets.randomize)
    mm.exe = program.image.path
    name = program.comm or program.filename.rpartition(b"/")[2]
    task.comm = name[:COMM_LENGTH].decode("utf-8", "surrogateescape")
    task.cmdline = tuple(text.decode("utf-8", "surrogateescape") for text in final_argv(program.argv, program.scripts))


def _close_on_exec(kernel: "Kernel", task: "Task") -> None:
    """unshare_files() and do_close_on_exec()."""
    if task.files.users > 1:
        task.files.users -= 1
        for file in task.files.open.values():
            file.users += 1
        task.files = task.files.copy()
    for fd in task.files.close_on_exec:
        closed = task.files.open.pop(fd, None)
        if closed is not None:
            fput(kernel, closed)
    task.files.close_on_exec.clear()


def _load(
    kernel: "Kernel", task: "Task", program: Program, layout: StackLayout
) -> tuple[LoadedImage, LoadedImage | None]:
    """load_elf_binary() behind setup_arg_pages(): program, interpreter, vdso.

    Raises:
        Errno: a mapping failed.
    """
    mm, offsets = task.mm, program.offsets
    loaded = load_program(program.image, _Mapper(kernel, task, program.file), offsets.image)
    mm.start_code, mm.end_code = loaded.start_code, loaded.end_code
    mm.start_data, mm.end_data = loaded.start_data, loaded.end_data
    interpreter = None
    if program.interpreter is not None and program.interpreter_file is not None:
        interpreter = load_interpreter(program.interpreter, _Mapper(kernel, task, program.interpreter_file))
        mm.base = interpreter.load_bias
    mm.entry = loaded.entry
    _map_vdso(kernel, task)
    # create_elf_tables:
    if not clear_user(kernel, task, layout.start_stack, layout.tables - layout.start_stack):
        raise Errno("EFAULT", "the tables cannot be written: a segment lies there, or the stack may not grow")
    mm.start_brk = start_brk(program.image, loaded)
    if offsets.randomize:
        moved = mm.start_brk != page_up(loaded.end)
        mm.start_brk += offsets.brk + (0 if moved else PAGE_SIZE)
    mm.brk = mm.start_brk
    if task.personality & MMAP_PAGE_ZERO:
        with suppress(Errno):
            vm_mmap(kernel, task, None, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, 0)
    return loaded, interpreter


class _Mapper:
    """The address space of a task and one open file, for `binfmt_elf`."""

    def __init__(self, kernel: "Kernel", task: "Task", inode: Inode) -> None:
        self._kernel = kernel
        self._task = task
        self._file = open_inode(inode, writable=False)

    def vm_mmap(self, addr: int, length: int, prot: int, flags: int, offset: int) -> int:
        if offset % PAGE_SIZE or offset + page_up(length) >= 1 << 64:
            raise Errno("EINVAL", f"{offset:#x} is no offset that can be mapped")
        return vm_mmap(self._kernel, self._task, self._file, addr, length, prot, flags, offset >> PAGE_SHIFT)

    def vm_munmap(self, addr: int, length: int) -> None:
        do_munmap(self._kernel, self._task.mm, addr, length)

    def vm_brk_flags(self, addr: int, length: int, *, executable: bool) -> None:
        if length > TASK_SIZE - addr:
            raise Errno("ENOMEM", f"a bss of {length:#x} bytes at {addr:#x} leaves the address space")
        do_munmap(self._kernel, self._task.mm, addr, length)
        brk_region(self._kernel, self._task, addr, length, VM_EXEC if executable else 0)

    def clear_user(self, addr: int, length: int) -> bool:
        return clear_user(self._kernel, self._task, addr, length)


def _map_vdso(kernel: "Kernel", task: "Task") -> None:
    """map_vdso(): [vvar], [vvar_vclock] and [vdso] as one block where there is room."""
    facts = kernel.facts
    parts = (
        ("[vvar]", facts.vvar_pages, VVAR_FLAGS),
        ("[vvar_vclock]", facts.vvar_vclock_pages, VVAR_FLAGS),
        ("[vdso]", facts.vdso_pages, VDSO_FLAGS),
    )
    total = sum(pages for _, pages, _ in parts)
    if not facts.vdso_pages:
        return
    at = get_unmapped_area(kernel, task, Wanted(0, total << PAGE_SHIFT))
    for name, pages, flags in parts:
        if pages:
            install_special_mapping(kernel, task, at, pages, flags, name)
        at += pages << PAGE_SHIFT


def _why(program: Program, loaded: LoadedImage, interpreter: LoadedImage | None, task: "Task") -> str:
    count = len(program.image.loads)
    parts = [f"the old address space is gone; {count} segments of {program.image.path} from {loaded.load_bias:#x}"]
    if interpreter is not None and program.interpreter is not None:
        parts.append(f"its interpreter at {interpreter.load_bias:#x}")
    parts.append(f"the break starts at {task.mm.start_brk:#x}")
    return ", ".join(parts)
