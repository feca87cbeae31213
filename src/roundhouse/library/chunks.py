"""Files read chunk by chunk, so that what is wrong can be named exactly. Knows no registry. Everything here blocks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
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
    """The fingerprint of a file as it is now, every byte of it read. Raises OSError."""
    whole, chunks = hashlib.sha256(), []
    with path.open("rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        size = 0
        while True:
            chunk, count = hashlib.sha256(), 0
            for block in _blocks(file, chunk_bytes):
                whole.update(block)
                chunk.update(block)
                count += len(block)
            if not count:
                break
            size += count
            chunks.append(Digest(chunk.hexdigest()))
    return Fingerprint(Digest(whole.hexdigest()), size, stat.st_mtime_ns, chunk_bytes, tuple(chunks))


def wrong_chunks(path: Path, known: Fingerprint) -> tuple[int, ...]:
    """The numbers of the chunks that are not what they were. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return tuple(
            number for number, digest in enumerate(known.chunks) if hash_stretch(file, known.stretch(number)) != digest
        )


def hash_stretch(file: BinaryIO, stretch: Stretch) -> Digest | None:
    """The digest of some bytes of an open file; ``None`` when the file ends before they do. Raises OSError."""
    file.seek(stretch.offset)
    digest, count = hashlib.sha256(), 0
    for block in _blocks(file, stretch.length):
        digest.update(block)
        count += len(block)
    return Digest(digest.hexdigest()) if count == stretch.length else None


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
