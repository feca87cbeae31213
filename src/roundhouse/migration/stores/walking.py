"""Going through a tree that somebody else wrote, without ever leaving it. Knows nothing about models.

Symlinks to folders are not followed, so no loop can catch us. A symlink to a file is followed when the file lies below
the same root, and only regular files count: no pipes, no devices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Digest, FileName
from roundhouse.core.errors import SchemaError
from roundhouse.migration.found import FoundFile

_MOST_ENTRIES, _DEEPEST = 200_000, 12


@dataclass(frozen=True, slots=True)
class Tree:
    """The entries below one root."""

    root: Path
    #: Folders below it that are not looked into: our own home.
    spared: frozenset[Path] = frozenset()

    def files(self) -> Iterator[Path]:
        """Every entry that is no folder, in order of its name. Raises SchemaError when there are far too many."""
        seen = 0
        for folder, names, files in os.walk(self.root, followlinks=False):
            here = Path(folder)
            deep = len(here.relative_to(self.root).parts) >= _DEEPEST
            names[:] = [] if deep else sorted(name for name in names if here / name not in self.spared)
            seen += len(files) + len(names)
            if seen > _MOST_ENTRIES:
                message = f"{self.root} holds more than {_MOST_ENTRIES:,} files"
                raise SchemaError(message, hint="name the folder with the models in it")
            yield from (here / name for name in sorted(files))

    def place(self, path: Path) -> str:
        """Where *path* is, as people are told."""
        return path.relative_to(self.root).as_posix().encode("utf-8", "replace").decode()


def read_small(path: Path, root: Path, most: int = 4 << 20) -> bytes:
    """The bytes of a small file below *root*. Raises OSError; ValueError when it leads out or is too large."""
    found = found_file(path, root, "small")
    if found is None or found.size > most:
        message = f"{path.name} is no small file of this store"
        raise ValueError(message)
    return found.path.read_bytes()


def found_file(path: Path, root: Path, name: str, promised: Digest | None = None) -> FoundFile | None:
    """The regular file that *path* leads to; ``None`` when it leads out of *root* or to something else.

    Raises OSError when there is nothing, SchemaError when *name* cannot be a file's.
    """
    real = Path(os.path.realpath(path, strict=True))
    if not (str(path) + str(real)).isprintable():
        message = "its path cannot be printed"
        raise SchemaError(message)
    status = real.lstat()
    if not real.is_relative_to(root) or not stat.S_ISREG(status.st_mode):
        return None
    return FoundFile(FileName(name), real, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino, promised)
