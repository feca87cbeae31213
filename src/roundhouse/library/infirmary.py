"""What is done with blobs whose bytes are wrong: examined, made whole from what others bring, or put aside.

Knows nothing about sources. A blob changes only by one rename, of a file whose every byte has been found right.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Fingerprint, Stretch
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.ports import Artifacts
from roundhouse.library.blobs import Blobs, Sighting, sync_folder
from roundhouse.library.chunks import hash_file, read_stretch, wrong_chunks
from roundhouse.library.draft import Draft
from roundhouse.library.folders import Folders
from roundhouse.library.integrity import Integrity, disk_errors

#: Brings the bytes that belong there, which have this digest.
Bring = Callable[[Stretch, Digest], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is the matter with one blob."""

    file: ArtifactFile
    #: Where its bytes are: in their place, or in quarantine; ``None`` when they are gone.
    place: Path | None
    #: What was seen there.
    seen: Sighting | None
    #: What the bytes were when they were right; ``None`` when nobody knows.
    known: Fingerprint | None
    #: Every byte is the right one.
    ok: bool = False
    #: The chunks that are not.
    wrong: tuple[int, ...] = ()

    @property
    def damaged(self) -> tuple[Stretch, ...]:
        """Where the wrong bytes are; all of them when nobody knows better."""
        if self.ok:
            return ()
        if self.known is None or not self.can_be_mended:
            return (Stretch(0, self.file.size),)
        return tuple(self.known.stretch(number) for number in self.wrong)

    @property
    def missing(self) -> tuple[tuple[Stretch, Digest], ...]:
        """What would have to be brought to mend the rest: where it belongs, and its digest."""
        if self.known is None or not self.can_be_mended:
            return ()
        return tuple((self.known.stretch(number), self.known.chunks[number]) for number in self.wrong)

    @property
    def can_be_mended(self) -> bool:
        """Whether some of the bytes are worth keeping, and it is known which."""
        if self.known is None or self.place is None or self.seen is None:
            return False
        is_longer = self.seen.size > self.known.size
        return len(self.wrong) < len(self.known.chunks) and (bool(self.wrong) or is_longer)


@dataclass(frozen=True, slots=True)
class Infirmary:
    """The blobs of one library, as a doctor sees them."""

    blobs: Blobs
    folders: Folders
    integrity: Integrity
    artifacts: Artifacts
    partials: Path
    #: Held while blobs and folders change hands.
    change: asyncio.Lock

    async def examine(self, file: ArtifactFile) -> Finding:
        """Read every byte, and find those that are wrong. Raises DiskError."""
        known = await self.artifacts.fingerprint(file.digest)
        with _at_work(file.name):
            return await asyncio.to_thread(self._examine, file, known)

    def _examine(self, file: ArtifactFile, known: Fingerprint | None) -> Finding:
        for place in (self.blobs.path_of(file.digest), self.blobs.quarantine_of(file.digest)):
            if place.is_file():
                seen = Sighting.of(place.stat())
                if _is_right(place, file.digest):
                    return Finding(file, place, seen, known, ok=True)
                wrong = wrong_chunks(place, known) if known is not None else ()
                return Finding(file, place, seen, known, wrong=wrong)
        return Finding(file, None, None, known)

    async def peers(self, finding: Finding, length: int, digest: Digest) -> Sequence[tuple[Path, Stretch]]:
        """Where in the library so many bytes with that digest were seen, the same file included."""
        return [
            (place, other.stretch(number))
            for other in await self.artifacts.fingerprints()
            if (place := self._place_of(other.digest, finding)) is not None
            for number, chunk in enumerate(other.chunks)
            if chunk == digest and other.stretch(number).length == length
        ]

    def _place_of(self, digest: Digest, finding: Finding) -> Path | None:
        return finding.place if digest == finding.file.digest else self.blobs.path_of(digest)

    async def mend(self, finding: Finding, bring: Bring) -> bool:
        """Put right bytes in the place of wrong ones, all of them or none; False when the whole is wrong even so.

        Raises what *bring* raises, DiskError, ConflictError.
        """
        known, place = finding.known, finding.place
        if known is None or place is None:
            message = f"{finding.file.name}: there is nothing to mend"
            raise NotFoundError(message)
        with _at_work(finding.file.name):
            draft = await asyncio.to_thread(Draft, self.partials, known.digest)
            try:
                await asyncio.to_thread(draft.copy, place, known, finding.wrong)
                for stretch, digest in finding.missing:
                    await asyncio.to_thread(draft.put, stretch.offset, await bring(stretch, digest))
                return await self._install(draft, known)
            finally:
                await asyncio.to_thread(draft.close)

    async def _install(self, draft: Draft, known: Fingerprint) -> bool:
        async with self.change:
            stat = await asyncio.to_thread(draft.finish, self.blobs.path_of(known.digest))
            if stat is None:
                return False
            await self.artifacts.put_fingerprint(replace(known, size=stat.st_size, modified_ns=stat.st_mtime_ns))
            await self._settle(known.digest)
            return True

    async def certify(self, model: str, at: datetime) -> None:
        """Note that every byte of *model* was read and was right. Raises NotFoundError."""
        await self.artifacts.mark_verified(model, at)

    async def welcome(self, file: ArtifactFile) -> None:
        """Take in a blob that was fetched anew, and is in its place. Raises DiskError."""
        with _at_work(file.name):
            async with self.change:
                await self.integrity.record([file])
                await self._settle(file.digest)

    async def release(self, finding: Finding) -> None:
        """Put right bytes back in their place if they lie in quarantine. Raises DiskError."""
        aside, place = self.blobs.quarantine_of(finding.file.digest), self.blobs.path_of(finding.file.digest)
        with _at_work(finding.file.name):
            async with self.change:
                if finding.place == aside and not place.exists():
                    await asyncio.to_thread(aside.replace, place)
                    await asyncio.to_thread(sync_folder, place.parent)
                if finding.known is not None and finding.seen is not None:
                    await self.artifacts.put_fingerprint(replace(finding.known, modified_ns=finding.seen.modified_ns))
                await self._settle(finding.file.digest)

    async def _settle(self, digest: Digest) -> None:
        """Let every model that has these bytes load them from here on, and nobody the old ones."""
        await asyncio.to_thread(self.blobs.discharge, [digest])
        for artifact in await self._owners(digest):
            try:
                await asyncio.to_thread(self.folders.ensure, artifact)
            except NotFoundError:  # another file of it is still missing; its folder is made when that one is back
                await asyncio.to_thread(self.folders.remove, artifact.model)

    async def isolate(self, finding: Finding) -> bool:
        """Put wrong bytes aside, unless they changed since; whether nobody can load them now. Raises DiskError."""
        with _at_work(finding.file.name):
            async with self.change:
                if finding.place == self.blobs.path_of(finding.file.digest) and finding.seen is not None:
                    aside = await asyncio.to_thread(self.blobs.quarantine, finding.file.digest, finding.seen)
                    if not aside:
                        return False
                for artifact in await self._owners(finding.file.digest):
                    await asyncio.to_thread(self.folders.remove, artifact.model)
        return True

    async def _owners(self, digest: Digest) -> Sequence[Artifact]:
        """The models that have these bytes."""
        known = await self.artifacts.list()
        return [artifact for artifact in known if any(file.digest == digest for file in artifact.files)]


@contextmanager
def _at_work(name: str) -> Iterator[None]:
    """What goes wrong with the file *name* meanwhile, as an error of ours."""
    try:
        with disk_errors(name):
            yield
    except FileNotFoundError as error:
        message = f"{name}: removed or replaced while it was looked at"
        raise ConflictError(message, hint="try again") from error


def read_peer(place: Path, stretch: Stretch, digest: Digest) -> bytes | None:
    """The bytes of another file, if they are there and right; nothing is believed unread. Blocks."""
    try:
        return read_stretch(place, stretch, digest)
    except OSError:
        return None


def _is_right(path: Path, digest: Digest) -> bool:
    """Whether every byte is right; a sector that cannot be read is not. Raises OSError for anything else."""
    try:
        return hash_file(path) == digest
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False
