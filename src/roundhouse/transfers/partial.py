"""A file that is not whole yet: bytes, journal, running digest. Knows nothing about where bytes come from.

Everything here blocks and belongs in a thread. Methods take a lock, because a cancelled task leaves its thread behind.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import VerifyError
from roundhouse.transfers.journal import Chunk, Journal, read

READ_BYTES = 1 << 20


class Partial:
    """An open partial file, verified up to where it goes on."""

    def __init__(self, folder: Path, key: str, chunk_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._journal_path = folder / f"{key}.part", folder / f"{key}.journal"
        self._chunk_bytes = chunk_bytes
        self._lock = threading.Lock()
        self._failure: OSError | None = None
        self._whole, self._piece = hashlib.sha256(), hashlib.sha256()
        self._file: BinaryIO = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", 0)
        kept = self._verified()
        self._chunks = list(kept)
        #: Bytes that are journaled, and bytes that are written.
        self.journaled = self.written = kept[-1].end if kept else 0
        self._file.truncate(self.written)
        self._file.seek(self.written)
        self._journal = Journal(self._journal_path, kept)
        _sync_folder(folder)

    def _verified(self) -> tuple[Chunk, ...]:
        """The journaled chunks whose bytes are still right, read again into the running digest."""
        kept: list[Chunk] = []
        for chunk in read(self._journal_path):
            whole = self._whole.copy()
            if not self._matches(chunk):
                self._whole = whole
                break
            kept.append(chunk)
        return tuple(kept)

    def _matches(self, chunk: Chunk) -> bool:
        piece, left = hashlib.sha256(), chunk.length
        while left:
            block = self._file.read(min(left, READ_BYTES))
            if not block:
                return False
            piece.update(block)
            self._whole.update(block)
            left -= len(block)
        return piece.hexdigest() == chunk.digest

    def write(self, block: bytes | bytearray) -> None:
        """Append *block*; every full chunk is synced and journaled. Raises OSError, and from then on always."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                self._append(memoryview(block))
            except OSError as error:
                self._failure = error
                raise

    def _append(self, left: memoryview) -> None:
        while left:
            # To the next multiple: after a short chunk, which a stop leaves, the following ones fall into step again.
            count = self._file.write(left[: self._chunk_bytes - self.written % self._chunk_bytes]) or 0
            self._whole.update(left[:count])
            self._piece.update(left[:count])
            self.written += count
            left = left[count:]
            if self.written % self._chunk_bytes == 0:
                self._commit()

    def _commit(self) -> None:
        """Make the chunk under way safe: data first, then the line that vouches for it."""
        if self.written == self.journaled:
            return
        os.fsync(self._file.fileno())
        self._journal.append(self._under_way())
        self._chunks.append(self._under_way())
        self._piece = hashlib.sha256()
        self.journaled = self.written

    def _under_way(self) -> Chunk:
        return Chunk(self.journaled, self.written - self.journaled, Digest(self._piece.hexdigest()))

    @property
    def chunks(self) -> Sequence[Chunk]:
        """What has been written, in order and without a gap."""
        return [*self._chunks, self._under_way()] if self.written > self.journaled else list(self._chunks)

    def restart(self) -> None:
        """Forget every byte: the source could not go on from where we were."""
        with self._lock:
            self._journal.close()
            self._journal = Journal(self._journal_path)
            self._chunks.clear()
            self._file.truncate(0)
            self._file.seek(0)
            self._whole, self._piece = hashlib.sha256(), hashlib.sha256()
            self.journaled = self.written = 0

    def finish(self, expected: Digest | None, place: Callable[[Digest], Path]) -> Digest:
        """Put the file in its place. Raises VerifyError, and then nothing of it is left."""
        with self._lock:
            digest = Digest(self._whole.hexdigest())
            if expected is not None and digest != expected:
                self._discard()
                raise _mismatch(expected, digest)
            os.fsync(self._file.fileno())
            target = place(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            _sync_folder(target.parent)
            self._journal_path.unlink(missing_ok=True)
            return digest

    def _discard(self) -> None:
        # The journal goes first: without it the bytes mean nothing, whatever a kill leaves.
        self._journal_path.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing: these bytes are of no use to anybody."""
        with self._lock:
            self._discard()

    def close(self) -> None:
        """Keep what has arrived and let go of the files."""
        with self._lock:
            if self._file.closed:
                return
            try:
                if self._failure is None and self._journal_path.exists():
                    self._commit()
            finally:
                self._journal.close()
                self._file.close()


def remove_leftovers(folder: Path, key: str) -> None:
    """Remove what a kill left between the rename and the end of the bookkeeping."""
    for suffix in (".part", ".journal", ".journal.tmp"):
        (folder / f"{key}{suffix}").unlink(missing_ok=True)


def _mismatch(expected: Digest, actual: Digest) -> VerifyError:
    message = f"the bytes that arrived are not the ones that were promised: sha256 {actual}, not {expected}"
    hint = "nothing was kept; try again, and distrust the source if it happens again"
    return VerifyError(message, hint=hint, details={"expected": expected, "actual": actual})


def _sync_folder(folder: Path) -> None:
    """Make a rename or a new entry survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
