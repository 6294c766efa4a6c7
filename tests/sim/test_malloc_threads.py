"""Threads of a trace allocate from arenas of their own; which glibc it is, the machine says."""

from memtui.model.request import Seek

ENDING = 1 << 62

CLONE = "clone(child_stack=NULL, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) = 42"


def blocks(simulate, *lines: str) -> list[int]:
    """What a, b and c are bound to in the end."""
    source = simulate("\n".join(lines))
    source.apply(Seek(ENDING))
    variables = source._machine.world.variables
    return [variables[name] for name in ("a", "b", "c") if name in variables]


def test_a_thread_gets_an_arena_and_leaves_it(simulate):
    first, thread, again = blocks(
        simulate,
        'machine(glibc="2.36")',
        "a = malloc(100)",
        CLONE,
        "[pid 42] b = malloc(100)",
        "[pid 42] exit(0)",
        "c = malloc(100)",
    )
    assert thread & 0x3FF_FFFF == 0xB70
    assert again == first + 112


def test_a_child_of_vfork_allocates_as_its_parent(simulate):
    lines = ("a = malloc(100)", "vfork() = 43", "[pid 43] b = malloc(100)", "c = malloc(100)")
    first, child, again = blocks(simulate, *lines)
    assert [child, again] == [first + 112, first + 224]


def test_a_child_of_fork_has_a_copy(simulate):
    lines = ("a = malloc(100)", "fork() = 43", "[pid 43] b = malloc(100)", "c = malloc(100)")
    _, child, again = blocks(simulate, *lines)
    assert child == again


def test_the_machine_states_the_glibc(simulate):
    found = [
        blocks(simulate, f'machine(glibc="{version}")', "a = malloc(100)")[0] & 0xFFF
        for version in ("2.23", "2.31", "2.42")
    ]
    assert found == [0x10, 0x2A0, 0x310]
