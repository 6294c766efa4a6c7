"""The step execve: finds the program's files on the host and lets the kernel map them."""

from typing import Final

from memtui.model.address import page_down, page_up
from memtui.model.elf import PF_R, PF_W, PF_X, ElfImage, Segment
from memtui.model.event import Event, EventKind
from memtui.sim.kernel.exec import Program, do_execve
from memtui.sim.kernel.exec_stack import ExecOffsets
from memtui.sim.kernel.outcome import Outcome
from memtui.sim.paths import joined
from memtui.sim.process import Process
from memtui.sim.syscall_table import ULONG_MAX
from memtui.sim.world import Effect, World
from memtui.trace.line import Arg, Array, Call, Number, Text

NO_OFFSETS: Final = ExecOffsets()
_EHDR: Final = 64
"""sizeof(Elf64_Ehdr)."""
_NO_INTERPRETER: Final = {
    "ENOENT": "this machine does not have it",
    "EACCES": "it is no file that can be executed",
    "EIO": "it is too short",
    "ELIBBAD": "it is no x86-64 ELF file",
}
SCRIPT_LEVELS: Final = 5
"""Scripts that may run one another (exec_binprm, fs/exec.c)."""


def handler(world: World, process: Process, call: Call) -> Effect:
    """execve(path, argv, envp).

    A path that the host does not have is ENOENT; but if the log says that it succeeded, the program ran on another
    machine, and nothing is known of its mappings.
    """
    filename = call.args[0].value if call.args and isinstance(call.args[0], Text) else b""
    if call.result is not None and call.result.errno:
        return Effect(-1, call.result.errno, "as recorded: the old program goes on", recorded=True)
    program = _program(world, process, filename, call)
    if isinstance(program, Outcome):
        return _missing(process, call, filename, program)
    outcome = do_execve(world.kernel, process.task, program)
    if outcome.signal:
        world.end(process, f"was killed by {outcome.signal}: {outcome.why}")
        events = (Event(EventKind.SIGNAL, f"{outcome.signal}: {outcome.why}"),)
        return Effect(None, why=outcome.why, events=events)
    if outcome.errno:
        return Effect(outcome.value, outcome.errno, outcome.why)
    process.start_program(program)
    return Effect(outcome.value, "", outcome.why, _notes(world, program, call), _mappings(process, program))


def _program(world: World, process: Process, filename: bytes, call: Call) -> Program | Outcome:
    """What is to be started, or why it cannot be."""
    argv, envp = (_strings(call.args[index]) if index < len(call.args) else () for index in (1, 2))
    path, argv = _without_scripts(world, joined(process.directory, filename), argv)
    image, file = world.host.elf(path), world.inode(path)
    if file is None:
        return Outcome(-1, "ENOENT", f"ENOENT: there is no {path} on this machine")
    if image is None:
        return Outcome(-1, "ENOEXEC", f"ENOEXEC: {path} is no x86-64 program")
    if image.interp_errno:
        return Outcome(-1, image.interp_errno, f"{image.interp_errno}: {path} names no interpreter that can be read")
    interpreter = interpreter_file = None
    if image.interp is not None:
        interpreter_file = world.inode(image.interp)
        interpreter = world.host.elf(image.interp)
        failure = _interpreter_failure(world, image.interp)
        if interpreter_file is None or interpreter is None or failure:
            errno = failure or "ELIBBAD"
            return Outcome(-1, errno, f"{errno}: {path} needs {image.interp}: {_NO_INTERPRETER[errno]}")
    offsets = world.aslr.offsets() if world.aslr is not None else NO_OFFSETS
    return Program(filename, argv, envp, image, file, interpreter, interpreter_file, offsets)


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


def _interpreter_failure(world: World, path: str) -> str:
    """Why open_exec() refuses the interpreter, or "" (do_open_execat, fs/exec.c); an empty path is the folder."""
    facts = world.host.file(path or ".")
    if facts is None:
        return "ENOENT"
    if facts.is_dir or not facts.mode & 0o111:
        return "EACCES"
    return "EIO" if facts.size < _EHDR else ""


def _without_scripts(world: World, filename: bytes, argv: tuple[bytes, ...]) -> tuple[str, tuple[bytes, ...]]:
    """load_script(), fs/binfmt_script.c: the program that runs a script, and the arguments that it gets."""
    path = _decode(filename)
    for _ in range(SCRIPT_LEVELS):
        facts = world.host.file(path)
        if facts is None or not facts.script:
            break
        interpreter, _blank, argument = facts.script.partition(" ")
        inserted = [interpreter, argument.strip(), path] if argument.strip() else [interpreter, path]
        argv = (*(text.encode("utf-8", "surrogateescape") for text in inserted), *argv[1:])
        path = interpreter
    return path, argv


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _missing(process: Process, call: Call, filename: bytes, outcome: Outcome) -> Effect:
    if call.result is None:
        return Effect(outcome.value, outcome.errno, outcome.why)
    reason = "is not on this machine" if outcome.errno == "ENOENT" else "is no program that this machine can read"
    text = f"the program {_decode(filename)} {reason}: its mappings are unknown"
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
    envp = call.args[2] if len(call.args) > 2 else None
    if isinstance(envp, Number) and envp.value:
        texts.append("the trace does not tell the environment; the stack is that of an empty one")
    if program.image.set_id and world.aslr is None:
        texts.append("the program is set-uid or set-gid: the kernel always randomizes its addresses, here it does not")
    return tuple(Event(EventKind.NOTE, text) for text in texts)
