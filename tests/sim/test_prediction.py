"""Recorded results against predicted ones, and how a log goes on after a difference."""

from memtui.draw.trace_text import trace_text
from memtui.model.event import EventKind
from memtui.model.snapshot import Snapshot

START = 'execve("/demo/hello", ["hello"], 0x7ffd /* 1 var */) = 0\n'
RW = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


def divergences(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Recorded and predicted result of each difference."""
    assert snapshot.steps is not None
    events = [event for step in snapshot.steps.steps for event in step.events]
    found = [(event.expected, event.predicted) for event in events if event.kind is EventKind.DIVERGENCE]
    assert len(found) == snapshot.steps.divergences
    return found


def areas(snapshot: Snapshot) -> list[tuple[int, int]]:
    """The private anonymous VMAs that no label names."""
    assert snapshot.mm is not None
    return [(vma.start, vma.end) for vma in snapshot.mm.vmas if not vma.name]


def test_what_was_recorded_as_predicted_is_no_difference(end):
    log = START + f"brk(NULL) = 0x555555559000\nmmap(NULL, 8192, {RW}) = 0x7ffff7fc0000\n"
    snapshot = end(log)
    assert divergences(snapshot) == []
    assert trace_text(snapshot.steps) == log


def test_the_step_prints_the_prediction_and_the_mapping_goes_where_it_was_recorded(end):
    snapshot = end(
        f"{START}mmap(NULL, 4096, {RW}) = 0x7ffff7fc1000\nmmap(NULL, 8192, {RW}) = 0x7ffff0000000\n"
        f"mmap(NULL, 8192, {RW}) = 0x7ffff7fbf000\nmunmap(0x7ffff0000000, 4096) = 0\n"
    )
    assert divergences(snapshot) == [("0x7ffff0000000", "0x7ffff7fbf000")]
    assert snapshot.steps.steps[2].text.endswith("= 0x7ffff7fbf000")
    assert areas(snapshot) == [(0x7FFFF0001000, 0x7FFFF0002000), (0x7FFFF7FBF000, 0x7FFFF7FC2000)]


def test_a_recorded_failure_is_not_done(end):
    snapshot = end(
        f"{START}mmap(NULL, 4096, {RW}) = -1 ENOMEM (Cannot allocate memory)\nbrk(0x55555557a000) = 0x555555559000\n"
    )
    assert divergences(snapshot) == [
        ("-1 ENOMEM (Cannot allocate memory)", "0x7ffff7fc1000"),
        ("0x555555559000", "0x55555557a000"),
    ]
    assert areas(snapshot) == []
    assert snapshot.mm.brk == 0x555555559000


def test_a_recorded_success_is_done(end):
    snapshot = end(
        f"{START}mmap(0x10000000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000\n"
        "mmap(0x10000000, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED_NOREPLACE|MAP_ANONYMOUS, -1, 0) = 0x10000000\n"
        "mremap(0x10000000, 8192, 8192, MREMAP_MAYMOVE) = 0x20000000\n"
    )
    assert [expected for expected, _ in divergences(snapshot)] == ["0x10000000", "0x20000000"]
    assert areas(snapshot) == [(0x20000000, 0x20002000)]


def test_an_attach_goes_where_it_was_recorded(end):
    snapshot = end(
        f"{START}shmget(IPC_PRIVATE, 4096, IPC_CREAT|0600) = 77\nshmat(77, NULL, 0) = 0x7ffff0000000\n"
        "shmctl(77, IPC_RMID, NULL) = 0\nshmdt(0x7ffff0000000) = 0\n"
    )
    assert divergences(snapshot) == [("0x7ffff0000000", "0x7ffff7fc1000")]
    assert snapshot.system.meminfo["Committed_AS"] == 39 * 4


def test_segments_whose_ids_no_result_tells_are_named_in_the_order_of_their_making(end):
    flags = "IPC_CREAT|0600"
    told = end(
        f"1 shmget(IPC_PRIVATE, 4096, {flags}) = 70\n1 shmget(IPC_PRIVATE, 8192, {flags}) = 71\n"
        "1 shmat(71, NULL, 0) = 0x7ffff0000000\n1 shmat(70, NULL, 0) = 0x7ffff0000000\n"
    )
    untold = end(
        f"1 shmget(IPC_PRIVATE, 4096, {flags})\n1 shmat(70, NULL, 0)\n1 shmctl(70, IPC_RMID, NULL)\n"
        f"1 shmget(IPC_PRIVATE, 8192, {flags})\n1 shmat(71, NULL, 0)\n1 exit(0)\n"
    )
    assert untold.steps.without_effect == 0
    assert [step.text.split()[-1] for step in untold.steps.steps[1::3]] == ["0x7ffff7ffe000", "0x7ffff7ffc000"]
    assert len(divergences(told)) == 2


def test_pointers_of_a_log_are_names_for_the_simulated_ones(end):
    snapshot = end(
        f"{START}malloc(100) = 0x5555555592a0\nmalloc(100) = 0x5622aaaa0010\nmalloc(10) = 0x555555559380\n"
        "free(0x5622aaaa0010) = <void>\nmalloc(100) = 0x5622aaaa0010\nrealloc(0x5622aaaa0010, 200) = 0x5622aaaa0080\n"
        "free(0x123450) = <void>\n"
    )
    assert [expected for expected, _ in divergences(snapshot)] == ["0x5622aaaa0010"] * 2 + ["0x5622aaaa0080"]
    assert snapshot.steps.steps[4].why.startswith("into the tcache")
    assert snapshot.steps.steps[-1].events[0].kind is EventKind.NO_EFFECT
    assert snapshot.mm is not None


def test_results_that_depend_on_files_are_taken_from_the_log(end):
    snapshot = end(
        f'{START}socket(AF_UNIX, SOCK_STREAM, 0) = 3\nopenat(AT_FDCWD, "/nowhere/lib.so", O_RDONLY|O_CLOEXEC) = 4\n'
        'read(4, "\\177ELF"..., 832) = 832\nopen("/demo/hello", O_RDONLY) = -1 EACCES (Permission denied)\n'
        "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_DENYWRITE, 4, 0) = 0x7ffff7fc0000\nclose(4) = 0\nclose(3) = 0\n"
    )
    assert divergences(snapshot) == []
    assert [vma.name for vma in snapshot.mm.vmas if vma.start == 0x7FFFF7FC0000] == ["/nowhere/lib.so"]
    results = [step.text.partition(" = ")[2].split(" (")[0] for step in snapshot.steps.steps[1:]]
    assert results == ["3", "4", "832", "-1 EACCES", "0x7ffff7fc0000", "0", "0"]


def test_children_have_the_pids_of_the_log(end):
    snapshot = end(
        f"50    {START}"
        "50    clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>\n"
        f"77    mmap(NULL, 4096, {RW}) = 0x7ffff7fc1000\n"
        "50    <... clone resumed>, child_tidptr=0x7ffff7d9ea10) = 77\n"
        f"50    mmap(NULL, 8192, {RW}) = 0x7ffff7fc0000\n77    exit_group(0) = ?\n77    +++ exited with 0 +++\n"
        "50    --- SIGCHLD {si_signo=SIGCHLD, si_pid=77} ---\n50    +++ killed by SIGKILL +++\n"
    )
    assert divergences(snapshot) == []
    assert [step.pid for step in snapshot.steps.steps] == [50, 77, 50, 50, 77, 77, 50, 50]
    assert snapshot.tasks == ()
    assert snapshot.unknown["mm"] == "process 50 killed by SIGKILL"


def test_one_address_of_a_log_with_aslr_tells_the_others(end):
    """Every address of a log without ASLR, moved: the mappings down, the program up, the break further up."""
    down, up, brk = 0x123456000, 0xABCDE000, 0xABCDE000 + 0x777000
    snapshot = end(
        f"{START}brk(NULL) = {0x555555559000 + brk:#x}\nmmap(NULL, 8192, {RW}) = {0x7FFFF7FC0000 - down:#x}\n"
        f"mmap(NULL, 4096, {RW}) = {0x7FFFF7FBF000 - down:#x}\n"
        f"mprotect({0x555555557000 + up:#x}, 4096, PROT_READ) = 0\n"
        f"mprotect({0x7FFFF7FFB000 - down:#x}, 8192, PROT_READ) = 0\n"
        f"brk({0x55555557A000 + brk:#x}) = {0x55555557A000 + brk:#x}\n"
    )
    assert [expected for expected, _ in divergences(snapshot)] == [
        hex(0x555555559000 + brk),
        hex(0x7FFFF7FC0000 - down),
        "0",
    ]
    names = {vma.name: vma.start for vma in reversed(snapshot.mm.vmas)}
    assert names["/demo/hello"] == 0x555555554000 + up
    assert names["[heap]"] == 0x555555559000 + brk
    assert names["[vvar]"] == 0x7FFFF7FC2000 - down
    assert areas(snapshot) == [(0x7FFFF7FBF000 - down, 0x7FFFF7FC2000 - down)]


LTRACE = """\
mm->malloc(4383)                                 = 0x5555555592a0
mm->malloc(886)                                  = 0x55555555a3d0
mm->free(0x5555555592a0)                         = <void>
mm->malloc(4000)                                 = 0x5555555592a0
mm->realloc(0x55555555a3d0, 100)                 = 0x55555555a3d0
+++ exited (status 0) +++
"""


def test_the_first_pointer_of_an_ltrace_log_tells_where_the_heap_is(end):
    """The log has no execve: the heap's start is the one thing that nobody can know."""
    snapshot = end(LTRACE)
    assert snapshot.steps is not None
    assert snapshot.steps.divergences == 1
    assert "the heap moves" in snapshot.steps.steps[0].events[-1].text


LARGE = """\
malloc(100)                                      = 0x5555555592a0
malloc(200000)                                   = 0x7ffff7da1010
calloc(10, 30)                                   = 0x555555559310
malloc(300000)                                   = 0x7ffff7d57010
free(0x7ffff7da1010)                             = <void>
realloc(0x5555555592a0, 5000)                    = 0x555555559450
malloc(1000000)                                  = 0x7ffff7c62010
realloc(0x7ffff7c62010, 3000000)                 = 0x7ffff7985010
free(0x7ffff7d57010)                             = <void>
free(0x7ffff7985010)                             = <void>
malloc_trim(0)                                   = 1
+++ exited (status 0) +++
"""


def test_the_first_large_pointer_of_an_ltrace_log_tells_where_mappings_go(end):
    """What the program's libraries take of the address space is not in the log either."""
    snapshot = end(LARGE)
    assert snapshot.steps is not None
    different = [step.number for step in snapshot.steps.steps for event in step.events if event.expected]
    assert different == [1, 2]
    assert "so do the next" in snapshot.steps.steps[1].events[-1].text


NESTED = """\
7 SYS_brk(0)                                     = 0x555555559000
7 malloc(4383 <unfinished ...>
7 SYS_brk(0)                                     = 0x555555559000
7 SYS_brk(0x55555557b000)                        = 0x55555557b000
7 <... malloc resumed> )                         = 0x5555555592a0
7 malloc(886)                                    = 0x55555555a3d0
7 +++ exited (status 0) +++
"""


def test_the_break_that_a_log_tells_is_where_the_heap_begins(end):
    snapshot = end(
        "SYS_brk(0)         = 0x555555559000\nmalloc(100)         = 0x5555555592a0\nfree(0x5555555592a0) = <void>\n"
    )
    assert snapshot.steps is not None
    assert snapshot.steps.divergences == 1
    assert snapshot.mm is not None
    assert {vma.name: vma.start for vma in snapshot.mm.vmas}["[heap]"] == 0x555555559000


def test_the_system_calls_inside_of_an_allocators_function_are_not_made_twice(end):
    snapshot = end(NESTED)
    assert snapshot.steps is not None
    assert snapshot.steps.divergences == 1
    assert [step.why.startswith("made by the malloc") for step in snapshot.steps.steps[1:3]] == [True, True]


ELSEWHERE = """\
7 execve("/demo/hello", ["hello"], []) = 0
7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fc0000
7 execve("/nowhere/program", ["program"], []) = 0
7 brk(NULL)                               = 0x55555558a000
7 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fbe000
7 mmap(NULL, 20480, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fb9000
7 munmap(0x7ffff7fbe000, 8192)            = 0
7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7ffff7fbf000
7 brk(0x5555555ab000)                     = 0x5555555ab000
"""


def test_a_program_that_is_not_here_leaves_nothing_of_the_one_before(end):
    """What it maps itself is predicted, once the log has told where its break is and where its mappings go."""
    snapshot = end(ELSEWHERE)
    assert snapshot.steps is not None
    assert snapshot.mm is not None
    different = [step.number for step in snapshot.steps.steps for event in step.events if event.expected]
    assert different == [4, 5]
    assert not any("hello" in vma.name for vma in snapshot.mm.vmas)
    assert "is not on this machine" in snapshot.mm.unknown["vmas"]
    assert {vma.name: vma.start for vma in snapshot.mm.vmas}["[heap]"] == 0x55555558A000
