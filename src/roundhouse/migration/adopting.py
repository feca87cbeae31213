"""Carries one model into the library: stage, prove, announce, land, register. Knows nothing about other models.

Every step may be done again: what a kill interrupted begins at its first step, and finds what is in place already.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Fingerprint, Plan
from roundhouse.core.errors import ConflictError
from roundhouse.core.ports import Artifacts
from roundhouse.disk.durable import sync_folder
from roundhouse.library.library import Library
from roundhouse.migration.found import FoundFile
from roundhouse.migration.journal import Adopted, Adopting, Journal
from roundhouse.migration.placing import Read, Watch, bring, proven, read_whole
from roundhouse.migration.planning import Mode, Step, Task
from roundhouse.transfers import settled


@dataclass(frozen=True, slots=True)
class Hall:
    """Where models come to: the library and its registry."""

    library: Library
    artifacts: Artifacts


@dataclass(frozen=True, slots=True)
class _Staged:
    """One proven file, at its own name until it lands; ``None`` when the library had it."""

    path: Path | None
    file: ArtifactFile
    read: Read


async def adopt(hall: Hall, journal: Journal, step: Step, mode: Mode, watch: Watch) -> None:
    """Bring one model in. Raises what its files, the disk and the library raise; `undoing.undo` cleans up then."""
    staged = await settled(asyncio.to_thread(_stage, hall, journal, step, mode, watch))
    digests = tuple(each.file.digest for each in staged)
    with hall.library.leased(digests):
        await _announce(hall, journal, step, staged)
        await settled(asyncio.to_thread(_land, hall.library, staged))
        for each in staged:
            hall.library.landed(each.file.digest, each.read.pieces)
        found = step.found
        plan = Plan(found.ref, found.source, step.model, found.revision, ())
        await hall.library.add_from_transfer(plan, [each.file for each in staged])
        for other in step.replaces:
            if other != step.model and any(known.model == other for known in await hall.library.list()):
                await hall.library.remove(other)
    journal.write(Adopted(step.model))


def _stage(hall: Hall, journal: Journal, step: Step, mode: Mode, watch: Watch) -> list[_Staged]:
    journal.staged.mkdir(exist_ok=True)
    return [_staged(hall, journal.staged / str(number), task, mode, watch) for number, task in enumerate(step.tasks)]


def _staged(hall: Hall, target: Path, task: Task, mode: Mode, watch: Watch) -> _Staged:
    file, promised = task.file, task.file.promised
    if promised is not None and has_promised(hall, file):
        read = read_whole(hall.library.blobs.path_of(promised), watch)
        if read.digest == promised:
            return _Staged(None, ArtifactFile(file.name, read.size, read.digest), read)
    bring(file, target, task.method, mode)
    read = proven(file, target, watch)
    return _Staged(target, ArtifactFile(file.name, read.size, read.digest), read)


def has_promised(hall: Hall, file: FoundFile) -> bool:
    """Whether the library has what the name of *file* promises; a file of another size breaks that promise."""
    if file.promised is None or not hall.library.blobs.has(file.promised):
        return False
    return hall.library.blobs.size(file.promised) == file.size


async def _announce(hall: Hall, journal: Journal, step: Step, staged: Sequence[_Staged]) -> None:
    """Write down what was before, unless a run that was killed did that. Raises ConflictError."""
    digests = tuple(each.file.digest for each in staged)
    for event in journal.events():
        if isinstance(event, Adopting) and event.model == step.model and event.digests == digests:
            await settled(asyncio.to_thread(_keep, hall.library, journal, event.held))
            return
    known = {artifact.model: artifact for artifact in await hall.library.list()}
    if step.model in known and step.model not in step.replaces:
        message = f"a model called {step.model} has come in the meantime, from {known[step.model].ref}"
        raise ConflictError(message, hint="migrate again to see what is different now")
    before = tuple(known[name] for name in step.replaces if name in known)
    older = tuple([each for artifact in before for each in await hall.library.older(artifact.model)])
    held = (*before, *(each.artifact for each in older))
    fresh = tuple(digest for digest in dict.fromkeys(digests) if not hall.library.blobs.has(digest))
    event = Adopting(step.model, digests, fresh, before, older, await _remembered(hall, digests, held))
    await settled(asyncio.to_thread(_keep, hall.library, journal, held))
    await settled(asyncio.to_thread(journal.write, event))


async def _remembered(hall: Hall, digests: Sequence[Digest], held: Sequence[Artifact]) -> tuple[Fingerprint, ...]:
    wanted = dict.fromkeys([*digests, *(file.digest for artifact in held for file in artifact.files)])
    known = [await hall.artifacts.fingerprint(digest) for digest in wanted]
    return tuple(each for each in known if each is not None)


def _keep(library: Library, journal: Journal, held: Sequence[Artifact]) -> None:
    """Hold on to the bytes of what is replaced, by links that cost nothing."""
    journal.kept.mkdir(exist_ok=True)
    for artifact in held:
        for file in artifact.files:
            blob, kept = library.blobs.path_of(file.digest), journal.kept / str(file.digest)
            if library.blobs.has(file.digest) and not os.path.lexists(kept):
                hold(blob, kept)
    sync_folder(journal.kept)


def hold(path: Path, other: Path) -> None:
    """Make *other* a second name of what is at *path*, or a copy where there are no second names."""
    draft = other.with_name(f"{other.name}.new")
    draft.unlink(missing_ok=True)
    try:
        os.link(path, draft, follow_symlinks=False)
    except OSError:
        shutil.copy2(path, draft, follow_symlinks=False)
    draft.replace(other)


def _land(library: Library, staged: Sequence[_Staged]) -> None:
    """Give proven files the names of blobs."""
    for each in staged:
        blob = library.blobs.path_of(each.file.digest)
        blob.parent.mkdir(parents=True, exist_ok=True)
        if each.path is None:
            continue
        if library.blobs.has(each.file.digest) and read_whole(blob).digest == each.file.digest:
            each.path.unlink()
        else:
            each.path.replace(blob)
        sync_folder(blob.parent)
