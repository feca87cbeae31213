"""A file that is not whole yet: bytes, journal, running digest. Knows nothing about where bytes come from.

It is written in stretches, in any order and several at a time. Everything here blocks and belongs in a thread; one
thread at a time writes a stretch, everything else takes the lock.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import VerifyError
from roundhouse.disk.durable import sync_folder
from roundhouse.transfers.claims import Claim
from roundhouse.transfers.journal import Chunk, Journal, read, version
from roundhouse.transfers.spans import Span, front, merged

#: Bytes read at once, and hashed before somebody else may have the thread.
READ_BYTES, FOLLOW_BYTES = 1 << 18, 1 << 24


class Stretch:
    """A part of the file that is being written, from its beginning on."""

    def __init__(self, partial: Partial, begin: int) -> None:
        self._partial = partial
        self.begin = self.end = begin
        self._since, self._piece = begin, hashlib.sha256()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Append *block*. Raises OSError, and from then on always, for every stretch of the file."""
        left, grid = memoryview(block), self._partial.chunk_bytes
        while left:
            # To the next multiple: after a short chunk, which a stop leaves, the following ones fall into step again.
            part = left[: grid - self.end % grid]
            self._partial.put(part, self.end)
            self._piece.update(part)
            self.end += len(part)
            left = left[len(part) :]
            if self.end % grid == 0:
                self.stop()

    def stop(self) -> None:
        """Let what has been written be a chunk."""
        if self.end > self._since:
            self._partial.ready(Chunk(self._since, self.end - self._since, Digest(self._piece.hexdigest())))
            self._since, self._piece = self.end, hashlib.sha256()


class Partial:
    """An open partial file; what its journal vouches for has been read again."""

    def __init__(self, folder: Path, key: str, chunk_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(folder, key)
        self._path = folder / f"{self._claim.name}.part"
        self._journal_path = folder / f"{self._claim.name}.journal"
        self.chunk_bytes = chunk_bytes
        with ExitStack() as undone:
            undone.callback(self._claim.release)
            self._begin(undone)
            sync_folder(folder)
            undone.pop_all()

    def _begin(self, undone: ExitStack) -> None:
        self._lock, self._hashing, self._committing = threading.Lock(), threading.Lock(), threading.Lock()
        self._failure: OSError | None = None
        self._whole, self._hashed = hashlib.sha256(), 0
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        undone.callback(os.close, self._descriptor)
        #: What is safe, and what is written and waits to be made safe.
        self._chunks = [chunk for chunk in read(self._journal_path) if self._matches(chunk)]
        self._ready: list[Chunk] = []
        self._held: Sequence[Span] = merged((chunk.offset, chunk.end) for chunk in self._chunks)
        self._stretches: list[Stretch] = []
        #: Bytes that are journaled.
        self.journaled = sum(chunk.length for chunk in self._chunks)
        #: Whether the file has come to its place.
        self.placed = False
        #: Which version of the file its bytes are of, where that matters.
        self.version = version(self._journal_path) if self._chunks else None
        os.ftruncate(self._descriptor, max((chunk.end for chunk in self._chunks), default=0))
        self._journal = Journal(self._journal_path, self._chunks, self.version)

    def _matches(self, chunk: Chunk) -> bool:
        """Whether the bytes of *chunk* are still right; the running digest takes those that continue it along."""
        piece, whole = hashlib.sha256(), self._whole.copy() if chunk.offset == self._hashed else None
        position, buffer = chunk.offset, memoryview(bytearray(min(READ_BYTES, chunk.length)))
        while position < chunk.end:
            count = os.preadv(self._descriptor, [buffer[: chunk.end - position]], position)
            if not count:
                return False
            piece.update(buffer[:count])
            if whole is not None:
                whole.update(buffer[:count])
            position += count
        if piece.hexdigest() != chunk.digest:
            return False
        if whole is not None:
            self._whole, self._hashed = whole, chunk.end
        return True

    @property
    def spans(self) -> Sequence[Span]:
        """What has been written."""
        with self._lock:
            return [*self._held, *((each.begin, each.end) for each in self._stretches)]

    @property
    def written(self) -> int:
        """Where the first gap begins."""
        return front(self.spans)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """What has been written, in order."""
        with self._lock:
            return sorted((*self._chunks, *self._ready), key=lambda chunk: chunk.offset)

    def stretch(self, begin: int) -> Stretch:
        """Begin to write from *begin* on."""
        stretch = Stretch(self, begin)
        with self._lock:
            self._stretches.append(stretch)
        return stretch

    def end(self, stretch: Stretch) -> None:
        """Write no more to *stretch*; what it has is a chunk."""
        stretch.stop()
        with self._lock:
            if stretch in self._stretches:
                self._stretches.remove(stretch)

    def put(self, part: memoryview, offset: int) -> None:
        """Write *part* to its place: what a stretch does."""
        if self._failure is not None:
            raise self._failure
        try:
            while part:
                count = os.pwrite(self._descriptor, part, offset)
                part, offset = part[count:], offset + count
        except OSError as error:
            self._failure = error
            raise

    def ready(self, chunk: Chunk) -> None:
        """Have *chunk* wait for the next commit: what a stretch does."""
        with self._lock:
            self._ready.append(chunk)
            self._held = merged([*self._held, (chunk.offset, chunk.end)])

    def commit(self) -> bool:
        """Make every finished chunk safe: data first, then the lines that vouch for it; whether there are more."""
        with self._committing:
            with self._lock:
                safe = list(self._ready)
            if not safe:
                return False
            if self._failure is not None:
                raise self._failure
            try:
                os.fsync(self._descriptor)
                self._journal.append(*safe)
            except OSError as error:
                self._failure = error
                raise
            with self._lock:
                del self._ready[: len(safe)]
                self._chunks += safe
                self.journaled += sum(chunk.length for chunk in safe)
                return bool(self._ready)

    def note(self, told: str) -> None:
        """Remember which version of the file this is."""
        self.version = told
        self._journal.note(told)

    def follow(self) -> bool:
        """Hash some of what has joined the front; whether there is more of it."""
        with self._hashing:
            reached = self.written
            until = min(reached, self._hashed + FOLLOW_BYTES)
            buffer = memoryview(bytearray(READ_BYTES))
            while self._hashed < until:
                count = os.preadv(self._descriptor, [buffer[: until - self._hashed]], self._hashed)
                if not count:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                self._whole.update(buffer[:count])
                self._hashed += count
            return self._hashed < reached

    def restart(self) -> None:
        """Forget every byte: the source could not go on from where we were."""
        with self._hashing, self._committing, self._lock:
            self._journal.close()
            self._journal = Journal(self._journal_path)
            for held in (self._chunks, self._ready, self._stretches):
                held.clear()
            self._held = ()
            os.ftruncate(self._descriptor, 0)
            self._whole, self._hashed = hashlib.sha256(), 0
            self.journaled, self.version = 0, None

    def finish(self, expected: Digest | None, place: Callable[[Digest], Path]) -> Digest:
        """Put the file in its place. Raises VerifyError, and then nothing of it is left."""
        while self.follow():
            pass
        with self._lock:
            digest = Digest(self._whole.hexdigest())
            if expected is not None and digest != expected:
                self._discard()
                raise _mismatch(expected, digest)
            os.ftruncate(self._descriptor, self._hashed)
            os.fsync(self._descriptor)
            target = place(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            self.placed = True
            sync_folder(target.parent)
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
        if self._descriptor < 0:
            return
        for stretch in list(self._stretches):
            self.end(stretch)
        try:
            if self._failure is None and self._journal_path.exists():
                self.commit()
        finally:
            self._journal.close()
            os.close(self._descriptor)
            self._descriptor = -1
            if not self._claim.exclusive:
                self._discard()  # nobody would ever find it
            self._claim.release()


def remove_leftovers(folder: Path, key: str) -> None:
    """Remove what is left of a partial file, unless another process works on it."""
    if not folder.is_dir():
        return
    claim = Claim(folder, key)
    if claim.exclusive:
        for suffix in (".part", ".journal", ".journal.tmp"):
            (folder / f"{key}{suffix}").unlink(missing_ok=True)
    claim.release()


def _mismatch(expected: Digest, actual: Digest) -> VerifyError:
    message = f"the bytes that arrived are not the ones that were promised: sha256 {actual}, not {expected}"
    hint = "nothing was kept; try again, and distrust the source if it happens again"
    return VerifyError(message, hint=hint, details={"expected": expected, "actual": actual})
