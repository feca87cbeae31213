"""The proof of what is already on disk: one line per finished chunk, in the order in which they were finished.

Knows nothing about the bytes themselves. A line is written only after its chunk has been synced: a line that is there
can be trusted to name bytes that were there. A line cut in half by a kill is the end of the journal, not an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from roundhouse.core.artifacts import Digest
from roundhouse.core.errors import SchemaError

_VERSION = b"version "


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
    """The chunks by offset, as far as the lines make sense; of two that overlap, the first that was written."""
    kept: list[Chunk] = []
    for line in _lines(path):
        if line.startswith(_VERSION):
            continue
        chunk = _parse(line)
        if chunk is None:
            break
        kept.append(chunk)
    expected = 0
    for chunk in sorted(kept, key=lambda each: each.offset):
        if chunk.offset >= expected:
            yield chunk
            expected = chunk.end


def version(path: Path) -> str | None:
    """Which version of the file the chunks are of, if that was noted."""
    noted = [line for line in _lines(path) if line.startswith(_VERSION) and line.endswith(b"\n")]
    return unquote(noted[-1][len(_VERSION) : -1].decode("ascii", "replace")) if noted else None


def _lines(path: Path) -> Sequence[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return ()


def _parse(line: bytes) -> Chunk | None:
    fields = line.split(b" ")
    if not line.endswith(b"\n") or len(fields) != 3:  # noqa: PLR2004 (offset, length, digest)
        return None
    try:
        chunk = Chunk(int(fields[0]), int(fields[1]), Digest(fields[2][:-1].decode("ascii")))
    except (ValueError, SchemaError):
        return None
    return chunk if chunk.offset >= 0 and chunk.length > 0 else None


class Journal:
    """An open journal that chunks are appended to."""

    def __init__(self, path: Path, kept: Sequence[Chunk] = (), version: str | None = None) -> None:
        # Written aside and renamed: a kill in here must not cost the lines that are already there.
        draft = path.with_name(path.name + ".tmp")
        self._file = draft.open("wb", buffering=0)
        self._file.write(_version_line(version) + b"".join(chunk.line() for chunk in kept))
        os.fsync(self._file.fileno())
        draft.replace(path)

    def append(self, *chunks: Chunk) -> None:
        """Note *chunks*; their bytes must have been synced before."""
        self._write(b"".join(chunk.line() for chunk in chunks))

    def note(self, version: str) -> None:
        """Say which version of the file all chunks are of."""
        self._write(_version_line(version))

    def _write(self, lines: bytes) -> None:
        self._file.write(lines)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _version_line(version: str | None) -> bytes:
    return b"" if version is None else _VERSION + quote(version, safe="").encode("ascii") + b"\n"
