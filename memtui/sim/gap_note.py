"""What a step says of memory that fills a gap: no log tells whether its program wrote to what is on both sides."""

from memtui.sim.kernel.vm_flags import VM_SHARED, VM_WRITE
from memtui.sim.process import Process
from memtui.sim.syscall_table import numbers
from memtui.sim.world import Effect, World
from memtui.trace.line import Call

NOTE = (
    "it fills the gap between two VMAs, and the three are one now; had both been written to before, each would have an "
    "anon_vma of its own, and two VMAs would stay: that the log does not tell"
)


def gap_note(world: World, process: Process, call: Call, effect: Effect) -> str:
    """A sentence, if what has just been mapped joined what lies below and above it; else ""."""
    if not world.recorded or call.name != "mmap" or effect.errno or effect.value is None:
        return ""
    vma = process.task.mm.tree.find(effect.value)
    length = numbers(call, 2, world.variables)[1]
    if vma is None or vma.file is not None or vma.anon_vma or vma.flags & (VM_WRITE | VM_SHARED) != VM_WRITE:
        return ""
    return NOTE if vma.start < effect.value and effect.value + length < vma.end else ""
