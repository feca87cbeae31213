"""What lies on the library's disk: what each blob would free, and what nobody needs. Knows no rule for what may go.

Everything here blocks. Nothing here changes anything but `remove`.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Digest

_BLOB = re.compile(r"sha256-([0-9a-f]{64})")
_DRAFTS = (".tmp", ".new", ".part", ".draft")


@dataclass(frozen=True, slots=True)
class Needs:
    """What is needed of what may lie there, by name."""

    #: Blobs of models and of downloads.
    blobs: Collection[Digest]
    #: Files of partial downloads, up to their first dot.
    partials: Collection[str]
    #: Plans of downloads that are not over.
    plans: Collection[str]
    #: Folders of models.
    folders: Collection[str]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that no model and no download needs."""

    path: Path
    #: ``blob``, ``partial``, ``plan``, ``folder`` or ``draft``.
    kind: str
    bytes_freed: int
    #: When it was last touched: written, renamed or linked, in seconds since 1970.
    touched: float


@dataclass(frozen=True, slots=True)
class Survey:
    """The disk as it was."""

    #: Bytes that deleting each blob, and its links in our folders, frees: none when others have linked it.
    freeable: Mapping[Digest, int]
    #: Bytes of blobs that others have linked, too.
    linked_elsewhere: Mapping[Digest, int]
    leftovers: tuple[Leftover, ...]
    disk_free: int

    @property
    def bytes_used(self) -> int:
        """Bytes that the library takes of its disk and nobody else does."""
        others = sum(each.bytes_freed for each in self.leftovers if each.kind != "blob")
        return sum(self.freeable.values()) + others


def survey(root: Path, needs: Needs) -> Survey:
    """Look at everything below *root* that is ours. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True)
    ours = _links(root / "models")
    freeable: dict[Digest, int] = {}
    linked: dict[Digest, int] = {}
    for entry in _entries(root / "blobs"):
        name = _BLOB.fullmatch(entry.name)
        if name is not None:
            facts = entry.stat(follow_symlinks=False)
            alone = stat.S_ISREG(facts.st_mode) and facts.st_nlink <= 1 + ours[facts.st_ino]
            digest = Digest(name[1])
            freeable[digest] = facts.st_size if alone else 0
            if not alone:
                linked[digest] = Path(entry.path).stat().st_size if Path(entry.path).exists() else 0
    return Survey(freeable, linked, tuple(_leftovers(root, needs, freeable)), shutil.disk_usage(root).free)


def remove(leftover: Leftover) -> None:
    """Delete it; that it is gone already is no error. Raises OSError."""
    if leftover.kind == "folder":
        shutil.rmtree(leftover.path, ignore_errors=True)
    else:
        leftover.path.unlink(missing_ok=True)


def _links(folders: Path) -> Counter[int]:
    """How often our own folders link each file."""
    return Counter(
        os.lstat(os.path.join(place, name)).st_ino  # noqa: PTH118 - thousands of them
        for place, _, names in os.walk(folders)
        for name in names
    )


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return


def _leftovers(root: Path, needs: Needs, freeable: Mapping[Digest, int]) -> Iterator[Leftover]:
    for entry in _entries(root / "blobs"):
        name = _BLOB.fullmatch(entry.name)
        if name is not None and name[1] not in needs.blobs:
            yield _leftover(entry, "blob", freeable[Digest(name[1])])
        elif name is None and entry.name.endswith(_DRAFTS):
            yield from _stray(entry, "draft", ())
    for folder, kind, needed in (("partials", "partial", needs.partials), ("plans", "plan", needs.plans)):
        for entry in _entries(root / folder):
            yield from _stray(entry, kind, needed)
    for entry in _entries(root / "models"):
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry, needs)


def _stray(entry: os.DirEntry[str], kind: str, needed: Collection[str]) -> Iterator[Leftover]:
    """The file, unless somebody needs it by its name up to the first dot."""
    if entry.is_file(follow_symlinks=False) and entry.name.partition(".")[0] not in needed:
        yield _leftover(entry, kind)


def _in_folder(entry: os.DirEntry[str], needs: Needs) -> Iterator[Leftover]:
    """The folder of no model, or the drafts of links in one."""
    if entry.name not in needs.folders:
        yield _leftover(entry, "folder", 0)  # its files are links to blobs, which are counted there
        return
    for place, _, names in os.walk(entry.path):
        for name in sorted(names):
            if name.endswith(".new"):
                path = Path(place, name)
                yield Leftover(path, "draft", 0, _touched(path.lstat()))


def _leftover(entry: os.DirEntry[str], kind: str, bytes_freed: int | None = None) -> Leftover:
    facts = entry.stat(follow_symlinks=False)
    size = facts.st_size if facts.st_nlink == 1 else 0
    return Leftover(Path(entry.path), kind, size if bytes_freed is None else bytes_freed, _touched(facts))


def _touched(facts: os.stat_result) -> float:
    # Linking and renaming change this one only: a file that has just come may be old.
    return max(facts.st_mtime, facts.st_ctime)
