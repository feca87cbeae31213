"""Files read chunk by chunk, so that what is wrong can be named exactly. Knows no registry. Everything here blocks."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from roundhouse.core.artifacts import Digest, Fingerprint, Stretch

#: Bytes of a chunk: what a flipped bit costs to fetch again.
CHUNK_BYTES = 16 << 20
_READ_BYTES = 1 << 20

#: Some bytes that were hashed on their way in: offset, length, digest.
Piece = tuple[int, int, Digest]


def read_fingerprint(path: Path, chunk_bytes: int) -> Fingerprint:
    """The fingerprint of a file as it is now. Raises OSError.

    Every byte is read once and hashed twice; a second thread takes the chunks, because hashing lets others run.
    """
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(1) as second:
        stat, whole, hashing = os.fstat(file.fileno()), hashlib.sha256(), _Chunks(chunk_bytes)
        under_way: Future[None] | None = None
        while block := file.read(_READ_BYTES):
            if under_way is not None:
                under_way.result()
            under_way = second.submit(hashing.update, block)
            whole.update(block)
        if under_way is not None:
            under_way.result()
    chunks = hashing.end()
    return Fingerprint(Digest(whole.hexdigest()), hashing.size, stat.st_mtime_ns, chunk_bytes, chunks)


class _Chunks:
    """The digests of the chunks of what passes by."""

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes, self.size = chunk_bytes, 0
        self._chunk, self._done = hashlib.sha256(), list[Digest]()

    def update(self, block: bytes) -> None:
        left = memoryview(block)
        while left:
            part = left[: self._chunk_bytes - self.size % self._chunk_bytes]
            self._chunk.update(part)
            self.size += len(part)
            left = left[len(part) :]
            if self.size % self._chunk_bytes == 0:
                self._finish()

    def _finish(self) -> None:
        self._done.append(Digest(self._chunk.hexdigest()))
        self._chunk = hashlib.sha256()

    def end(self) -> tuple[Digest, ...]:
        if self.size % self._chunk_bytes:
            self._finish()
        return tuple(self._done)


def wrong_chunks(path: Path, known: Fingerprint) -> tuple[int, ...]:
    """The numbers of the chunks that are not what they were, or that the disk cannot read. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return tuple(
            number for number, digest in enumerate(known.chunks) if _readable(file, known.stretch(number)) != digest
        )


def _readable(file: BinaryIO, stretch: Stretch) -> Digest | None:
    """The digest of some bytes; ``None`` when they are gone. Raises OSError, but not for a bad sector."""
    try:
        return hash_stretch(file, stretch)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None


def hash_stretch(file: BinaryIO, stretch: Stretch) -> Digest | None:
    """The digest of some bytes of an open file; ``None`` when the file ends before they do. Raises OSError."""
    file.seek(stretch.offset)
    digest, count = hashlib.sha256(), 0
    for block in _blocks(file, stretch.length):
        digest.update(block)
        count += len(block)
    return Digest(digest.hexdigest()) if count == stretch.length else None


def read_stretch(path: Path, stretch: Stretch, digest: Digest) -> bytes | None:
    """Some bytes of a file; ``None`` when they are not those of *digest*. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        file.seek(stretch.offset)
        data = b"".join(_blocks(file, stretch.length))
    return data if hashlib.sha256(data).hexdigest() == digest else None


def join_pieces(path: Path, digest: Digest, pieces: Sequence[Piece], chunk_bytes: int) -> Fingerprint | None:
    """The fingerprint of a file that came in *pieces*, without reading more of it than needed.

    A piece that is a whole chunk is believed, because it was hashed on its way in. A chunk in several pieces is
    read, and they must still be right. ``None`` when the pieces do not tell. Raises OSError.
    """
    with path.open("rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        if _end_of(pieces) != stat.st_size:
            return None
        chunks = []
        for number, group in groupby(pieces, lambda piece: piece[0] // chunk_bytes):
            stretch = Stretch(number * chunk_bytes, min(chunk_bytes, stat.st_size - number * chunk_bytes))
            chunk = _chunk(file, stretch, list(group))
            if chunk is None:
                return None
            chunks.append(chunk)
    return Fingerprint(digest, stat.st_size, stat.st_mtime_ns, chunk_bytes, tuple(chunks))


def _end_of(pieces: Sequence[Piece]) -> int | None:
    """Where the last piece ends; ``None`` when there is a gap."""
    end = 0
    for offset, length, _ in pieces:
        if offset != end:
            return None
        end += length
    return end


def _chunk(file: BinaryIO, stretch: Stretch, pieces: Sequence[Piece]) -> Digest | None:
    """The digest of one chunk, put together from *pieces*; ``None`` when they are no longer right or reach beyond."""
    if sum(length for _, length, _ in pieces) != stretch.length:
        return None
    if len(pieces) == 1:
        return pieces[0][2]
    if any(hash_stretch(file, Stretch(offset, length)) != digest for offset, length, digest in pieces):
        return None
    return hash_stretch(file, stretch)


def _blocks(file: BinaryIO, left: int) -> Iterator[bytes]:
    """The next bytes, *left* of them at most."""
    while left and (block := file.read(min(left, _READ_BYTES))):
        left -= len(block)
        yield block
