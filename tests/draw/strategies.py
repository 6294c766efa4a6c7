"""Any address space and any snapshot, for hypothesis; and small ones by hand."""

from hypothesis import strategies as st

from memtui.model.address import PAGE_SIZE, TASK_SIZE
from memtui.model.event import Event, EventKind
from memtui.model.mm import COUNTER_NAMES, MmCounters, MmSnapshot
from memtui.model.oom import OomDomain
from memtui.model.pages import PageRun, Residence
from memtui.model.snapshot import Snapshot
from memtui.model.step import StepLog, StepRecord
from memtui.model.system import SystemSnapshot
from memtui.model.task import Task
from memtui.model.vma import SMAPS_NAMES, Smaps, Vma, VmaKind

WIDTHS = st.integers(10, 130)

# Names hold any bytes: surrogates, controls, wide and combining characters among them.
names = st.one_of(
    st.sampled_from(
        ["", "[heap]", "[stack]", "/usr/lib/libc.so.6", "/dev/zero (deleted)", "/memfd:x (deleted)", "/", "//"]
    ),
    st.text(st.characters(exclude_categories=()), max_size=12),
    st.text(st.characters(exclude_categories=()), max_size=12).map(lambda text: "/a/" + text),
)
booleans = st.none() | st.booleans()


@st.composite
def page_runs(draw, start, pages):
    runs, page = [], 0
    for _ in range(draw(st.integers(0, 6))):
        page += draw(st.integers(0, 5))
        length = min(draw(st.integers(1, 40)), pages - page)
        if length <= 0:
            break
        attributes = draw(st.tuples(*[booleans] * 6))
        runs.append(PageRun(start + page * PAGE_SIZE, length, draw(st.sampled_from(Residence)), *attributes))
        page += length
    return tuple(runs)


@st.composite
def vmas(draw, start, pages):
    runs = draw(st.none() | page_runs(start, pages))
    smaps = st.builds(
        Smaps,
        **{field: st.none() | st.integers(0, 1 << 40) for field in SMAPS_NAMES.values() if field != "size"},
        size=st.just(4),
    )
    return Vma(
        start,
        start + pages * PAGE_SIZE,
        draw(st.sampled_from(["rw-p", "r-xp", "---p", "rwxs"])),
        draw(st.integers(0, 1 << 20)) * PAGE_SIZE,
        draw(st.sampled_from([(0, 0), (254, 0)])),
        draw(st.sampled_from([0, 7])),
        draw(names),
        draw(st.sampled_from(VmaKind)),
        draw(st.none() | st.just(("rd", "wr", "zz"))),
        draw(st.none() | smaps),
        runs,
    )


@st.composite
def address_spaces(draw):
    """Any VMAs in order, from address 0 to the kernel's half."""
    space, address = [], draw(st.sampled_from([0, PAGE_SIZE, 0x555555554000]))
    for _ in range(draw(st.integers(0, 7))):
        address += draw(st.sampled_from([0, 0, 1, 7, 1 << 20])) * PAGE_SIZE
        pages = draw(st.one_of(st.integers(1, 200), st.sampled_from([1 << 18, 1 << 28])))
        space.append(draw(vmas(address, pages)))
        address = space[-1].end
    if draw(st.booleans()) and address < TASK_SIZE - 9 * PAGE_SIZE:
        space.append(draw(vmas(TASK_SIZE - 9 * PAGE_SIZE, 9)))
    if draw(st.booleans()):
        space.append(draw(vmas(0xFFFFFFFFFF600000, 1)))
    kib = st.none() | st.integers(0, 1 << 40)
    counters = draw(st.builds(MmCounters, **dict.fromkeys(COUNTER_NAMES.values(), kib)))
    unknown = draw(st.dictionaries(st.sampled_from(["smaps", "runs", "vm_flags", "status"]), names, max_size=2))
    return MmSnapshot(4242, "postgres", tuple(space), counters, unknown=unknown)


MEMINFO = [
    *("MemTotal", "MemFree", "Buffers", "Cached", "Shmem", "AnonPages", "Slab", "PageTables", "SecPageTables"),
    *("KernelStack", "Percpu", "Hugetlb", "SwapTotal", "SwapFree", "Committed_AS", "CommitLimit"),
    *("Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Dirty", "Writeback"),
]

figures = st.none() | st.integers(0, 1 << 45)
tasks = st.builds(
    Task,
    st.integers(0, 1 << 22),
    names,
    rss_pages=figures,
    swap_pages=figures,
    pgtable_pages=figures,
    oom_score_adj=st.none() | st.integers(-1000, 1000),
    kernel_oom_score=st.none() | st.integers(0, 2000),
    never=st.none() | names,
)
events = st.builds(Event, st.sampled_from(EventKind), names, names, names)


@st.composite
def step_logs(draw):
    count = draw(st.integers(0, 8))
    steps = [
        StepRecord(
            number,
            draw(st.sampled_from(["brk(NULL) = 0x5555", "mmap(NULL, 4096, PROT_READ) = -1 ENOMEM (No)"]) | names),
            1,
            made=draw(st.booleans()),
            narration=draw(names),
            chapter=draw(names),
            why=draw(names),
            events=tuple(draw(st.lists(events, max_size=2))),
            calls=tuple(draw(st.lists(names, max_size=3))),
        )
        for number in range(1, count + 1)
    ]
    return StepLog(tuple(steps), draw(st.integers(0, count)), complete=draw(st.booleans()))


@st.composite
def snapshots(draw):
    system = SystemSnapshot(
        "6.18.44",
        draw(st.dictionaries(st.sampled_from(MEMINFO), st.integers(0, 1 << 40))),
        draw(st.dictionaries(st.just("overcommit_memory"), st.integers(0, 3))),
        draw(st.dictionaries(st.just("meminfo"), names)),
    )
    domain = st.builds(OomDomain, st.none() | names, st.integers(0, 1 << 40), names)
    return Snapshot(
        draw(st.sampled_from(["live", "sim"])),
        draw(names),
        system,
        tuple(draw(st.lists(tasks, max_size=6))),
        draw(st.none() | domain),
        draw(st.none() | address_spaces()),
        draw(st.none() | step_logs()),
        stale=draw(st.none() | names),
        cost_ms=draw(st.none() | st.floats(0, 1e4)),
        unknown=draw(st.dictionaries(st.sampled_from(["mm", "domain"]), names)),
    )
