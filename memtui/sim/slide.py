"""Logs with addresses that depend on what they do not tell, such as ASLR: one tells by how much its kind was moved.

Nothing is taken from a log before the prediction failed: the first difference counts as one, and the address space
is then moved to where the log has it, so that what follows is predicted again.
"""

from typing import Final

from memtui.model.address import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, page_down, page_up
from memtui.sim.kernel.brk import sys_brk
from memtui.sim.kernel.exec import do_execve
from memtui.sim.kernel.mman import MAP_FIXED, MAP_FIXED_NOREPLACE, MREMAP_FIXED, MREMAP_MAYMOVE
from memtui.sim.kernel.mremap import sys_mremap
from memtui.sim.process import Process
from memtui.sim.world import World

MMAP_RANGE: Final = (1 << 28) * PAGE_SIZE + 0x3FFFFF * PAGE_SIZE
"""How far ASLR can move mmap_base down: 28 bits of pages, and the room for a moved stack."""


def slide_mappings(world: World, process: Process, args: list[int], predicted: int, recorded: int) -> str:
    """Move what exec mapped top-down, if this is the program's first mapping and went to a random place.

    Args:
        world: the machine.
        process: did nothing to its address space since exec but this mmap.
        args: of the mmap.
        predicted: its address, bytes.
        recorded: the log's.

    Returns:
        What was done, in a sentence; "" if this is not such a mapping.
    """
    distance = predicted - recorded
    program = process.program
    if process.settled or program is None or args[0] or args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        return ""
    if distance % PAGE_SIZE or not 0 < distance < min(MMAP_RANGE, TASK_SIZE):
        return ""
    start_brk, brk = process.task.mm.start_brk, process.task.mm.brk
    offsets = program.offsets._replace(mmap_pages=program.offsets.mmap_pages + (distance >> PAGE_SHIFT))
    do_execve(world.kernel, process.task, program._replace(offsets=offsets))
    process.task.mm.start_brk, process.task.mm.brk = start_brk, brk
    return f"the log was made with ASLR: its mappings lie {distance:#x} lower, and the simulated ones move there"


def slide_program(world: World, process: Process, start: int, length: int) -> str:
    """Move the program's own segments, if [start, start + length) is its RELRO part at a random place.

    Args:
        world: the machine.
        process: whose log calls mprotect on a range where nothing is mapped.
        start: the range, bytes.
        length: bytes.

    Returns:
        What was done, in a sentence; "" if this is not such a range.
    """
    program, mm = process.program, process.task.mm
    if program is None or program.image.relro is None:
        return ""
    vaddr, memsz = program.image.relro
    low, high = page_down(vaddr), page_down(vaddr + memsz)
    last = max(load.vaddr + load.memsz for load in program.image.loads)
    bias = page_down(mm.start_code) - page_down(min(load.vaddr for load in program.image.loads if load.flags & 1))
    distance = start - low - bias
    if high - low != length or not distance:
        return ""
    _move(world, process, bias, bias + page_up(last), distance)
    return f"the log was made with ASLR: the program lies {distance:#x} higher, and the simulated one moves there"


def slide_heap(world: World, process: Process, predicted: int, recorded: int) -> str:
    """Move the heap, if the first pointer of an ltrace log tells where it is: of the program nothing else is known.

    Args:
        world: the machine.
        process: whose allocator has just given its first block.
        predicted: the block, bytes.
        recorded: the log's.

    Returns:
        What was done, in a sentence; the allocator is to be asked again then. "" if this is not such a block.
    """
    mm, distance = process.task.mm, recorded - predicted
    if process.blocks.version != 1 or not mm.start_brk <= predicted < mm.brk or distance % PAGE_SIZE:
        return ""
    if not 0 < mm.start_brk + distance < TASK_SIZE:
        return ""
    sys_brk(world.kernel, process.task, mm.start_brk)
    mm.start_brk = mm.brk = mm.start_brk + distance
    process.forget_heap()
    return f"the log does not tell where the heap begins: its first block lies {distance:#x} higher, and the heap moves"


def slide_base(world: World, process: Process, args: list[int], predicted: int, recorded: int) -> str:
    """Let mappings go to where the first one did, of a program of which the log does not tell what else it has mapped.

    Args:
        world: the machine.
        process: whose mmap was predicted elsewhere.
        args: of the mmap.
        predicted: its address, bytes.
        recorded: the log's.

    Returns:
        What was done, in a sentence; the mmap is to be made again then. "" if this is not such a mapping.
    """
    distance = predicted - recorded
    known = process.program is not None or process.settled or process.mapped_slid
    if known or args[0] or args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        return ""
    if distance % PAGE_SIZE or not 0 < distance < MMAP_RANGE:
        return ""
    process.mapped_slid = True
    process.task.mm.mmap_base = recorded + page_up(args[1])
    return f"the log does not tell what lies above its first mapping: it lies {distance:#x} lower, and so do the next"


def slide_mapped(world: World, process: Process, predicted: int, recorded: int) -> str:
    """Move the first block with a mapping of its own, and where all others will go.

    Args:
        world: the machine.
        process: of which an ltrace log does not tell which program it runs, and so neither what its libraries take.
        predicted: the block, bytes.
        recorded: the log's.

    Returns:
        What was done, in a sentence; "" if this is not such a block.
    """
    distance = predicted - recorded
    if process.program is not None or process.mapped_slid or distance % PAGE_SIZE or not 0 < distance < MMAP_RANGE:
        return ""
    mapping = process.allocator.moved(predicted, -distance)
    if mapping is None:
        return ""
    process.mapped_slid = True
    process.blocks.moved(predicted, recorded)
    start, length = mapping
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    sys_mremap(world.kernel, process.task, start, length, length, flags, start - distance)
    process.task.mm.mmap_base = start - distance + length
    return f"the log does not tell what lies above its first mapping: it lies {distance:#x} lower, and so do the next"


def _move(world: World, process: Process, start: int, end: int, distance: int) -> None:
    """Move every VMA of [start, end) up; what is in the way there is not unmapped twice."""
    mm = process.task.mm
    vmas = mm.tree.span(start, end)
    for vma in reversed(vmas) if distance > 0 else vmas:
        size = vma.end - vma.start
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        sys_mremap(world.kernel, process.task, vma.start, size, size, flags, vma.start + distance)
    mm.start_code += distance
    mm.end_code += distance
    mm.start_data += distance
    mm.end_data += distance
