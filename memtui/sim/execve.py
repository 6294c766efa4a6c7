"""The step execve: finds the program's files on the host and lets the kernel map them."""

from memtui.model.address import page_down, page_up
from memtui.model.elf import PF_R, PF_W, PF_X, ElfImage, Segment
from memtui.model.event import Event, EventKind
from memtui.sim.descriptor_calls import move_descriptor
from memtui.sim.kernel.exec import Program, do_execve
from memtui.sim.kernel.exec_mm import exec_mmap
from memtui.sim.kernel.exit import do_exit
from memtui.sim.kernel.file import AT_FDCWD
from memtui.sim.kernel.outcome import Errno
from memtui.sim.process import Process
from memtui.sim.programs import ContentsUnknown, Exec, find_program
from memtui.sim.syscall_table import ULONG_MAX
from memtui.sim.world import Effect, World
from memtui.trace.constants import value_of
from memtui.trace.environment import ENVP
from memtui.trace.line import Arg, Array, Call, Fd, Number, Text


def handler(world: World, process: Process, call: Call) -> Effect:
    """execve(path, argv, envp), execveat(dirfd, path, argv, envp, flags).

    A path that the host does not have is ENOENT; but if the log says that it succeeded, the program ran on another
    machine, and nothing is known of its mappings.
    """
    if call.result is not None and call.result.errno:
        return Effect(-1, call.result.errno, "as recorded: the old program goes on", recorded=True)
    if isinstance(named := _path(call), Number) and named.value and call.result is not None:
        return _unknown(world, process, call, "the log does not tell the name of the program: its mappings are unknown")
    asked = _arguments(world, call)
    try:
        program = find_program(world, process, asked)
    except Errno as failure:
        return _missing(world, process, call, asked.filename, failure)
    except ContentsUnknown as problem:
        return _unknown(world, process, call, f"{problem}: its mappings are unknown")
    if program is None:
        return Effect(0, "", "AT_EXECVE_CHECK: it could be executed, and nothing is")
    outcome = do_execve(world.kernel, process.task, program)
    if outcome.signal:
        world.end(process, f"was killed by {outcome.signal}: {outcome.why}")
        events = (Event(EventKind.SIGNAL, f"{outcome.signal}: {outcome.why}"),)
        return Effect(None, why=outcome.why, events=events)
    if outcome.errno:
        return Effect(outcome.value, outcome.errno, outcome.why)
    world.end_exited(f"went when thread {process.pid} called execve, which goes on under its own number here")
    process.start_program(program)
    return Effect(outcome.value, "", outcome.why, _notes(world, program, call), _mappings(process, program))


def _path(call: Call) -> Arg | None:
    place = ENVP[call.name] - 2
    return call.args[place] if len(call.args) > place else None


def _arguments(world: World, call: Call) -> Exec:
    args, dirfd, flags, directory = call.args, AT_FDCWD, 0, ""
    if call.name == "execveat":
        first, args = args[:1], args[1:]
        dirfd = value_of(first[0], world.variables) if first else AT_FDCWD
        directory = first[0].path if first and isinstance(first[0], Fd) else ""
        flags = value_of(args[3], world.variables) if len(args) > 3 else 0
    filename = args[0].value if args and isinstance(args[0], Text) else b""
    argv, envp = (_strings(args[index]) if index < len(args) else () for index in (1, 2))
    return Exec(filename, argv, envp, dirfd, flags, directory)


def _mappings(process: Process, program: Program) -> tuple[str, ...]:
    """What execve mapped, in the order in which it did: a line a segment, then what comes without one."""
    mm = process.task.mm
    bias = mm.entry - program.image.entry
    lines = [_segment(load, bias, program.image) for load in program.image.loads]
    if program.interpreter is not None:
        lines += [_segment(load, mm.base, program.interpreter) for load in program.interpreter.loads]
    special = [vma for vma in mm.tree if vma.name or vma.start <= mm.start_stack < vma.end]
    return (*lines, *(f"{vma.start:x}-{vma.end:x} {vma.name or '[stack]'}" for vma in special))


def _segment(load: Segment, bias: int, image: ElfImage) -> str:
    rights = "".join(letter if load.flags & flag else "-" for letter, flag in (("r", PF_R), ("w", PF_W), ("x", PF_X)))
    start = page_down(bias + load.vaddr) & ULONG_MAX
    end = page_up(bias + load.vaddr + load.memsz) & ULONG_MAX
    bss = f", {load.memsz - load.filesz} more of bss" if load.memsz > load.filesz else ""
    name = image.path.rpartition("/")[2]
    return f"{start:x}-{end:x} {rights} PT_LOAD of {name}: {load.filesz} bytes from {load.offset:#x}{bss}"


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _missing(world: World, process: Process, call: Call, filename: bytes, failure: Errno) -> Effect:
    if call.result is None:
        return Effect(-1, failure.name, failure.why)
    reason = "is not on this machine" if failure.name == "ENOENT" else "is no program that this machine can read"
    text = f"the program {_decode(filename)} {reason}: its mappings are unknown"
    return _unknown(world, process, call, text)


def _unknown(world: World, process: Process, call: Call, text: str) -> Effect:
    """Of a program that ran, the log tells what it mapped itself; what exec mapped is not known."""
    if call.result is not None and call.result.value == 0:
        task = process.task
        for other in [other for other in world.kernel.tasks.values() if other.tgid == task.tgid and other is not task]:
            do_exit(world.kernel, other)
        for fd in task.files.close_on_exec & task.files.open.keys():
            move_descriptor(world, process, fd, None)
        exec_mmap(world.kernel, task)
        world.lay_out(task)
        process.start_program(None)
    process.missing = text
    return Effect(None, why=text, events=(Event(EventKind.NO_EFFECT, text),), recorded=True)


def _strings(arg: Arg) -> tuple[bytes, ...]:
    """The strings of argv or envp, as far as the trace has them."""
    if not isinstance(arg, Array):
        return ()
    return tuple(item.value for item in arg.items if isinstance(item, Text))


def _notes(world: World, program: Program, call: Call) -> tuple[Event, ...]:
    """What the trace leaves open."""
    texts = []
    place = ENVP[call.name]
    envp = call.args[place] if len(call.args) > place else None
    if isinstance(envp, Number) and envp.value:
        texts.append("the trace does not tell the environment; the stack is that of an empty one")
    arrays = [arg for arg in call.args if isinstance(arg, Array)]
    if any(isinstance(item, Text) and item.truncated for array in arrays for item in array.items):
        texts.append("the trace cuts strings of argv or the environment: the stack is that of the shorter ones")
    if program.image.set_id and world.aslr is None:
        texts.append("the program is set-uid or set-gid: the kernel always randomizes its addresses, here it does not")
    return tuple(Event(EventKind.NOTE, text) for text in texts)
