"""Whether the bytes of a blob are still the right ones, and if not, which. Knows nothing about models or repair.

The sha256 of the whole file is the judge. Chunk digests only say where to look.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from roundhouse.core.artifacts import ArtifactFile, Digest, FileName, Fingerprint, Stretch
from roundhouse.core.errors import DiskError, SchemaError
from roundhouse.core.ports import Artifacts
from roundhouse.disk.durable import hash_file
from roundhouse.library.blobs import Blobs
from roundhouse.library.chunks import CHUNK_BYTES, Piece, join_pieces, read_fingerprint, wrong_chunks
from roundhouse.library.formats import check_header
from roundhouse.library.signing import Seal

_UNSIGNED = Seal()
_NO_ROOM = "free some space and try again"
_BAD_DISK = "see whether this user may read it, and what the system's log says about the disk"


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file, looked at again."""

    name: FileName
    size: int
    digest: Digest
    #: What the bytes hash to now; ``None`` when the file is gone, or when nobody read all of it.
    actual: Digest | None
    #: What is wrong, in words; ``None`` when nothing is.
    problem: str | None = None
    #: Where the wrong bytes are, in chunks; the whole file when nobody knows better.
    damaged: tuple[Stretch, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What looking at a model again showed."""

    model: str
    files: tuple[FileReport, ...]
    duration_ms: float
    #: Only size, header and time of change were looked at.
    quick: bool = False
    seal: Seal = _UNSIGNED
    #: What is wrong with its signature, in words; ``None`` when nothing is.
    signature_problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all files are right, and signed as they have to be."""
        return self.signature_problem is None and all(file.ok for file in self.files)


class Integrity:
    """Looks at blobs, and remembers what they were when they were right."""

    def __init__(self, blobs: Blobs, artifacts: Artifacts, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._blobs, self._artifacts, self._chunk_bytes = blobs, artifacts, chunk_bytes
        self._landed: dict[Digest, Sequence[Piece]] = {}

    def landed(self, digest: Digest, pieces: Sequence[Piece]) -> None:
        """Note how the bytes of a blob came in, until they are recorded."""
        self._landed[digest] = pieces

    async def record(self, files: Sequence[ArtifactFile]) -> None:
        """Remember what blobs are whose every byte has just been found right.

        One that did not come in pieces is left to the first full look.
        """
        for file in files:
            pieces = self._landed.pop(file.digest, ())
            known = await self._artifacts.fingerprint(file.digest)
            found = await asyncio.to_thread(self._recorded, file.digest, pieces, known)
            if found is not None:
                await self._artifacts.put_fingerprint(found)

    def _recorded(self, digest: Digest, pieces: Sequence[Piece], known: Fingerprint | None) -> Fingerprint | None:
        path = self._blobs.path_of(digest)
        found = join_pieces(path, digest, pieces, self._chunk_bytes)
        if found is None and known is not None:
            return replace(known, modified_ns=path.stat().st_mtime_ns)
        return found

    async def look(self, file: ArtifactFile, *, quick: bool) -> FileReport:
        """Look at one blob: at its size, header and time of change, or at every byte.

        Raises DiskError when the disk does not give the bytes.
        """
        known = await self._artifacts.fingerprint(file.digest)
        try:
            with disk_errors(file.name):
                if quick:
                    return await asyncio.to_thread(self._glance, file, known)
                report, found = await asyncio.to_thread(self._read, file, known)
        except FileNotFoundError:
            aside = self._blocked(file.digest)
            return _wrong(file, aside or "is gone", None, (Stretch(0, file.size),))
        if found is not None and found != known:
            await self._artifacts.put_fingerprint(found)
        return report

    def _blocked(self, digest: Digest) -> str | None:
        """What to say of bytes that lie in quarantine; ``None`` when they do not."""
        is_aside = self._blobs.quarantine_of(digest).exists()
        return "is in quarantine: its bytes were found wrong and could not be repaired" if is_aside else None

    def _glance(self, file: ArtifactFile, known: Fingerprint | None) -> FileReport:
        path = self._blobs.path_of(file.digest)
        stat = path.stat()
        if stat.st_size != file.size:
            return _wrong(file, f"has {stat.st_size:,} bytes, should have {file.size:,}", None)
        try:
            check_header(file.name, path)
        except SchemaError as error:
            return _wrong(file, f"has a damaged header: {error.message}", None)
        if known is not None and stat.st_mtime_ns != known.modified_ns:
            return _wrong(file, "was written to since it was last read; a full verify tells whether it is right", None)
        return FileReport(file.name, file.size, file.digest, None)

    def _read(self, file: ArtifactFile, known: Fingerprint | None) -> tuple[FileReport, Fingerprint | None]:
        """Look at every byte: what was found, and the fingerprint to remember when all is right.

        Chunks are hashed only when nobody knows them yet, or when something is wrong: that halves the work.
        """
        path = self._blobs.path_of(file.digest)
        found = read_fingerprint(path, self._chunk_bytes) if known is None else _whole(path, known)
        if found.digest == file.digest:
            return _right(file), found
        damaged = (Stretch(0, file.size),)
        if known is not None:
            wrong = wrong_chunks(path, known)
            # No wrong chunk, and yet not right: then there are bytes too many, or the chunk digests lie.
            clean: tuple[Stretch, ...] = () if found.size > known.size else damaged
            return _wrong(file, _difference(file, found), found.digest, _stretches(known, wrong) or clean), None
        return _wrong(file, _difference(file, found), found.digest, damaged), None


def _whole(path: Path, known: Fingerprint) -> Fingerprint:
    """A file as it is now, if its chunks are what they were."""
    stat = path.stat()
    return replace(known, digest=hash_file(path), size=stat.st_size, modified_ns=stat.st_mtime_ns)


@contextmanager
def disk_errors(name: str) -> Iterator[None]:
    """Turn what the disk says about the file *name* into an error of ours; that it is not there stays as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        message = f"{name}: the disk refused: {error.strerror or error}"
        raise DiskError(message, hint=_NO_ROOM if full else _BAD_DISK) from error


def _stretches(known: Fingerprint, numbers: Sequence[int]) -> tuple[Stretch, ...]:
    return tuple(known.stretch(number) for number in numbers)


def _right(file: ArtifactFile) -> FileReport:
    return FileReport(file.name, file.size, file.digest, file.digest)


def _wrong(file: ArtifactFile, problem: str, actual: Digest | None, damaged: tuple[Stretch, ...] = ()) -> FileReport:
    return FileReport(file.name, file.size, file.digest, actual, problem, damaged)


def _difference(file: ArtifactFile, found: Fingerprint) -> str:
    if found.size != file.size:
        return f"has {found.size:,} bytes, should have {file.size:,}"
    return f"has sha256 {found.digest[:16]}…, should be {file.digest[:16]}…"
