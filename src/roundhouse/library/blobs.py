"""One file per content, named by its sha256. Knows nothing about which model a blob belongs to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from roundhouse.core.artifacts import Digest


class Blobs:
    """The blobs below one folder. Everything but `path_of` blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, digest: Digest) -> Path:
        """Where the bytes of *digest* are, or would be."""
        return self._root / f"sha256-{digest}"

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
            freed += self._own_size(digest)
            self.path_of(digest).unlink(missing_ok=True)
        return freed

    def _own_size(self, digest: Digest) -> int:
        """Bytes that go with the blob: none when it only points elsewhere, or another program holds the same file."""
        path = self.path_of(digest)
        return 0 if path.is_symlink() or not path.is_file() or path.stat().st_nlink > 1 else self.size(digest)
