"""Makes up calls on anonymous memory of many page tables: whole ones, parts of them, and pages at their edges."""

from tests.oracle.mm_ops import HUGE, MADV, PAGE, Arg, Key
from tests.oracle.mm_scene import Made, Scene
from tests.oracle.mm_steps_map import (
    ANONYMOUS,
    FIXED,
    GROWSDOWN,
    HUGETLB,
    LOCKED,
    LOW,
    NORESERVE,
    POPULATE,
    PRIVATE,
    SHARED,
    STACK,
    make,
)

PLACE = 0x2000_0000
"""Where regions lie, so that they come to touch one another."""
MOST_TABLES = 24
"""Tables that one step may bring into memory."""
SIZE_2M, SIZE_1G = 21 << 26, 30 << 26
_ADVICE = tuple(
    MADV[f"MADV_{name}"]
    for name in (
        "DONTNEED", "DONTNEED", "FREE", "FREE", "COLD", "PAGEOUT", "NOHUGEPAGE", "POPULATE_READ", "POPULATE_WRITE",
        "GUARD_INSTALL", "GUARD_REMOVE", "DONTFORK", "WIPEONFORK", "DONTNEED_LOCKED", "RANDOM", "WILLNEED",
    )
)  # fmt: skip
_HUGE_ADVICE = (*_ADVICE, *(MADV["MADV_HUGEPAGE"],) * 5, MADV["MADV_COLLAPSE"])


def _edge(scene: Scene) -> int:
    """Bytes beside the boundary of a table."""
    return scene.rng.choice((0, 0, 0, 0, 0, PAGE, -PAGE, 7 * PAGE, -100 * PAGE, HUGE // 2))


def _large(scene: Scene) -> tuple[int, int] | None:
    """A part of a large region: start and bytes; it may reach beyond."""
    rng = scene.rng
    areas = [a for a in scene.areas() if (not a.label or "ht" in a.flags.split()) and a.end - a.start >= HUGE]
    if not areas:
        return None
    area = rng.choice(areas)
    tables = min((area.end - area.start) // HUGE, MOST_TABLES)
    if scene.chance(0.2):
        return area.start, min(area.end - area.start, MOST_TABLES * HUGE)
    start = (area.start + HUGE - 1 & -HUGE) + rng.randrange(tables) * HUGE + _edge(scene)
    length = rng.randint(1, tables) * HUGE + _edge(scene)
    if scene.chance(0.15):
        length = rng.randint(1, 40) * PAGE
    if scene.chance(0.85):
        start = max(start, area.start)
        length = min(length, max(area.end - start, PAGE))
    return max(start, PAGE), max(length, PAGE)


def tables_map(scene: Scene) -> Made | None:
    rng = scene.rng
    length = rng.choice((1, 2, 3, 5, 8, 12, 20)) * HUGE + _edge(scene)
    flags = PRIVATE | ANONYMOUS | rng.choice((0, 0, 0, NORESERVE, POPULATE))
    address = PLACE + rng.randrange(48) * HUGE + _edge(scene) if scene.chance(0.75) else 0
    if address:
        flags |= FIXED
    if flags & POPULATE:
        length = min(length, MOST_TABLES * HUGE)
    if scene.me.future or sum(a.end - a.start for a in scene.areas()) > 512 * HUGE:
        return None
    return make(scene, address, max(length, PAGE), rng.choice((3, 3, 3, 3, 1, 0)), flags)


def hugetlb_map(scene: Scene) -> Made | None:
    """Huge pages of a pool, which is empty: with MAP_NORESERVE they can be mapped."""
    rng = scene.rng
    flags = rng.choice((PRIVATE, PRIVATE, SHARED)) | ANONYMOUS | HUGETLB | rng.choice((NORESERVE,) * 6 + (0,))
    flags |= rng.choices((0, SIZE_2M, SIZE_1G, 22 << 26), (60, 30, 3, 2))[0]
    flags |= rng.choices((0, POPULATE, LOCKED, LOW, GROWSDOWN, STACK), (70, 5, 5, 8, 2, 4))[0]
    length = rng.choice((HUGE, HUGE, 2 * HUGE, 3 * HUGE, PAGE, HUGE + PAGE))
    address = PLACE + rng.randrange(48) * HUGE + rng.choice((0, 0, 0, 0, PAGE)) if scene.chance(0.6) else 0
    flags |= FIXED if address and scene.chance(0.7) else 0
    if flags & FIXED and not scene.safe(address, 2 * length):
        return None
    return make(scene, address, length, rng.choice((3, 3, 1, 0)), flags, -1, rng.choice((0, 0, 0, 0, HUGE, PAGE)))


def hugetlb_memfd(scene: Scene) -> Made | None:
    if len(scene.me.files) > 8:
        return None
    return "memfd_create", ("huge", 4 | scene.rng.choice((0, 2, SIZE_2M, 22 << 26, 32)))


def hugetlb_truncate(scene: Scene) -> Made | None:
    file = scene.fd()
    size = scene.rng.choice((0, 1, 2, 3, 4)) * HUGE + scene.rng.choice((0, 0, 0, PAGE))
    return ("ftruncate", (scene.of(file), size)) if file else hugetlb_memfd(scene)


def hugetlb_file(scene: Scene) -> Made | None:
    file, rng = scene.fd(), scene.rng
    if file is None:
        return hugetlb_memfd(scene)
    address = PLACE + rng.randrange(48) * HUGE if scene.chance(0.5) else 0
    flags = rng.choice((PRIVATE, SHARED)) | rng.choice((NORESERVE, NORESERVE, NORESERVE, 0)) | (FIXED if address else 0)
    length = rng.choice((HUGE, 2 * HUGE, PAGE))
    if address and not scene.safe(address, 2 * HUGE):
        return None
    offset = rng.choice((0, 0, HUGE, 2 * HUGE, PAGE))
    return make(scene, address, length, rng.choice((3, 3, 1)), flags, scene.of(file), offset)


def hugetlb_segment(scene: Scene) -> Made | None:
    size = scene.rng.choice((1, HUGE, 2 * HUGE))
    return "shmget", (Key(-1), size, 0o5600 | scene.rng.choice((0, 0o10000, 0o10000)))


def tables_touch(scene: Scene) -> Made | None:
    part = _large(scene)
    if part is None:
        return tables_map(scene)
    if not scene.safe(*part):
        return None
    return "touch", (scene.ref(part[0]), min(part[1], MOST_TABLES * HUGE), scene.rng.choices((1, 0), (70, 30))[0])


def tables_unmap(scene: Scene) -> Made | None:
    part = _large(scene)
    return ("munmap", (scene.ref(part[0]), part[1])) if part and scene.safe(*part) else None


def tables_protect(scene: Scene) -> Made | None:
    part = _large(scene)
    if part is None or not scene.safe(*part):
        return None
    return "mprotect", (scene.ref(part[0]), part[1], scene.rng.choice((3, 3, 3, 1, 0, 7)))


def tables_move(scene: Scene) -> Made | None:
    rng, part = scene.rng, _large(scene)
    if part is None or not scene.safe(*part):
        return None
    start, old = part
    new = rng.choice((old, old, old, old + HUGE, max(old - HUGE, PAGE), old + PAGE, old * 2))
    flags = rng.choices((1, 3, 5, 7, 0), (30, 40, 10, 12, 8))[0]
    target: Arg = 0
    if flags & 2:
        to = PLACE + rng.randrange(48) * HUGE + rng.choice((0, 0, 0, start % HUGE, _edge(scene)))
        if not scene.safe(to, new):
            return None
        target = scene.ref(to)
    return "mremap", (scene.ref(start), old, new, flags, target)


def _in_folio(scene: Scene) -> tuple[int, int] | None:
    """A part of a large region that has a folio whole, or cuts it somewhere: start and bytes."""
    rng, part = scene.rng, _large(scene)
    if part is None:
        return None
    start = (part[0] & -HUGE) + rng.choice((0, 0, rng.randrange(512) * PAGE))
    return start, rng.choice((HUGE, rng.randint(1, 512) * PAGE, 100 * PAGE, PAGE))


def folios_touch(scene: Scene) -> Made | None:
    """A few pages, so that the others of a folio stay blank."""
    part = _in_folio(scene)
    if part is None or not scene.safe(part[0], 3 * PAGE):
        return None
    return "touch", (scene.ref(part[0]), scene.rng.choice((1, 3)) * PAGE, scene.rng.choice((1, 1, 0)))


def folios_move(scene: Scene) -> Made | None:
    """To a place that is aligned as before, or is not."""
    rng, part = scene.rng, _in_folio(scene)
    if part is None:
        return None
    start, length = part
    to = PLACE + rng.randrange(48) * HUGE + rng.choice((0, rng.randrange(512) * PAGE, start % HUGE))
    if not scene.safe(start, length) or not scene.safe(to, length):
        return None
    return "mremap", (scene.ref(start), length, length, rng.choice((3, 3, 7)), scene.ref(to))


def folios_part(scene: Scene) -> Made | None:
    """Advice that splits folios, or makes them."""
    part = _in_folio(scene)
    if part is None or not scene.safe(*part):
        return None
    advice = scene.rng.choice(("FREE", "FREE", "COLD", "COLD", "PAGEOUT", "DONTNEED", "COLLAPSE"))
    return "madvise", (scene.ref(part[0]), part[1], MADV[f"MADV_{advice}"])


def folios_advise(scene: Scene) -> Made | None:
    made = tables_advise(scene)
    return None if made is None else ("madvise", (*made[1][:2], scene.rng.choice(_HUGE_ADVICE)))


def tables_advise(scene: Scene) -> Made | None:
    part = _large(scene)
    if part is None or not scene.safe(*part):
        return None
    return "madvise", (scene.ref(part[0]), part[1], scene.rng.choice(_ADVICE))


def tables_lock(scene: Scene) -> Made | None:
    rng, part = scene.rng, _large(scene)
    if part is None:
        return None
    length = min(part[1], MOST_TABLES * HUGE)
    if scene.chance(0.4):
        return "munlock", (scene.ref(part[0]), length)
    if scene.chance(0.4):
        return "mlock2", (scene.ref(part[0]), length, rng.choice((0, 1)))
    return "mlock", (scene.ref(part[0]), length)
