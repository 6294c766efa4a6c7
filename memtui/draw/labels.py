"""What a VMA is called where there is no room for its path."""

from typing import Final

from memtui.draw.fit import safe
from memtui.model.vma import Vma, VmaKind

_DELETED: Final = " (deleted)"


def vma_label(vma: Vma) -> str:
    """The file's name, "[heap]", "anon", "memfd:NAME", "shared anon": the end of the path, safe to draw."""
    if not vma.name:
        return "anon"
    if vma.kind is VmaKind.SHARED_ANON:
        return "shared anon"
    name = vma.name.removesuffix(_DELETED)
    if name.startswith("/"):
        name = name.rsplit("/", 1)[1]
    if vma.deleted and vma.kind not in (VmaKind.MEMFD, VmaKind.SYSV):
        # Those two are born without a name; for a file it is worth telling.
        name += _DELETED
    return safe(name)


def label_role(vma: Vma) -> str:
    """The role of the label: told apart by where the pages come from."""
    if vma.name.startswith("["):
        return "map.label.special"
    return "map.label" if vma.inode else "map.label.anon"
