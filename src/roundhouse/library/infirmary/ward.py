"""What is done with blobs whose bytes are wrong: examined, made whole from what others bring, or put aside.

Knows nothing about sources. A blob changes only by one rename, of a file whose every byte has been found right.
"""

from __future__ import annotations

import asyncio
import errno
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from roundhouse.core.artifacts import Artifact, ArtifactFile, Digest, Fingerprint, Stretch
from roundhouse.core.errors import ConflictError, NotFoundError
from roundhouse.core.ports import Artifacts
from roundhouse.disk.durable import hash_file, sync_folder
from roundhouse.library.blobs import Blobs, Sighting
from roundhouse.library.chunks import read_stretch, wrong_chunks
from roundhouse.library.folders import Folders
from roundhouse.library.infirmary.draft import Draft
from roundhouse.library.integrity import Integrity, disk_errors

#: Brings the bytes that belong there, which have this digest.
Bring = Callable[[Stretch, Digest], Awaitable[bytes]]
#: By its digest, where a chunk was seen: a file, and where in it.
Peers = Mapping[Digest, Sequence[tuple[Path, Stretch]]]


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
        if self.missing or self.is_partly_right:
            return tuple(stretch for stretch, _ in self.missing)
        return (Stretch(0, self.file.size),)

    @property
    def missing(self) -> tuple[tuple[Stretch, Digest], ...]:
        """What would have to be brought to mend it: where it belongs, and its digest; nothing when nobody knows."""
        if self.known is None:
            return ()
        return tuple((self.known.stretch(number), self.known.chunks[number]) for number in self.wrong)

    @property
    def is_partly_right(self) -> bool:
        """Whether some of the bytes are worth keeping, and it is known which."""
        if self.known is None or self.seen is None:
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
        return Finding(file, None, None, known, wrong=() if known is None else tuple(range(len(known.chunks))))

    async def peers(self, finding: Finding) -> Peers:
        """Where else in the library what is missing was seen, by its digest; right chunks of the same file included."""
        wanted = {digest for _, digest in finding.missing}
        found = defaultdict(list)
        for other in await self.artifacts.fingerprints() if wanted else ():
            is_same = other.digest == finding.file.digest
            place = finding.place if is_same else self.blobs.path_of(other.digest)
            for number, digest in enumerate(other.chunks):
                if digest in wanted and place is not None and not (is_same and number in finding.wrong):
                    found[digest].append((place, other.stretch(number)))
        return found

    async def mend(self, finding: Finding, bring: Bring) -> bool:
        """Put right bytes in the place of wrong ones, all of them or none; False when the whole is wrong even so.

        Raises what *bring* raises, DiskError, ConflictError.
        """
        known = finding.known
        if known is None:
            return False
        with _at_work(finding.file.name):
            draft = await asyncio.to_thread(Draft, self.partials, known.digest)
            try:
                await asyncio.to_thread(draft.copy, finding.place, known, finding.wrong)
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
        """Let every revision that has these bytes load them from here on, and nobody the old ones."""
        await asyncio.to_thread(self.blobs.discharge, [digest])
        for artifact in await self._owners(digest):
            try:
                await asyncio.to_thread(self.folders.ensure, artifact)
            except NotFoundError:  # another file of it is still missing; its folder is made when that one is back
                await asyncio.to_thread(self.folders.drop, artifact)

    async def isolate(self, finding: Finding) -> bool:
        """Put wrong bytes aside, unless they changed since; whether nobody can load them now. Raises DiskError."""
        with _at_work(finding.file.name):
            async with self.change:
                if finding.place == self.blobs.path_of(finding.file.digest) and finding.seen is not None:
                    aside = await asyncio.to_thread(self.blobs.quarantine, finding.file.digest, finding.seen)
                    if not aside:
                        return False
                for artifact in await self._owners(finding.file.digest):
                    await asyncio.to_thread(self.folders.drop, artifact)
        return True

    async def _owners(self, digest: Digest) -> Sequence[Artifact]:
        """The models that have these bytes, and the older revisions that do."""
        known = [*await self.artifacts.list(), *(each.artifact for each in await self.artifacts.older())]
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


def read_peer(peers: Peers, digest: Digest) -> bytes | None:
    """The bytes of a chunk from whoever still has them; nothing is believed unread. Blocks."""
    for place, stretch in peers.get(digest, ()):
        with suppress(OSError):
            data = read_stretch(place, stretch, digest)
            if data is not None:
                return data
    return None


def _is_right(path: Path, digest: Digest) -> bool:
    """Whether every byte is right; a sector that cannot be read is not. Raises OSError for anything else."""
    try:
        return hash_file(path) == digest
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False
