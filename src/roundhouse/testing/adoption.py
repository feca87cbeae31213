"""A library to migrate into, and the exact state of folders before and after. Knows nothing about any layout."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.core.clock import SystemClock
from roundhouse.core.events import Events
from roundhouse.core.ports import Artifacts
from roundhouse.library.library import Library
from roundhouse.migration import Hall, Limits, Migrations, Surroundings
from roundhouse.testing.memory import MemoryArtifacts


def a_hall(root: Path, artifacts: Artifacts | None = None) -> Hall:
    """A library below *root*."""
    registry = artifacts or MemoryArtifacts()
    return Hall(Library(root, registry, Events(), SystemClock()), registry)


def migrations(hall: Hall, home: Path, *, new_id: Callable[[], str] | None = None) -> Migrations:
    """The migrations of *hall*, for a person whose home is *home*."""
    ids = count(1)
    around = Surroundings(home, {}, (hall.library.root,))
    return Migrations(hall, around, SystemClock(), new_id or (lambda: f"{next(ids):012x}"), Limits())


def census(root: Path, *, without: tuple[str, ...] = ()) -> dict[str, tuple[object, ...]]:
    """Every entry below *root* with all that a program could notice: kind, bytes, mode, times, how often linked."""
    entries: dict[str, tuple[object, ...]] = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in without]
        for name in [*files, *(name for name in names if Path(folder, name).is_symlink())]:
            path = Path(folder, name)
            entries[path.relative_to(root).as_posix()] = _noticed(path)
    return entries


def _noticed(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return ("link", str(path.readlink()), status.st_mtime_ns)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return ("file", content, stat.S_IMODE(status.st_mode), status.st_mtime_ns, status.st_nlink, status.st_uid)


def folder_times(root: Path) -> dict[str, int]:
    """When each folder below *root* was last changed."""
    return {str(Path(folder)): Path(folder).stat().st_mtime_ns for folder, _, _ in os.walk(root)}


async def registered(hall: Hall) -> tuple[object, ...]:
    """All that the registry knows."""
    return (tuple(await hall.artifacts.list()), tuple(await hall.artifacts.fingerprints()))


def digest_of(data: bytes) -> Digest:
    """The name of some bytes."""
    return Digest(hashlib.sha256(data).hexdigest())
