"""The proof of what is already on disk: one line per finished chunk. Knows nothing about the bytes themselves.

A line is written only after its chunk has been synced, so a line that is there can be trusted to name bytes that were
there. A line cut in half by a kill is the end of the journal, not an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError


@dataclass(frozen=True, slots=True)
class Chunk:
    """One stretch of a file that has been written and synced."""

    offset: int
    length: int
    digest: Digest

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.length

    def line(self) -> bytes:
        """As the journal keeps it."""
        return f"{self.offset} {self.length} {self.digest}\n".encode("ascii")


def read(path: Path) -> Iterator[Chunk]:
    """The chunks that follow each other from the first byte on, up to the first line that does not fit."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return
    expected = 0
    for line in text.splitlines(keepends=True):
        chunk = _parse(line)
        if chunk is None or chunk.offset != expected or chunk.length <= 0:
            return
        yield chunk
        expected = chunk.end


def _parse(line: bytes) -> Chunk | None:
    fields = line.split(b" ")
    if not line.endswith(b"\n") or len(fields) != 3:  # noqa: PLR2004 (offset, length, digest)
        return None
    try:
        return Chunk(int(fields[0]), int(fields[1]), Digest(fields[2].decode("ascii")))
    except (ValueError, SchemaError):
        return None


class Journal:
    """An open journal that chunks are appended to."""

    def __init__(self, path: Path, kept: Sequence[Chunk] = ()) -> None:
        # Written aside and renamed: a kill in here must not cost the lines that are already there.
        draft = path.with_name(path.name + ".tmp")
        self._file = draft.open("wb", buffering=0)
        self._file.write(b"".join(chunk.line() for chunk in kept))
        os.fsync(self._file.fileno())
        draft.replace(path)

    def append(self, chunk: Chunk) -> None:
        """Note *chunk*; its bytes must have been synced before."""
        self._file.write(chunk.line())
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
