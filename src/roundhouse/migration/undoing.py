"""Takes back what a migration did, as if it had never been. Knows nothing about why.

Every step may be done again. What others have changed since is left as it is, and said.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from roundhouse.core.artifacts import Artifact, Older
from roundhouse.core.errors import NotFoundError
from roundhouse.disk.durable import sync_folder
from roundhouse.migration.adopting import Hall, hold
from roundhouse.migration.journal import Adopting, Event, Journal, Leaving
from roundhouse.transfers import settled


async def undo(hall: Hall, journal: Journal, event: Adopting) -> Sequence[str]:
    """Take one model out again and put back what it replaced; what had to be left, in words."""
    known = {artifact.model: artifact for artifact in await hall.library.list()}
    ours = known.get(event.model)
    with hall.library.leased([digest for digest in event.digests if digest not in event.fresh]):
        if ours is not None and tuple(file.digest for file in ours.files) == event.digests:
            # What had the name before takes it back in one step: pins and tags belong to the name.
            if all(artifact.model != event.model for artifact in event.before):
                await hall.library.remove(event.model)
            del known[event.model]
        left: list[str] = []
        for artifact in event.before:
            older = [each for each in event.older if each.artifact.model == artifact.model]
            left += await _put_back(hall, journal, artifact, older, known)
    for model in dict.fromkeys((event.model, *(artifact.model for artifact in event.before))):
        with suppress(NotFoundError):  # its bytes were gone before
            await hall.library.settle_folder(model)
    await hall.library.sweep(event.fresh)
    await _restore_fingerprints(hall, event)
    if event.model in known and known[event.model] not in event.before:
        left.append(f"{event.model} is another model now, and stays")
    return left


async def _put_back(
    hall: Hall, journal: Journal, artifact: Artifact, older: Sequence[Older], known: dict[str, Artifact]
) -> Sequence[str]:
    """Register what was replaced, with its bytes; what kept us from it, in words."""
    if known.get(artifact.model) == artifact and list(await hall.library.older(artifact.model)) == older:
        return ()
    if known.get(artifact.model, artifact) != artifact:
        return (f"{artifact.model} is another model now, so the former one was not put back",)
    missing = await settled(
        asyncio.to_thread(_put_back_blobs, hall, journal, [artifact, *(each.artifact for each in older)])
    )
    if missing:
        return (f"{artifact.model} was not put back: {missing[0]} is gone",)
    await hall.library.put_back(artifact, older)
    return ()


def _put_back_blobs(hall: Hall, journal: Journal, held: Sequence[Artifact]) -> list[str]:
    missing = []
    for file in [file for artifact in held for file in artifact.files]:
        blob, kept = hall.library.blobs.path_of(file.digest), journal.kept / str(file.digest)
        if os.path.lexists(kept) and not hall.library.blobs.has(file.digest):
            hold(kept, blob)
            sync_folder(blob.parent)
        if not hall.library.blobs.has(file.digest):
            missing.append(str(file.name))
    return missing


async def _restore_fingerprints(hall: Hall, event: Adopting) -> None:
    """What was known about the bytes that were here before is known again, and nothing else."""
    held = [*await hall.library.list(), *(each.artifact for each in await hall.library.older())]
    needed = {file.digest for artifact in held for file in artifact.files}
    remembered = {each.digest for each in event.fingerprints}
    for each in event.fingerprints:
        await hall.artifacts.put_fingerprint(each)
    came = [digest for digest in event.digests if digest not in event.fresh or digest not in needed]
    await hall.artifacts.drop_fingerprints([digest for digest in came if digest not in remembered])


def restore_store(hall: Hall, journal: Journal, events: Sequence[Event]) -> list[str]:
    """Put back into the store what was moved out of it; what could not be, in words. Blocks."""
    left: list[str] = []
    leavings = [event for event in events if isinstance(event, Leaving)]
    for event in leavings:
        path = Path(event.path)
        if os.path.lexists(path):  # it had not left yet, or is back already
            continue
        if not _restore(hall, journal, path, event):
            left.append(f"{path} could not be put back: its bytes are no longer in the library")
    for event in reversed(leavings):  # the first of a folder is the last word: what was before all of them
        folder = Path(event.path).parent
        if folder.is_dir():
            os.utime(folder, ns=event.folder_ns)
    return left


def _restore(hall: Hall, journal: Journal, path: Path, event: Leaving) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    if event.target is not None:
        path.symlink_to(event.target)
        os.utime(path, ns=(event.accessed_ns, event.modified_ns), follow_symlinks=False)
        sync_folder(path.parent)
        return True
    if event.digest is not None:
        source = hall.library.blobs.path_of(event.digest)
    else:
        source = journal.kept / f"entry-{event.kept}"
    if not source.is_file():
        return False
    _give_back(source, path, event)
    sync_folder(path.parent)
    return True


def _give_back(source: Path, path: Path, event: Leaving) -> None:
    """The very file when it is only linked here, else a copy with its time, mode and owner."""
    status = source.stat()
    draft = path.with_name(f"{path.name}.roundhouse")
    draft.unlink(missing_ok=True)
    if event.inode == (status.st_dev, status.st_ino):
        os.link(source, draft)
    else:
        shutil.copyfile(source, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        if (status.st_uid, status.st_gid) != event.owner:
            with suppress(PermissionError):  # only the administrator can give files away
                os.chown(draft, *event.owner)
        draft.chmod(event.mode)
        os.utime(draft, ns=(event.accessed_ns, event.modified_ns))
    draft.replace(path)
