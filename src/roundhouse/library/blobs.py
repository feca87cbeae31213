"""One file per content, named by its sha256. Knows nothing about which model a blob belongs to.

A blob whose bytes were found wrong and could not be repaired lies in quarantine: kept, and loaded by nobody.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError
from roundhouse.disk.durable import sync_folder

_PREFIX = "sha256-"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as it was when somebody looked: what is no longer the same has to be looked at again."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        """What matters of *stat*."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


class Blobs:
    """The blobs below one folder. Everything but the paths blocks."""

    def __init__(self, root: Path, quarantine: Path | None = None) -> None:
        self._root = root
        self._quarantine = quarantine or root / "quarantine"

    def path_of(self, digest: Digest) -> Path:
        """Where the bytes of *digest* are, or would be."""
        return self._root / f"{_PREFIX}{digest}"

    def quarantine_of(self, digest: Digest) -> Path:
        """Where they are when they were found wrong."""
        return self._quarantine / f"{_PREFIX}{digest}"

    def has(self, digest: Digest) -> bool:
        """Whether there is such a file; whether it is right is told by `integrity`."""
        return self.path_of(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes on disk; 0 when there are none."""
        path = self.path_of(digest)
        return path.stat().st_size if path.is_file() else 0

    def remove_unreferenced(self, candidates: Collection[Digest], referenced: Collection[Digest]) -> int:
        """Delete those *candidates* that nothing refers to; the bytes that this freed."""
        freed = 0
        for digest in set(candidates) - set(referenced):
            for path in (self.path_of(digest), self.quarantine_of(digest)):
                freed += _own_size(path)
                path.unlink(missing_ok=True)
        return freed

    def own_size(self, digest: Digest, names: int) -> int:
        """Bytes that would become free without the blob and the *names* that it has in our folders."""
        return _own_size(self.path_of(digest), names)

    def settle(self) -> None:
        """Make the names of all blobs survive a power cut, and that of their folder, which may be new."""
        self._root.mkdir(parents=True, exist_ok=True)
        sync_folder(self._root)
        sync_folder(self._root.parent)

    def quarantined(self) -> set[Digest]:
        """Those whose bytes lie in quarantine and nowhere else."""
        try:
            names = [path.name for path in self._quarantine.iterdir()]
        except FileNotFoundError:
            return set()
        return {digest for digest in map(_digest, names) if digest is not None and not self.has(digest)}

    def quarantine(self, digest: Digest, seen: Sighting) -> bool:
        """Put the bytes of *digest* aside if they are still those that were *seen*; whether they are aside now."""
        path, aside = self.path_of(digest), self.quarantine_of(digest)
        try:
            if Sighting.of(path.stat()) != seen:
                return False
        except FileNotFoundError:
            return aside.exists()
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.replace(aside)
        if Sighting.of(aside.stat()) != seen:  # somebody put the right file there in between
            aside.replace(path)
            return False
        sync_folder(aside.parent)
        sync_folder(path.parent)
        return True

    def discharge(self, digests: Collection[Digest]) -> None:
        """Delete what lies in quarantine of those whose right bytes are in their place."""
        for digest in digests:
            self.quarantine_of(digest).unlink(missing_ok=True)


def _digest(name: str) -> Digest | None:
    try:
        return Digest(name) if name.startswith(_PREFIX) else None
    except SchemaError:
        return None


def _own_size(path: Path, names: int = 0) -> int:
    """Bytes that go with a file and its *names* in folders: none when it points elsewhere, or others hold it too."""
    if path.is_symlink() or not path.is_file():
        return 0
    stat = path.stat()
    return 0 if stat.st_nlink > 1 + names else stat.st_size
