"""Takes files out of a store once the library has them: the second half of a move. Everything here blocks.

What it takes to put a file back is on the disk before the file goes.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.disk.durable import sync_folder
from roundhouse.migration.adopting import Hall
from roundhouse.migration.found import FoundFile
from roundhouse.migration.journal import Adopted, Adopting, Event, Journal, Leaving
from roundhouse.migration.placing import read_whole
from roundhouse.migration.planning import MigrationPlan


def leave(hall: Hall, journal: Journal, plan: MigrationPlan) -> None:
    """Take out what the plan wants, as far as all models that need it have come. Raises OSError."""
    events = journal.events()
    adopted = {event.model for event in events if isinstance(event, Adopted)}
    stays = {
        path
        for step in plan.steps
        if step.model not in adopted
        for path in (*step.found.entries, *(file.path for file in step.found.files))
    }
    known = _known(plan, events, adopted)
    gone = {event.path for event in events if isinstance(event, Leaving)}
    journal.kept.mkdir(exist_ok=True)
    for number, path in enumerate(plan.leaving):
        if path in stays or not os.path.lexists(path):
            continue
        if str(path) not in gone:
            if path in known and not _is_held(hall, path, *known[path]):
                continue  # it is not what the library has, so nothing could put it back
            event = _leaving(journal, number, path, known)
            journal.write(event)
        path.unlink()
        sync_folder(path.parent)


def _known(plan: MigrationPlan, events: Sequence[Event], adopted: set[str]) -> Mapping[Path, tuple[FoundFile, Digest]]:
    """The files that the library has now, by where they were."""
    digests = {event.model: event.digests for event in events if isinstance(event, Adopting)}
    return {
        file.path: (file, digest)
        for step in plan.steps
        if step.model in adopted
        for file, digest in zip(step.found.files, digests[step.model], strict=True)
    }


def _is_held(hall: Hall, path: Path, file: FoundFile, digest: Digest) -> bool:
    """Whether the library has the very bytes of *path*: its name may promise what it does not hold."""
    status, blob = path.lstat(), hall.library.blobs.path_of(digest)
    if (status.st_ino, status.st_size, status.st_mtime_ns) != (file.inode, file.size, file.modified_ns):
        return False
    return path.samefile(blob) or read_whole(path).digest == digest


def _leaving(journal: Journal, number: int, path: Path, known: Mapping[Path, tuple[FoundFile, Digest]]) -> Leaving:
    """What it takes to put *path* back."""
    status, folder = path.lstat(), path.parent.stat()
    digest, kept, target = None, None, None
    if stat.S_ISLNK(status.st_mode):
        target = str(path.readlink())
    elif path in known:
        digest = known[path][1]
    else:
        kept = number
        copy = journal.kept / f"entry-{number}"
        shutil.copy2(path, copy)
        with copy.open("rb") as made:
            os.fsync(made.fileno())
        sync_folder(journal.kept)
    return Leaving(
        path=str(path),
        digest=digest,
        kept=kept,
        target=target,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        inode=(status.st_dev, status.st_ino),
        modified_ns=status.st_mtime_ns,
        accessed_ns=status.st_atime_ns,
        folder_ns=(folder.st_atime_ns, folder.st_mtime_ns),
    )
